"""The audit of a study: seeded leaks are all found and refused, clean studies pass, figures are honest."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from alledge.command_line import new_app
from alledge.errors import LeakProven, PathUnusable
from alledge.types import U8
from alltrain.audit.audit import NO_IMAGES_NOTE, Audit, audit_study, join_twins
from alltrain.audit.correlates import find_correlates
from alltrain.audit.figures import few_figures
from alltrain.audit.image_records import read_records, study_images
from alltrain.audit.page import AUDIT_JSON, AUDIT_PAGE, render_audit, write_audit
from alltrain.audit.probes import out_of_fold
from alltrain.audit.support import verdict
from alltrain.cells import write_cells
from alltrain.commands.audit import audit as audit_command
from alltrain.datasets.dataset import PatchSet
from alltrain.datasets.loading import load_patches
from alltrain.folds import assign_folds
from alltrain.metrics import Predictions, score
from alltrain.phantom_study import write_study

N_FIELDS, N_FOLDS, SEED = 6, 3, 4


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PatchSet]:
    """A phantom study in which nothing is wrong."""
    folder = tmp_path_factory.mktemp("audit") / "study"
    write_study(folder, N_FIELDS, SEED)
    return folder, load_patches(folder, allow_no_groups=False)


@pytest.fixture(scope="module")
def clean_audit(clean: tuple[Path, PatchSet]) -> Audit:
    return audit(*clean)


def audit(data: Path, patch_set: PatchSet) -> Audit:
    folds = assign_folds(patch_set.labels, patch_set.groups, N_FOLDS, SEED)
    return audit_study(data, patch_set, folds, SEED)


def copy_study(clean: tuple[Path, PatchSet], to: Path) -> tuple[Path, PatchSet, list[dict[str, str]]]:
    shutil.copytree(clean[0], to)
    with (to / "groups.csv").open(newline="") as file:
        return to, clean[1], list(csv.DictReader(file))


def read(path: Path) -> U8:
    return np.asarray(cv2.imread(str(path)), dtype=np.uint8)


def with_copy(
    clean: tuple[Path, PatchSet], to: Path, change: Callable[[U8], U8], as_label: str | None = None
) -> tuple[Path, PatchSet]:
    """The study with a changed copy of its first field, given out as a field of a slide of another fold."""
    folder, patch_set, rows = copy_study(clean, to)
    original, name = rows[0]["image"], "copy.png"
    folds = assign_folds(patch_set.labels, patch_set.groups, N_FOLDS, SEED).fold_of_patch
    fold_of = dict(zip(patch_set.groups, folds.tolist(), strict=True))
    stranger = next(g for g in sorted(fold_of) if fold_of[g] != fold_of[rows[0]["group"]])
    cv2.imwrite(str(folder / "images" / name), change(read(folder / "images" / original)))
    with (folder / "annotations.csv").open(newline="") as file:
        boxes = [line for line in csv.reader(file) if line[0] == original]
    with (folder / "annotations.csv").open("a", newline="") as file:
        csv.writer(file).writerows([name, *box[1:]] for box in boxes)
    with (folder / "groups.csv").open("a") as file:
        file.write(f"{name},{stranger}\n")
    own = [k for k, source in enumerate(patch_set.sources) if source.endswith(original)]
    labels = patch_set.labels[own]
    if as_label is not None:
        labels = np.full_like(labels, patch_set.label_names.index(as_label))
    return folder, replace(
        patch_set,
        patches=np.concatenate([patch_set.patches, patch_set.patches[own]]),
        labels=np.concatenate([patch_set.labels, labels]),
        groups=(*patch_set.groups, *[stranger] * len(own)),
        patch_ids=(*patch_set.patch_ids, *[f"images/{name}#{k}" for k in range(len(own))]),
        sources=(*patch_set.sources, *[f"images/{name}"] * len(own)),
        morphology=np.concatenate([patch_set.morphology, patch_set.morphology[own]]),
    )


def codes(found: Audit) -> set[str]:
    return {leak.code for leak in found.leaks}


def test_a_clean_study_passes(clean_audit: Audit) -> None:
    assert clean_audit.leaks == ()
    assert clean_audit.twins == ()
    clean_audit.require_clean()


def test_another_clean_study_passes_as_well(tmp_path: Path) -> None:
    write_study(tmp_path / "study", 6, 21)
    found = audit(tmp_path / "study", load_patches(tmp_path / "study", allow_no_groups=False))
    assert found.leaks == ()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: image[:, ::-1], id="mirrored"),
        pytest.param(lambda image: np.clip(image * 0.85, 0, 255).astype(np.uint8), id="darker"),
    ],
)
def test_a_copy_in_another_fold_is_a_proven_leak(
    clean: tuple[Path, PatchSet], tmp_path: Path, change: Callable[[U8], U8]
) -> None:
    found = audit(*with_copy(clean, tmp_path / "study", change))
    images = found.twins_at("image")
    assert [twin.second for twin in images] == ["images/slide00_field00.jpg"]
    assert images[0].first == "images/copy.png"
    assert images[0].is_split
    with pytest.raises(LeakProven, match="tested on what it was trained on"):
        found.require_clean()


def test_joined_twins_can_no_longer_be_split(clean: tuple[Path, PatchSet], tmp_path: Path) -> None:
    folder, patch_set = with_copy(clean, tmp_path / "study", lambda image: image)
    joined = join_twins(patch_set, audit(folder, patch_set))
    assert len(set(joined.groups)) == len(set(patch_set.groups)) - 1
    assert "joined" in joined.notes[-1]
    found = audit(folder, joined)
    assert found.twins
    assert not found.is_leaky


def test_a_study_without_twins_is_joined_to_itself(clean: tuple[Path, PatchSet], clean_audit: Audit) -> None:
    assert join_twins(clean[1], clean_audit) is clean[1]


def test_twins_with_different_labels_are_a_label_error(clean: tuple[Path, PatchSet], tmp_path: Path) -> None:
    found = audit(*with_copy(clean, tmp_path / "study", lambda image: image, as_label="blast"))
    (leak,) = [leak for leak in found.leaks if leak.code == "labels-differ"]
    assert not leak.proven
    assert "one of each is wrong" in leak.sentence


def test_a_group_in_two_folds_is_a_proven_leak(clean: tuple[Path, PatchSet]) -> None:
    folder, patch_set = clean
    dealt = np.arange(len(patch_set)) % N_FOLDS
    found = audit_study(folder, patch_set, dealt, SEED)
    assert "group-split" in codes(found)
    assert found.is_leaky


def test_groups_that_differ_in_spelling_only_are_suspicious(clean: tuple[Path, PatchSet]) -> None:
    folder, patch_set = clean
    first = patch_set.groups[0]
    groups = [
        first.upper() + " " if group == first and k % 2 else group for k, group in enumerate(patch_set.groups)
    ]
    dealt = np.array([k % 2 for k in range(len(patch_set))])
    found = audit_study(folder, replace(patch_set, groups=tuple(groups)), dealt, SEED)
    assert "groups-alike" in codes(found)


def lamp_by_class(patch_set: PatchSet, source: str, image: U8) -> U8:
    """Yellow light where an image holds blasts for the most part, white elsewhere."""
    own = patch_set.labels[[s.endswith(source) for s in patch_set.sources]]
    yellow = np.array([0.7, 1.0, 1.0]) if own.mean() > 0.5 else np.ones(3)
    return np.clip(image * yellow, 0, 255).astype(np.uint8)


def test_a_lamp_that_goes_with_the_class_is_found(clean: tuple[Path, PatchSet], tmp_path: Path) -> None:
    folder, patch_set, rows = copy_study(clean, tmp_path / "study")
    # Slides of one class each, as in studies of patients against healthy people.
    slides = sorted(set(patch_set.groups))
    label_of = {slide: k % 2 for k, slide in enumerate(slides)}
    kept = [k for k, g in enumerate(patch_set.groups) if patch_set.labels[k] == label_of[g]]
    chosen = replace(
        patch_set,
        patches=patch_set.patches[kept],
        labels=patch_set.labels[kept],
        groups=tuple(patch_set.groups[k] for k in kept),
        patch_ids=tuple(patch_set.patch_ids[k] for k in kept),
        sources=tuple(patch_set.sources[k] for k in kept),
        morphology=patch_set.morphology[kept],
    )
    for row in rows:
        path = folder / "images" / row["image"]
        cv2.imwrite(str(path), lamp_by_class(chosen, row["image"], read(path)))
    found = audit(folder, chosen)
    telling = {probe.name for probe in found.probes if probe.tells}
    assert {"whole colour", "border only"} <= telling
    assert "shortcut" in codes(found)
    assert not found.is_leaky


def test_a_folder_of_patches_is_audited_by_its_patches(clean: tuple[Path, PatchSet], tmp_path: Path) -> None:
    write_cells(clean[0], tmp_path / "cells")
    found = audit(tmp_path / "cells", load_patches(tmp_path / "cells", allow_no_groups=False))
    assert found.n_images == 0
    assert NO_IMAGES_NOTE in found.notes
    assert {probe.name for probe in found.probes} == {"patch rim", "patch colours"}


# --- probes and figures ---


def predictions_of(patch_set: PatchSet, p_last: np.ndarray) -> Predictions:
    p = np.stack([1 - p_last, p_last], axis=1)
    return Predictions(
        patch_set.labels,
        p,
        p.argmax(axis=1),
        np.zeros(len(patch_set), dtype=np.bool_),
        patch_set.groups,
        patch_set.label_names,
        (1,),
    )


def test_the_figures_of_probes_are_those_of_every_report(clean: tuple[Path, PatchSet]) -> None:
    patch_set = clean[1]
    noise = np.random.default_rng(0).normal(size=len(patch_set))
    predictions = predictions_of(patch_set, 1 / (1 + np.exp(-(patch_set.labels - 0.5 + noise))))
    few, every = few_figures(predictions, 3), score(predictions, 3)
    assert few["accuracy"] == every["accuracy"]
    assert few["balanced_accuracy"] == every["balanced_accuracy"]
    assert few["macro_auroc"].value == pytest.approx(every["auroc"].value)
    assert few["macro_auroc"].ci95 == pytest.approx(every["auroc"].ci95)


def test_a_probe_learns_several_labels_and_only_from_other_folds() -> None:
    labels = np.tile(np.arange(3), 30)
    folds = np.repeat(np.arange(3), 30)
    values = labels[:, np.newaxis] + np.random.default_rng(1).normal(0, 0.1, (90, 2))
    p = out_of_fold(values, labels, folds, 3)
    assert (p.argmax(axis=1) == labels).mean() > 0.95
    np.testing.assert_allclose(p.sum(axis=1), 1)
    values[folds == 0] = 0.0
    assert (out_of_fold(values, labels, folds, 3)[folds == 0].argmax(axis=1) == 0).all()


def test_a_training_side_of_one_label_gives_that_label() -> None:
    labels, folds = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    p = out_of_fold(np.zeros((4, 1)), labels, folds, 2)
    np.testing.assert_array_equal(p, [[0, 1], [0, 1], [1, 0], [1, 0]])


def test_a_model_that_is_always_right_is_supported(clean: tuple[Path, PatchSet], clean_audit: Audit) -> None:
    right = predictions_of(clean[1], np.where(clean[1].labels == 1, 0.9, 0.1))
    found = verdict(clean_audit, right)
    assert found.is_supported
    assert found.sentence.startswith("Supported")
    assert found.shortcut == "patch colours"


def test_a_model_no_better_than_the_best_shortcut_is_not_supported(
    clean: tuple[Path, PatchSet], clean_audit: Audit
) -> None:
    best = max(clean_audit.probes, key=lambda probe: probe.grouped.figures["macro_auroc"].value or 0)
    same = verdict(clean_audit, predictions_of(clean[1], best.grouped.p[:, 1]))
    assert same.difference == pytest.approx(0)
    assert not same.is_supported
    chance = predictions_of(clean[1], np.random.default_rng(0).random(len(clean[1])))
    assert "Not supported" in verdict(clean_audit, chance).sentence


def test_predictions_of_other_cells_are_no_match(clean: tuple[Path, PatchSet], clean_audit: Audit) -> None:
    predictions = predictions_of(clean[1], np.full(len(clean[1]), 0.5))
    with pytest.raises(ValueError, match="other cells"):
        verdict(clean_audit, predictions.part(np.arange(len(clean[1])) > 0))


# --- the page and the command ---


@pytest.fixture(scope="module")
def leaky(clean: tuple[Path, PatchSet], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Audit]:
    """A study with a mirrored copy in another fold."""
    folder = tmp_path_factory.mktemp("leaky") / "study"
    folder, patch_set = with_copy(clean, folder, lambda image: image[:, ::-1])
    return folder, audit(folder, patch_set)


def test_the_page_shows_twins_side_by_side_and_loads_nothing(leaky: tuple[Path, Audit]) -> None:
    page = render_audit(leaky[1])
    assert "Proven leak" in page
    assert "Research use only" in page
    assert page.count('<img src="data:image/jpeg;base64,') == 2 * len(leaky[1].pictures)
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "mirrored" in page


def test_an_audit_is_written_whole_and_into_a_folder_of_its_own(
    leaky: tuple[Path, Audit], tmp_path: Path
) -> None:
    write_audit(tmp_path / "out", leaky[1])
    content = json.loads((tmp_path / "out" / AUDIT_JSON).read_text())
    assert content["is_leaky"] is True
    assert content["n_images_with_twin"] == 2
    assert (tmp_path / "out" / AUDIT_PAGE).is_file()
    with pytest.raises(PathUnusable):
        write_audit(leaky[0], leaky[1])


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Run `alltrain audit ...` in this process; gives the error raised, stdout."""

    def run_command(*arguments: object) -> tuple[Exception | None, str]:
        app = new_app("test")
        app.command()(audit_command)
        try:
            app([*map(str, arguments)], standalone_mode=False)
        except LeakProven as error:
            return error, capsys.readouterr().out
        return None, capsys.readouterr().out

    return run_command


def test_the_command_passes_a_clean_study(run, clean: tuple[Path, PatchSet]) -> None:
    error, out = run(clean[0], "--folds", N_FOLDS, "--seed", SEED)
    assert error is None
    assert "No leak and no shortcut was found" in out


def test_the_command_refuses_a_proven_leak_and_still_writes_the_report(
    run, leaky: tuple[Path, Audit], tmp_path: Path
) -> None:
    error, out = run(leaky[0], "--folds", N_FOLDS, "--seed", SEED, "--out", tmp_path / "out", "--json")
    assert isinstance(error, LeakProven)
    assert error.exit_status == 1
    assert json.loads(out)["is_leaky"] is True
    assert (tmp_path / "out" / AUDIT_PAGE).is_file()


def test_in_all_idb1_camera_and_size_go_with_the_class(shared_data: Path) -> None:
    records = read_records(study_images(shared_data / "all-idb1"))
    telling = {one.name for one in find_correlates(records, seed=0) if one.tells}
    assert {"Camera", "Image size"} <= telling
