"""The classical systems of the literature table: what they find, learn, say, and survive."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.cells import find_cells
from alledge.illumination import estimate_illumination
from alledge.images import read_image
from alledge.patches import cut_patches
from alledge.pixel_size import estimate_pixel_size
from alledge.types import F64, I64, U8
from alltrain.datasets.dataset import MORPHOLOGY
from alltrain.literature.apriori import APRIORI, Rule, RuleList, cover, fit_rules
from alltrain.literature.discretise import MOST_RANGES, Ranges, discretise, equal_shares
from alltrain.literature.genetic import Evolution, evolve
from alltrain.literature.gknn import GKNN, fit_gknn
from alltrain.literature.morphology_words import NOT_MEASURED, describe, phrase, words
from alltrain.literature.patch_morphology import measure_patch
from alltrain.literature.segmentation import PIXEL_UM, segment_cell
from alltrain.literature.shape import SHAPE_MEASURES, shape_features
from alltrain.literature.shape_svm import N_FEATURES, SHAPE_SVM, cell_features
from alltrain.literature.smoothing import soften, succession
from alltrain.literature.system import ExplainingSystem, System, TrainingSide
from alltrain.literature.texture import ANGLES, STATISTICS, co_occurrence, texture_features
from tests.train.patch_sets import draw_cell

BRIEF = Evolution(n_individuals=8, n_generations=4)
CLASSICAL = (GKNN, SHAPE_SVM, APRIORI)
BOTH = ("normal", "blast")
finite = st.floats(-1e6, 1e6, allow_subnormal=False)


def make_side(
    n: int = 60, label_names: tuple[str, ...] = BOTH, seed: int = 0, *, measured: bool = False
) -> TrainingSide:
    """Blasts (the last label) are large dark discs; a fifth validates; morphology follows the drawing."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(label_names)
    is_blast = labels == len(label_names) - 1
    patches = np.stack([draw_cell(bool(blast), rng) for blast in is_blast])
    morphology = np.full((n, len(MORPHOLOGY)), np.nan)
    if measured:
        morphology[:, 0] = np.where(is_blast, rng.uniform(14, 17, n), rng.uniform(8, 11, n))
        morphology[:, 1] = rng.uniform(60, 140, n)
        morphology[:, 2] = np.where(is_blast, 0.9, 0.5) + rng.uniform(-0.05, 0.05, n)
        morphology[:, 3:] = rng.uniform(0.1, 0.9, (n, 2))
    is_validation = np.arange(n) % 10 >= 8
    positive = (len(label_names) - 1,)
    return TrainingSide(patches, labels, is_validation, morphology, label_names, positive, seed)


def blank(value: int) -> U8:
    return np.full((50, 50, 3), value, dtype=np.uint8)


# --- every system ---


@pytest.fixture(params=CLASSICAL, ids=lambda system: system.key)
def system(request: pytest.FixtureRequest) -> System:
    chosen: System = request.param
    return chosen


def test_a_system_learns_what_can_be_seen(system: System) -> None:
    fitted = system.fit(make_side())
    unseen = make_side(n=30, seed=1)
    p = fitted.probabilities(unseen.patches, unseen.morphology)
    assert np.mean(p.argmax(axis=1) == unseen.labels) >= 0.9


def test_the_same_seed_gives_the_same_answer(system: System) -> None:
    side = make_side(n=30)
    first, second = (system.fit(side).probabilities(side.patches, side.morphology) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_probabilities_are_rows_that_sum_to_one_and_never_certain(system: System) -> None:
    side = make_side(n=40, label_names=("benign", "early", "pre", "pro"))
    p = system.fit(side).probabilities(side.patches, side.morphology)
    assert p.shape == (len(side.patches), 4)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert p.min() > 0
    assert p.max() < 1


def test_patches_without_a_cell_still_get_an_answer(system: System) -> None:
    fitted = system.fit(make_side(n=20))
    patches = np.stack([blank(0), blank(230), blank(120)])
    p = fitted.probabilities(patches, np.full((3, 5), np.nan))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_cells_cut_out_on_black_are_told_apart(system: System) -> None:
    side = make_side()
    patches = side.patches.copy()
    patches[(patches.min(axis=3) > 195)] = 0
    masked = TrainingSide(patches, side.labels, side.is_validation, side.morphology, BOTH, (1,), 0)
    p = system.fit(masked).probabilities(patches, side.morphology)
    assert np.mean(p.argmax(axis=1) == side.labels) >= 0.9


def test_no_patch_gives_no_row(system: System) -> None:
    fitted = system.fit(make_side(n=20))
    assert fitted.probabilities(np.empty((0, 50, 50, 3), np.uint8), np.empty((0, 5))).shape == (0, 2)


def test_a_side_with_one_label_gives_its_share(system: System) -> None:
    side = make_side()
    alone = TrainingSide(
        side.patches, np.zeros(60, np.int64), side.is_validation, side.morphology, BOTH, (1,), 0
    )
    p = system.fit(alone).probabilities(side.patches[:2], side.morphology[:2])
    assert np.all(p[:, 0] > 0.7)
    assert np.all(p[:, 1] > 0)


@pytest.mark.parametrize("n", [4, 7])
def test_a_handful_of_cells_is_enough_not_to_fail(system: System, n: int) -> None:
    side = make_side(n=n)
    p = system.fit(side).probabilities(side.patches, side.morphology)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_no_validation_cell_is_no_obstacle(system: System) -> None:
    side = make_side(n=20)
    bare = TrainingSide(side.patches, side.labels, np.zeros(20, np.bool_), side.morphology, BOTH, (1,), 0)
    assert system.fit(bare).probabilities(side.patches, side.morphology).shape == (20, 2)


def test_a_row_says_what_it_rests_on(system: System) -> None:
    assert system.claim is not None
    assert system.claim.split
    assert len(system.choices) >= 3
    assert all(choice.endswith(".") for choice in system.choices)
    fitted = system.fit(make_side(n=20))
    assert fitted.n_parameters is not None
    assert fitted.n_parameters > 0


# --- segmentation ---


def draw_disc(radius_px: float, centre: tuple[float, float] = (24.5, 24.5)) -> U8:
    rows, columns = np.indices((50, 50))
    patch = blank(230)
    patch[np.hypot(rows - centre[0], columns - centre[1]) <= radius_px] = (110, 60, 150)
    return patch


@pytest.mark.parametrize("diameter_um", [7.0, 10.0, 15.0])
def test_the_cell_in_the_middle_is_found_at_its_size(diameter_um: float) -> None:
    masks = segment_cell(draw_disc(diameter_um / PIXEL_UM / 2))
    area_um2 = np.count_nonzero(masks.nucleus) * PIXEL_UM**2
    assert np.sqrt(4 / np.pi * area_um2) == pytest.approx(diameter_um, abs=0.6)


def test_a_neighbour_is_left_out() -> None:
    patch = np.minimum(draw_disc(11), draw_disc(9, (24.5, 45.0)))
    masks = segment_cell(patch)
    assert masks.nucleus[24, 24]
    assert not masks.nucleus[24, 44]


def test_the_nucleus_lies_in_the_cell() -> None:
    rng = np.random.default_rng(3)
    for is_blast in (True, False) * 5:
        masks = segment_cell(draw_cell(is_blast, rng))
        assert masks.found
        assert not np.any(masks.nucleus & ~masks.cell)


@pytest.mark.parametrize("patch", [blank(0), blank(230), draw_disc(2), draw_disc(8, (4.0, 4.0))])
def test_plasma_specks_and_what_lies_aside_are_no_cell(patch: U8) -> None:
    assert not segment_cell(patch).found
    assert np.isnan(cell_features(patch[None])).all()
    assert np.isnan(measure_patch(patch)).all()


@pytest.mark.parametrize("name", ["Im020_1.jpg", "Im034_0.jpg"])
def test_cells_of_real_smears_have_the_size_that_the_device_measures(shared_data: Path, name: str) -> None:
    path = shared_data / "all-idb1" / "im" / name
    pixels = read_image(path)
    illumination = estimate_illumination(pixels)
    pixel_um = estimate_pixel_size(pixels, illumination).pixel_um
    cells = [cell for cell in find_cells(pixels, illumination, pixel_um).cells if not cell.touches_border]
    patches = cut_patches(pixels, [(cell.x, cell.y) for cell in cells], pixel_um, illumination)
    ratios = [
        measure_patch(patch)[1] / cell.nucleus_area_um2 for patch, cell in zip(patches, cells, strict=True)
    ]
    assert len(ratios) >= 1
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)


# --- features ---


def test_a_disc_is_round_and_full() -> None:
    values = dict(zip(SHAPE_MEASURES, shape_features(segment_cell(draw_disc(15))), strict=True))
    assert values["roundness of the nucleus"] == pytest.approx(1.0, abs=0.1)
    assert values["solidity of the nucleus"] > 0.95
    assert values["eccentricity of the nucleus"] < 0.2
    assert values["equivalent diameter of the nucleus"] == pytest.approx(12.0, abs=0.5)
    assert values["parts of the nucleus"] == 1


def test_there_are_131_features_as_published() -> None:
    assert N_FEATURES == 131
    assert cell_features(draw_disc(15)[None]).shape == (1, 131)


def test_turning_the_slide_changes_no_shape() -> None:
    rng = np.random.default_rng(5)
    patch = draw_cell(False, rng)
    turned = np.ascontiguousarray(np.rot90(patch))
    np.testing.assert_allclose(
        shape_features(segment_cell(patch)), shape_features(segment_cell(turned)), rtol=0.05
    )


def texture_of(grey: U8) -> dict[str, F64]:
    matrices = co_occurrence(grey, np.ones(grey.shape, np.bool_))
    return dict(zip(STATISTICS, texture_features(matrices).T, strict=True))


def test_a_flat_patch_has_no_texture() -> None:
    values = texture_of(np.full((20, 20), 90, np.uint8))
    for name in ("contrast", "entropy", "difference variance", "sum of squares"):
        np.testing.assert_allclose(values[name], 0.0, atol=1e-9)
    np.testing.assert_allclose(values["energy"], 1.0)


def test_stripes_have_contrast_across_and_none_along() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (20, 10))
    contrast = texture_of(stripes)["contrast"]
    assert contrast[ANGLES.index(0.0)] == pytest.approx(15**2)
    assert contrast[ANGLES.index(np.pi / 2)] == pytest.approx(0.0)


def test_what_lies_outside_the_mask_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (20, 20)).astype(np.uint8)
    inside = np.zeros((20, 20), np.bool_)
    inside[5:15, 5:15] = True
    other = np.where(inside, grey, 0).astype(np.uint8)
    np.testing.assert_array_equal(co_occurrence(grey, inside), co_occurrence(other, inside))


@given(st.integers(0, 2**32 - 1))
def test_statistics_of_texture_are_finite_and_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, rng.integers(1, 257), (12, 12)).astype(np.uint8)
    values = texture_of(grey)
    assert all(np.isfinite(column).all() for column in values.values())
    assert np.all(np.abs(values["correlation"]) <= 1 + 1e-9)
    for name in ("energy", "homogeneity", "maximum probability"):
        assert np.all((values[name] > 0) & (values[name] <= 1 + 1e-9))


# --- probabilities ---


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=8))
def test_counts_become_probabilities_in_their_order_and_never_certain(counts: list[int]) -> None:
    p = succession(np.array(counts, dtype=np.float64))
    assert p.sum() == pytest.approx(1.0)
    assert 0 < p.min() <= p.max() < 1
    assert int(p.argmax()) == int(np.argmax(counts))


def test_more_cells_allow_more_certainty() -> None:
    certain = np.array([[1.0, 0.0]])
    assert soften(certain, 10)[0, 0] < soften(certain, 1000)[0, 0] < 1


# --- the genetic search ---


def test_the_search_finds_a_hill_and_never_falls_below_its_start() -> None:
    target = np.array([0.2, 0.8, 0.5])

    def fitness(genes: F64) -> float:
        return -float(((genes - target) ** 2).sum())

    found = evolve(fitness, np.zeros(3), Evolution(n_individuals=30, n_generations=40), seed=0)
    assert fitness(found) > -0.01
    short = evolve(fitness, target, Evolution(n_individuals=4, n_generations=1), seed=0)
    assert fitness(short) == 0.0


def test_the_search_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    evolve(lambda _: 0.0, np.zeros(2), BRIEF, 0, lambda done, of: told.append((done, of)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_neighbours_are_never_the_validation_cells() -> None:
    side = make_side()
    fitted = fit_gknn(side, BRIEF)
    assert len(fitted.neighbours.labels) == int((~side.is_validation).sum())


# --- ranges ---


def labelled() -> st.SearchStrategy[tuple[F64, I64]]:
    pairs = st.lists(st.tuples(finite | st.just(np.nan), st.integers(0, 2)), max_size=60)
    return pairs.map(
        lambda rows: (
            np.array([value for value, _ in rows], dtype=np.float64),
            np.array([label for _, label in rows], dtype=np.int64),
        )
    )


@given(labelled())
def test_cuts_ascend_and_every_value_lies_in_the_range_that_is_said(study: tuple[F64, I64]) -> None:
    values, labels = study
    for ranges in (discretise(values, labels), equal_shares(values)):
        assert all(low < high for low, high in itertools.pairwise(ranges.cuts))
        assert len(ranges) <= MOST_RANGES
        for value, index in zip(values, ranges.index(values), strict=True):
            if np.isnan(value):
                assert index == -1
            else:
                low, high = ranges.ends(int(index))
                assert low < value <= high


@given(labelled())
def test_no_range_is_left_with_too_few_cells(study: tuple[F64, I64]) -> None:
    values, labels = study
    ranges = discretise(values, labels, least_cells=5)
    if len(ranges) > 1:
        places = ranges.index(values)
        assert min(np.bincount(places[places >= 0], minlength=len(ranges))) >= 5


def test_a_measure_that_tells_labels_apart_is_cut_between_them() -> None:
    values = np.concatenate([np.linspace(8, 11, 30), np.linspace(14, 17, 30)])
    assert discretise(values, np.repeat([0, 1], 30)).cuts == pytest.approx((12.5,))


def test_a_measure_that_tells_nothing_is_not_cut() -> None:
    rng = np.random.default_rng(0)
    assert discretise(rng.random(200), rng.integers(0, 2, 200)).cuts == ()


# --- rules ---


def test_a_rule_reads_as_a_morphologist_would_say_it() -> None:
    side = make_side(n=100, measured=True)
    fitted = fit_rules(side)
    blast, normal = int(np.flatnonzero(side.labels == 1)[0]), int(np.flatnonzero(side.labels == 0)[0])
    reasons = fitted.explain(side.patches[[blast, normal]], side.morphology[[blast, normal]])
    assert reasons == (
        "large cell (> 12.5 um): blast, 40 of 40 such training cells",
        "small cell (<= 12.5 um): normal, 40 of 40 such training cells",
    )


def test_conditions_are_joined_into_one_sentence() -> None:
    side = make_side(n=200, measured=True)
    is_large, is_full = side.morphology[:, 0] > 12, np.arange(200) % 4 < 2
    side.morphology[:, 0] = np.where(is_large, 16.0, 9.0)
    side.morphology[:, 2] = np.where(is_full, 0.9, 0.5)
    labels = (is_large & is_full).astype(np.int64)
    both = TrainingSide(side.patches, labels, side.is_validation, side.morphology, BOTH, (1,), 0)
    chosen = np.flatnonzero(labels == 1)[:1]
    (reason,) = fit_rules(both).explain(side.patches[chosen], side.morphology[chosen])
    assert reason == (
        "large cell (> 12.5 um) with scant cytoplasm (nucleus > 70 % of the cell):"
        " blast, 40 of 40 such training cells"
    )


def test_the_reason_is_of_the_call() -> None:
    side = make_side(n=80, measured=True)
    fitted = fit_rules(side)
    assert isinstance(fitted, ExplainingSystem)
    called = fitted.probabilities(side.patches, side.morphology).argmax(axis=1)
    reasons = fitted.explain(side.patches, side.morphology)
    assert all(f"{BOTH[label]}, " in reason for label, reason in zip(called, reasons, strict=True))


def test_a_cell_that_was_not_measured_is_told_so() -> None:
    fitted = fit_rules(make_side(n=80, measured=True))
    (reason,) = fitted.explain(blank(230)[None], np.full((1, 5), np.nan))
    assert reason.startswith("not measured, no rule fits: ")


def test_only_rules_that_tell_a_new_cell_right_are_kept() -> None:
    places = np.array([[0], [0], [1], [1]])
    labels = np.array([0, 0, 1, 1])
    useful = Rule(((0, 0),), 0, np.array([2.0, 0.0]), "")
    mistaken = Rule(((0, 1),), 0, np.array([0.0, 2.0]), "")
    *rules, default = cover([mistaken, useful, useful], places, labels, 2)
    assert rules == [useful]
    assert default.label == 1


def test_surer_rules_come_first() -> None:
    fitted = fit_rules(make_side(n=100, label_names=("benign", "early", "blast"), measured=True))
    shares = [rule.counts[rule.label] / rule.counts.sum() for rule in fitted.rules[:-1]]
    assert shares == sorted(shares, reverse=True)


def test_the_first_rule_that_fits_makes_the_call() -> None:
    ranges = (Ranges((10.0,)), *[Ranges(())] * 4)
    small = Rule(((0, 0),), 0, np.array([9.0, 1.0]), "small cell")
    default = Rule((), 1, np.array([0.0, 3.0]), "training cells that no rule fits")
    rules = RuleList(ranges, (small, default), BOTH)
    morphology = np.array([[9.0, 50, 0.8, 0.8, 0.1], [12.5, 50, 0.8, 0.8, 0.1]])
    p = rules.probabilities(np.stack([blank(230)] * 2), morphology)
    np.testing.assert_allclose(p, [[10 / 12, 2 / 12], [1 / 5, 4 / 5]])
    assert rules.explain(np.stack([blank(230)] * 2), morphology) == (
        "small cell: normal, 9 of 10 such training cells",
        (
            "medium-sized cell, scant cytoplasm, regular nucleus, no rule fits: blast, 3 of 3 training cells"
            " that no rule fits"
        ),
    )


# --- words ---


def test_words_are_those_of_the_fab_group() -> None:
    assert describe([9.0, 55.0, 0.87, 0.85, 0.1]) == "small cell, scant cytoplasm, regular nucleus"
    assert describe([16.0, 120.0, 0.55, 0.4, 0.1]) == "large cell, abundant cytoplasm, cleft or lobed nucleus"


def test_what_is_not_measured_has_no_word() -> None:
    assert describe([np.nan] * 5) == NOT_MEASURED
    assert words([9.0, np.nan, np.nan, np.nan, np.nan]) == ("small cell", "", "", "", "")
    assert describe([9.0, np.nan, np.nan, np.nan, np.nan]) == "small cell"


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 5 measures, got 3"):
        words([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("diameter_um", 14.2, np.inf, 15.5), "large cell (> 14.2 um)"),
        (("diameter_um", -np.inf, 9.0, 8.0), "small cell (<= 9.0 um)"),
        (
            ("nucleus_cytoplasm_ratio", 0.8, 0.9, 0.85),
            "scant cytoplasm (nucleus 80 to 90 % of the cell)",
        ),
        (("roundness", -np.inf, 0.5, 0.3), "cleft or lobed nucleus (roundness <= 0.50)"),
        (("texture", 0.14, np.inf, 0.2), "heterogeneous chromatin (contrast > 0.14)"),
    ],
)
def test_a_range_is_said_in_words_and_numbers(arguments: tuple[str, float, float, float], said: str) -> None:
    assert phrase(*arguments) == said
