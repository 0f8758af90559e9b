"""Positive calls that int8 loses: a bound that covers the truth, and a number of patches that would do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from allconvert.lost_positives import LostPositives, n_for_bound, upper_bound

shares = st.floats(0.0001, 0.3)


@given(st.integers(1, 3000), st.data())
def test_the_bound_is_that_of_clopper_and_pearson(n: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, n))
    exact = stats.binomtest(events, n, alternative="less").proportion_ci(0.95, method="exact")
    assert upper_bound(events, n) == pytest.approx(exact.high, abs=1e-9)


@given(st.integers(1, 800), st.floats(0.001, 0.999))
def test_it_covers_any_truth_in_at_least_nineteen_studies_of_twenty(n: int, truth: float) -> None:
    # Missed are the studies with so few events that their bound lies below the truth: a lower tail.
    most_missed = max((k for k in range(n + 1) if upper_bound(k, n) < truth), default=-1)
    assert stats.binom.cdf(most_missed, n, truth) <= 0.05 + 1e-9


@pytest.mark.parametrize(("events", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_counts_that_cannot_be_are_refused(events: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        upper_bound(events, n)


@given(st.floats(0.001, 0.2), st.just(0.0) | st.floats(0.01, 0.9))
def test_the_number_asked_for_would_do_and_one_patch_less_would_not(margin: float, part: float) -> None:
    share = part * margin
    n = n_for_bound(margin, share)
    assert n is not None
    events = next(k for k in range(n + 1) if k >= share * n)
    assert upper_bound(events, n) <= margin
    assert upper_bound(events, n - 1) > margin


def test_without_a_flip_it_is_the_rule_of_three() -> None:
    assert n_for_bound(0.005, 0.0) == 598
    assert n_for_bound(0.01, 0.0) == 299


@given(shares, st.floats(1, 3))
def test_no_number_shows_a_margin_that_the_rate_itself_breaks(margin: float, times: float) -> None:
    assert n_for_bound(margin, margin * times) is None


def test_a_single_patch_is_finer_than_any_margin_and_no_proof() -> None:
    one = LostPositives(1, 40, 0.005)
    assert one.passes
    assert not one.is_supported
    assert one.n_needed is None
    assert not LostPositives(2, 40, 0.005).passes
