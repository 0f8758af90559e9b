"""A network that looks at a corner is caught; one that looks at the nucleus passes."""

from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from alledge.errors import RuntimeMissing
from alledge.types import F32, Call
from alltrain import gradcam
from alltrain.attention import (
    Attention,
    Verdict,
    judge_attention,
    look,
    paint_over,
    sample_cells,
    shuffled_weights,
)
from alltrain.attention_sheets import cells_to_show, make_sheets, paint_evidence
from alltrain.datasets.dataset import PatchSet
from alltrain.gradcam import Weighting, find_evidence
from alltrain.models import MODELS
from alltrain.pages import page_environment
from alltrain.regions import find_regions
from alltrain.training import predict_logits
from tests.train.patch_sets import make_patch_set

CORNER = (slice(0, 8), slice(0, 8))


def marked(patch_set: PatchSet) -> PatchSet:
    """The same study with a stain in the corner of every blast's patch, a shortcut to its label."""
    patches = patch_set.patches.copy()
    for patch, label in zip(patches, patch_set.labels, strict=True):
        if label == 1:
            patch[CORNER] = (150, 90, 160)
    return replace(patch_set, patches=patches)


def weighing_network(weight_of_place: F32, darker_than: float) -> keras.Model:
    """Logits (0, sum over places of weight x darkness beyond a level, less a little)."""
    model = keras.Sequential(
        [
            keras.Input((50, 50, 3)),
            layers.Rescaling(-1 / 255, offset=1.0),
            layers.Conv2D(1, 1, activation="relu", name="dark"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    dense = np.zeros((2500, 2), dtype=np.float32)
    dense[:, 1] = weight_of_place.ravel()
    kernel = np.zeros((1, 1, 3, 1), dtype=np.float32)
    kernel[0, 0, 0, 0] = 1.0
    model.set_weights([kernel, np.array([-darker_than], np.float32), dense, np.array([0, -4], np.float32)])
    return model


def corner_network() -> keras.Model:
    weights = np.zeros((50, 50), dtype=np.float32)
    weights[CORNER] = 2.0
    return weighing_network(weights, darker_than=0.2)


def nucleus_network() -> keras.Model:
    return weighing_network(np.full((50, 50), 0.05, np.float32), darker_than=0.4)


def attention_of(model: keras.Model, patch_set: PatchSet) -> Attention:
    called = predict_logits(model, patch_set.patches).argmax(axis=1)
    fold = np.array([int(group[-1]) % 2 for group in patch_set.groups])
    return judge_attention(patch_set, look(patch_set, fold, called, lambda _: model, seed=0), seed=0)


@pytest.fixture(scope="module")
def study() -> PatchSet:
    return marked(make_patch_set())


@pytest.fixture(scope="module")
def of_corner(study: PatchSet) -> Attention:
    return attention_of(corner_network(), study)


@pytest.fixture(scope="module")
def of_nucleus(study: PatchSet) -> Attention:
    return attention_of(nucleus_network(), study)


@pytest.mark.parametrize("build", [corner_network, nucleus_network])
def test_both_made_networks_are_right_so_that_no_accuracy_parts_them(
    build: Callable[[], keras.Model], study: PatchSet
) -> None:
    assert (predict_logits(build(), study.patches).argmax(axis=1) == study.labels).mean() > 0.95


def test_a_network_that_looks_at_a_corner_is_caught(of_corner: Attention) -> None:
    assert of_corner.verdict is Verdict.OFF_THE_CELL
    assert of_corner.is_suspect
    blasts = of_corner.by_label[1]
    assert (blasts.name, blasts.on_cell.value) == ("blast", pytest.approx(0, abs=0.05))
    assert of_corner.stays_without.value == 1
    assert of_corner.counts[0] == 0
    assert of_corner.labels_below_chance == ("blast",)
    assert of_corner.sentence.endswith("On cells of blast the evidence lies beside the cell.")


def test_a_network_that_looks_at_the_nucleus_passes(of_nucleus: Attention) -> None:
    assert of_nucleus.verdict is Verdict.ON_THE_CELL
    assert not of_nucleus.is_suspect
    assert of_nucleus.by_label[1].on_cell.value == pytest.approx(1, abs=0.1)
    assert of_nucleus.stays_alone.value == 1
    assert of_nucleus.alone_over_without.value == pytest.approx(0.5, abs=0.05)
    assert of_nucleus.sentence.startswith(
        "Attention is on the cell: it is densest on the cell in 72 of 72 cells"
    )


def test_a_network_that_says_the_same_of_everything_shows_nothing(study: PatchSet) -> None:
    silent = attention_of(weighing_network(np.zeros((50, 50), np.float32), 0.2), study)
    assert silent.verdict is Verdict.NOT_SHOWN
    assert silent.n_silent == len(study)
    assert sum(silent.counts) == 0
    assert silent.all_cells.gain.value == 0


def test_every_figure_has_its_interval_and_is_told_as_json(of_corner: Attention) -> None:
    content = of_corner.as_json()
    for name in ("on_cell", "gain", "beyond_shuffled_weights", "alone_over_without"):
        figure = content[name]
        assert isinstance(figure, dict)
        assert figure["n"] == 72
        assert figure["n_groups"] == 6
        low, high = figure["ci95"]
        assert low <= figure["value"] <= high


def test_the_weights_are_as_they_were_after_looking(study: PatchSet) -> None:
    model = nucleus_network()
    before = [weights.copy() for weights in model.get_weights()]
    attention_of(model, study)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_shuffled_weights_are_the_same_numbers_elsewhere() -> None:
    weights = [np.arange(24, dtype=np.float32).reshape(2, 3, 4)]
    (shuffled,) = shuffled_weights(weights, seed=1)
    assert shuffled.shape == (2, 3, 4)
    assert not np.array_equal(shuffled, weights[0])
    assert np.array_equal(np.sort(shuffled.ravel()), weights[0].ravel())


def test_each_cell_is_explained_by_the_model_that_held_it_out(study: PatchSet) -> None:
    asked: list[int] = []
    models = {0: corner_network(), 1: nucleus_network()}

    def load(fold: int) -> keras.Model:
        asked.append(fold)
        return models[fold]

    fold = np.array([int(group[-1]) % 2 for group in study.groups])
    looked = look(study, fold, study.labels, load, seed=0)
    blasts = study.labels[looked.rows] == 1
    of_fold = fold[looked.rows]
    assert asked == [0, 1]
    assert looked.share[blasts & (of_fold == 0), 0].max() < 0.1
    assert looked.share[blasts & (of_fold == 1), 0].min() > 0.8


def test_cells_asked_for_beside_the_sample_do_not_count() -> None:
    study = marked(make_patch_set(8, 12))
    labels = study.labels
    sampled = sample_cells(labels, 2, 150, seed=0)
    also = np.setdiff1d(np.arange(len(study)), sampled)[:3]
    looked = look(
        study, np.zeros(len(study), np.int64), labels, lambda _: nucleus_network(), 0, also.tolist()
    )
    assert (looked.is_sampled.sum(), looked.rows.size) == (150, 153)
    assert judge_attention(study, looked, 0).all_cells.on_cell.n == 150


def test_the_sample_holds_as_many_of_every_label_as_there_are() -> None:
    labels = np.array([0] * 90 + [1] * 3 + [2] * 40)
    drawn = labels[sample_cells(labels, 3, 60, seed=0)]
    assert np.bincount(drawn).tolist() == [20, 3, 20]


def test_painting_over_leaves_plasma_or_black_where_the_cell_is_cut_out() -> None:
    patches = make_patch_set(1, 1).patches[:2].copy()
    patches[1, :, :20] = 0
    where = np.zeros((2, 50, 50), dtype=bool)
    where[:, 20:30, 20:30] = True
    painted = paint_over(patches, where)
    assert (painted[0][where[0]] == 230).all()
    assert (painted[1][where[1]] == 0).all()
    assert np.array_equal(painted[0][~where[0]], patches[0][~where[0]])


def test_a_cell_is_outlined_and_its_neighbour_is_not_part_of_it(study: PatchSet) -> None:
    regions = find_regions(study.patches, study.sources)
    every = regions.cell.astype(int) + regions.neighbours + regions.plasma
    assert (every == 1).all()
    assert regions.outlined.all()
    blasts = study.labels == 1
    assert regions.neighbours[blasts][:, *CORNER].mean() > 0.8
    assert regions.cell[blasts].mean() > 1.5 * regions.cell[~blasts].mean()


def test_without_a_nucleus_in_the_middle_a_disc_stands_for_the_cell() -> None:
    plasma = np.full((1, 50, 50, 3), 230, np.uint8)
    regions = find_regions(plasma, ["a"])
    assert not regions.outlined[0]
    assert np.sqrt(4 / np.pi * regions.cell.sum()) * 0.4 == pytest.approx(11, abs=0.2)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_network_of_ours_can_be_explained_at_a_place_finer_than_a_cell(
    name: str, study: PatchSet
) -> None:
    model = MODELS[name](2)
    evidence = find_evidence(model, study.patches[:3], np.array([0, 1, 0]))
    assert evidence.maps.shape == (3, 50, 50)
    assert evidence.places >= gradcam.LEAST_PLACES
    assert np.isfinite(evidence.maps).all()


def test_a_functional_network_is_explained_like_a_sequential_one(study: PatchSet) -> None:
    sequential = corner_network()
    functional = keras.Model(sequential.inputs, sequential.outputs)
    labels = study.labels[:6]
    first, second = (find_evidence(each, study.patches[:6], labels).maps for each in (sequential, functional))
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_the_evidence_for_one_label_is_the_evidence_against_the_only_other() -> None:
    study = marked(make_patch_set(1, 3))
    model = MODELS["smearnet"](2)
    for_blast = find_evidence(model, study.patches, np.ones(len(study), np.int64)).maps
    for_normal = find_evidence(model, study.patches, np.zeros(len(study), np.int64)).maps
    np.testing.assert_allclose(for_blast, -for_normal, atol=1e-4 * np.abs(for_blast).max())


def test_place_by_place_weights_find_the_corner_that_mean_weights_smear(study: PatchSet) -> None:
    model, blasts = corner_network(), study.patches[study.labels == 1][:6]
    ones = np.ones(6, np.int64)

    def in_corner(weighting: Weighting) -> float:
        maps = np.abs(find_evidence(model, blasts, ones, weighting).maps)
        return float(maps[:, *CORNER].sum() / maps.sum())

    assert in_corner(Weighting.HIRES_CAM) > 0.9
    assert in_corner(Weighting.GRAD_CAM) < 0.3


def test_another_backend_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, study: PatchSet) -> None:
    monkeypatch.setattr(gradcam, "can_explain", lambda: False)
    with pytest.raises(RuntimeMissing, match="need TensorFlow"):
        find_evidence(corner_network(), study.patches[:1], study.labels[:1])


def test_a_network_without_convolution_is_a_programming_error(study: PatchSet) -> None:
    model = keras.Sequential([keras.Input((50, 50, 3)), layers.Flatten(), layers.Dense(2)], name="flat")
    with pytest.raises(ValueError, match="flat has no convolution"):
        find_evidence(model, study.patches[:1], study.labels[:1])


# --- sheets -------------------------------------------------------------------------------------------------


def test_sheets_show_the_surest_mistakes_and_right_calls_of_every_label(study: PatchSet) -> None:
    n = len(study)
    sure = np.linspace(0.6, 0.99, n)
    called = study.labels.copy()
    called[[4, 5, 6]] = 1 - called[[4, 5, 6]]
    p = np.where(np.eye(2)[called] == 1, sure[:, None], 1 - sure[:, None])
    wrong, right = cells_to_show(study.labels, called, p)
    assert wrong.tolist() == [6, 5, 4]
    assert [rows.size for rows in right] == [6, 6]
    rows = np.concatenate([wrong, *right]).tolist()
    looked = look(study, np.zeros(n, np.int64), called, lambda _: nucleus_network(), 0, rows)
    names = study.label_names
    calls = [
        Call(names[c], dict(zip(names, q.tolist(), strict=True)), False)
        for c, q in zip(called, p, strict=True)
    ]
    sheets = make_sheets(study, calls, looked, wrong, right)
    assert [sheet.title for sheet in sheets] == ["Wrong calls", "Right: normal", "Right: blast"]
    assert all(cell.call != cell.truth for cell in sheets[0].cells)
    page = _rendered(judge_attention(study, looked, 0), sheets)
    assert page.count("data:image/jpeg;base64,") == 15
    assert "Where the network looked" in page
    assert 'class="banner"' not in page


def test_a_suspect_network_is_told_in_a_banner(of_corner: Attention) -> None:
    page = _rendered(of_corner, ())
    assert "Attention is beside the cell, below chance" in page[page.index('class="banner"') :]


def test_evidence_for_is_orange_against_is_blue_and_none_leaves_the_patch_grey() -> None:
    patch = np.full((50, 50, 3), 200, np.uint8)
    evidence = np.zeros((50, 50), np.float32)
    evidence[5:15, 5:15], evidence[30:40, 30:40] = 1, -1
    picture = paint_evidence(patch, evidence, np.zeros((50, 50), bool)).astype(int)
    red, _, blue = picture[30, 30]
    assert red > blue + 100
    red, _, blue = picture[105, 105]
    assert blue > red + 100
    assert (picture[140, 10] == 200).all()


def _rendered(attention: Attention, sheets: tuple[object, ...]) -> str:
    return page_environment().get_template("_gradcam.html.j2").render(attention=attention, seen_sheets=sheets)
