"""Intervals of a change seen on the same patches: they hold the change, have width, and cover the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from allconvert.paired import PairedCounts, count_pairs, mcnemar_p, n_to_support, newcombe_paired_interval
from alltrain.intervals import wilson_interval

counts = st.builds(PairedCounts, *[st.integers(0, 300)] * 4).filter(lambda pairs: pairs.n > 0)


def test_pairs_are_counted_by_what_each_network_made_of_a_patch() -> None:
    float_right = np.array([1, 1, 1, 0, 0], dtype=bool)
    int8_right = np.array([1, 0, 1, 1, 0], dtype=bool)
    pairs = count_pairs(float_right, int8_right)
    assert pairs == PairedCounts(both=2, lost=1, gained=1, neither=1)
    assert pairs.change == 0


@given(counts)
def test_the_interval_holds_the_change_and_lies_within_reason(pairs: PairedCounts) -> None:
    low, high = newcombe_paired_interval(pairs)
    assert -1 <= low <= pairs.change + 1e-12
    assert pairs.change - 1e-12 <= high <= 1
    assert low < high


@given(counts)
def test_swapping_the_networks_mirrors_the_interval(pairs: PairedCounts) -> None:
    swapped = PairedCounts(pairs.both, pairs.gained, pairs.lost, pairs.neither)
    low, high = newcombe_paired_interval(pairs)
    assert newcombe_paired_interval(swapped) == pytest.approx((-high, -low))


@given(counts)
def test_right_and_wrong_are_interchangeable(pairs: PairedCounts) -> None:
    inverted = PairedCounts(pairs.neither, pairs.gained, pairs.lost, pairs.both)
    low, high = newcombe_paired_interval(pairs)
    assert newcombe_paired_interval(inverted) == pytest.approx((-high, -low))


def test_without_correlation_it_is_the_square_and_add_interval_of_two_wilson_intervals() -> None:
    pairs = PairedCounts(both=25, lost=25, gained=25, neither=25)
    low, high = newcombe_paired_interval(pairs)
    wilson_low, wilson_high = wilson_interval(50, 100)
    reach = np.hypot(0.5 - wilson_low, wilson_high - 0.5)
    assert (low, high) == pytest.approx((-reach, reach))


def test_agreement_narrows_it() -> None:
    alike = newcombe_paired_interval(PairedCounts(90, 1, 1, 8))
    unlike = newcombe_paired_interval(PairedCounts(82, 9, 9, 0))
    assert alike[1] - alike[0] < (unlike[1] - unlike[0]) * 0.6


def test_it_covers_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    p = np.array([0.85, 0.03, 0.01, 0.11])  # both, lost, gained, neither
    truth = p[2] - p[1]
    covered = 0
    for both, lost, gained, neither in rng.multinomial(200, p, size=2000):
        low, high = newcombe_paired_interval(PairedCounts(both, lost, gained, neither))
        covered += low <= truth <= high
    assert 0.93 < covered / 2000 < 0.995


@given(counts.filter(lambda pairs: pairs.n >= 20), st.floats(0.005, 0.1))
def test_finer_margins_ask_for_more_patches(pairs: PairedCounts, margin: float) -> None:
    assert n_to_support(margin / 2, pairs) >= n_to_support(margin, pairs) >= 1 / margin


def test_more_flips_ask_for_more_patches() -> None:
    needed = [
        n_to_support(0.01, PairedCounts(250 - flips, flips, flips, 50 - flips)) for flips in (0, 1, 3, 9)
    ]
    assert needed == sorted(needed)
    assert needed[-1] > 3 * needed[0]


@pytest.mark.parametrize("flips", [0, 1, 4])
def test_the_number_asked_for_would_do(flips: int) -> None:
    seen = PairedCounts(240, flips, flips, 60 - 2 * flips)
    times = n_to_support(0.01, seen) / seen.n
    scaled = PairedCounts(
        *(round(times * part) for part in (seen.both, seen.lost, seen.gained, seen.neither))
    )
    assert newcombe_paired_interval(scaled)[0] > -0.0101


@given(counts)
def test_mcnemar_is_the_exact_test_of_a_fair_coin(pairs: PairedCounts) -> None:
    flipped = pairs.lost + pairs.gained
    expected = stats.binomtest(pairs.lost, flipped).pvalue if flipped else 1.0
    assert mcnemar_p(pairs) == pytest.approx(expected, rel=1e-9)


@given(counts)
def test_mcnemar_looks_at_flips_only_and_not_at_their_direction(pairs: PairedCounts) -> None:
    assert mcnemar_p(pairs) == mcnemar_p(PairedCounts(0, pairs.gained, pairs.lost, 0))
