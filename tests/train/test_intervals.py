"""Intervals hold the estimate, stay in bounds, cover as often as they say, and respect clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alltrain.intervals import (
    MIN_GROUPS_TO_RESAMPLE,
    hull,
    mover_mean_interval,
    newcombe_auroc_interval,
    plan_resampling,
    wilson_interval,
)

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def mean_of(values: np.ndarray):
    return lambda weights: weights @ values / weights.sum(axis=1)


@given(counts)
def test_wilson_holds_the_proportion_and_stays_between_0_and_1(count: tuple[int, int]) -> None:
    successes, n = count
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high


@given(counts)
def test_wilson_of_failures_mirrors_wilson_of_successes(count: tuple[int, int]) -> None:
    successes, n = count
    low, high = wilson_interval(successes, n)
    mirrored = wilson_interval(n - successes, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_gives_the_published_example() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_proportion(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(successes, n)


@pytest.mark.parametrize("p", [0.05, 0.5, 0.93])
def test_wilson_covers_the_truth_about_95_times_in_100(p: float) -> None:
    hits = np.random.default_rng(1).binomial(60, p, size=2000)
    covered = [low <= p <= high for low, high in (wilson_interval(int(hit), 60) for hit in hits)]
    assert 0.92 < np.mean(covered) < 0.98


@given(st.floats(0, 1), st.integers(1, 400), st.integers(1, 400))
def test_newcombe_holds_the_area_and_stays_between_0_and_1(area: float, m: int, n: int) -> None:
    low, high = newcombe_auroc_interval(area, m, n)
    assert -1e-12 <= low <= area <= high <= 1 + 1e-12


def test_a_perfect_area_of_few_cells_is_not_certain() -> None:
    low, high = newcombe_auroc_interval(1.0, 10, 10)
    assert high == 1.0
    assert 0.6 < low < 0.95
    assert newcombe_auroc_interval(1.0, 1000, 1000)[0] > low


def test_newcombe_refuses_an_empty_class() -> None:
    with pytest.raises(ValueError, match="two classes"):
        newcombe_auroc_interval(0.5, 0, 3)


def test_the_mean_of_two_intervals_is_tighter_than_the_mean_of_their_widths() -> None:
    low, high = mover_mean_interval([(0.8, (0.7, 0.9)), (0.6, (0.5, 0.7))])
    assert (low, high) == pytest.approx((0.7 - 0.0707, 0.7 + 0.0707), abs=1e-3)


def test_the_hull_holds_both() -> None:
    assert hull((0.2, 0.5), (0.1, 0.4)) == (0.1, 0.5)
    assert hull((0.2, 0.5), None) == (0.2, 0.5)


def test_groups_are_resampled_when_there_are_enough() -> None:
    groups = [f"g{index % MIN_GROUPS_TO_RESAMPLE}" for index in range(50)]
    plan = plan_resampling(groups, seed=0)
    assert not plan.ignores_clustering
    assert plan.n_units == plan.n_groups == MIN_GROUPS_TO_RESAMPLE


def test_patches_are_resampled_and_it_is_said_when_groups_are_too_few() -> None:
    plan = plan_resampling(["a", "b"] * 10, seed=0)
    assert plan.ignores_clustering
    assert (plan.n_units, plan.n_groups) == (20, 2)


def test_the_same_seed_gives_the_same_interval() -> None:
    groups = [f"g{index % 7}" for index in range(70)]
    values = np.random.default_rng(0).random(70)
    first, again = (plan_resampling(groups, seed=3).interval(mean_of(values)) for _ in range(2))
    assert first == again


def test_cells_that_agree_within_a_group_widen_the_interval() -> None:
    """Ten groups of 30 cells, all right or all wrong: ten facts, not three hundred."""
    values = np.repeat([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], 30).astype(float)
    as_groups = plan_resampling([f"g{index // 30}" for index in range(300)], seed=0)
    as_cells = plan_resampling([f"c{index}" for index in range(300)], seed=0)
    by_group, by_cell = as_groups.interval(mean_of(values)), as_cells.interval(mean_of(values))
    assert by_group is not None
    assert by_cell is not None
    assert by_group[1] - by_group[0] > 3 * (by_cell[1] - by_cell[0])


def test_the_bootstrap_of_independent_cells_agrees_with_wilson() -> None:
    values = np.repeat([1.0, 0.0], [240, 60])
    interval = plan_resampling([f"c{index}" for index in range(300)], seed=0).interval(mean_of(values))
    assert interval == pytest.approx(wilson_interval(240, 300), abs=0.015)


@pytest.mark.parametrize("n_groups", [5, 8])
def test_few_groups_are_trusted_less_than_percentiles_would(n_groups: int) -> None:
    """Percentiles at 2.5 and 97.5 % of five drawn groups cover the truth about 78 times in 100."""
    rng = np.random.default_rng(2)
    plain, expanded = [], []
    for _ in range(150):
        rates, sizes = rng.beta(0.85 * 9, 0.15 * 9, n_groups), rng.integers(20, 80, n_groups)
        hits = rng.binomial(sizes, rates)
        cells = np.concatenate([np.arange(size) < hit for size, hit in zip(sizes, hits, strict=True)])
        plan = plan_resampling(np.repeat([f"g{k}" for k in range(n_groups)], sizes).tolist(), 0, 400)
        values = plan.values(mean_of(cells.astype(float)))
        low, high = np.quantile(values, [0.025, 0.975])
        plain.append(low <= 0.85 <= high)
        interval = plan.interval(mean_of(cells.astype(float)))
        assert interval is not None
        expanded.append(interval[0] <= 0.85 <= interval[1])
    assert np.mean(expanded) > np.mean(plain) + 0.04
    assert np.mean(expanded) > 0.84


def test_with_many_groups_the_ends_are_the_plain_percentiles() -> None:
    low, high = plan_resampling([f"g{index}" for index in range(2000)], seed=0).tails
    assert (low, high) == pytest.approx((0.025, 0.975), abs=3e-4)


def test_every_figure_of_a_study_rests_on_the_same_resamples() -> None:
    """So that the difference of two figures is that of the same patients."""
    plan = plan_resampling([f"g{index % 9}" for index in range(90)], seed=4)
    cells = np.random.default_rng(0).random(90)
    difference = plan.values(lambda weights: mean_of(cells)(weights) - mean_of(cells**2)(weights))
    np.testing.assert_allclose(difference, plan.values(mean_of(cells)) - plan.values(mean_of(cells**2)))


def test_a_statistic_that_hardly_ever_has_a_value_has_no_interval() -> None:
    plan = plan_resampling(["a", "b", "c", "d", "e"], seed=0)
    assert plan.interval(lambda weights: np.full(weights.shape[0], np.nan)) is None


def test_a_large_study_is_resampled_in_pieces_without_changing_the_scheme() -> None:
    n = 30_000
    plan = plan_resampling([f"g{index % 9}" for index in range(n)], seed=0, n_resamples=150)
    interval = plan.interval(mean_of(np.arange(n) / n))
    assert interval == pytest.approx((0.5, 0.5), abs=0.01)
