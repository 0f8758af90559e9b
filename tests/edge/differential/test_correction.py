"""The corrected share: what the model's known errors do is undone, and how far they are known counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.differential.correction import ErrorRates, lang_reiczigel, read_error_rates, rogan_gladen
from alledge.differential.count import corrected_share
from alledge.differential.exact import clopper_pearson

SHARES = st.floats(0.0, 1.0)
RATES = st.floats(0.6, 1.0)


def figure(value: float, low: float, high: float, n: int, n_groups: int = 10) -> dict[str, object]:
    return {"value": value, "ci95": [low, high], "n": n, "n_groups": n_groups}


def rates(se: float = 0.9, sp: float = 0.94, n_se: float = 300.0, n_sp: float = 300.0) -> ErrorRates:
    return ErrorRates(se, n_se, sp, n_sp)


@given(SHARES, RATES, RATES)
def test_the_correction_undoes_what_the_error_rates_do(prevalence, se, sp):
    called = prevalence * se + (1.0 - prevalence) * (1.0 - sp)
    back = rogan_gladen(np.array(called), np.array(se), np.array(sp))
    assert float(back) == pytest.approx(prevalence, abs=1e-9)


def test_false_alarms_alone_correct_to_nothing():
    share = corrected_share(6, 100, rates(sp=0.94))
    assert share.value == pytest.approx(0.0, abs=1e-12)
    assert share.ci95[0] == 0.0


def test_fewer_calls_than_false_alarms_are_cut_off_at_nothing():
    share = corrected_share(0, 100, rates(sp=0.90))
    assert share.value == 0.0
    assert share.ci95[0] == 0.0
    assert 0.0 < share.ci95[1] < 0.1


def test_more_calls_than_sensitivity_allows_are_cut_off_at_all():
    share = corrected_share(100, 100, rates(se=0.90))
    assert share.value == 1.0
    assert share.ci95[1] == 1.0


@given(st.integers(0, 200), RATES, RATES, st.floats(5, 2000), st.floats(5, 2000))
def test_the_interval_lies_in_0_to_1_and_holds_the_value(n_positive, se, sp, n_se, n_sp):
    share = corrected_share(n_positive, 200, rates(se, sp, n_se, n_sp))
    assert 0.0 <= share.ci95[0] <= share.value <= share.ci95[1] <= 1.0


def test_a_model_that_never_errs_changes_nothing():
    share = corrected_share(20, 100, rates(1.0, 1.0, 1e9, 1e9))
    assert share.value == pytest.approx(0.2)
    low, high = clopper_pearson(20, 100)
    assert share.ci95[0] <= low + 1e-12
    assert share.ci95[1] >= high - 1e-12
    assert share.ci95 == pytest.approx((low, high), abs=0.01)


def test_error_rates_known_from_few_cells_make_the_interval_wider():
    widths = [
        share.ci95[1] - share.ci95[0]
        for share in (corrected_share(30, 100, rates(n_se=n, n_sp=n)) for n in (20, 100, 1000))
    ]
    assert widths == sorted(widths, reverse=True)


def test_the_interval_of_lang_and_reiczigel_as_worked_out_by_hand():
    one = np.array([1.0])
    low, high = lang_reiczigel(30 * one, 100 * one, 0.9 * one, 98 * one, 0.8 * one, 98 * one)
    # n' = 103.84146, p' = 31.92073 / 103.84146 = 0.307399; Se' = 0.892, Sp' = 0.794, both of 100.
    prevalence = (0.3073987 + 0.794 - 1.0) / 0.686
    of_se, of_sp = 0.892 * 0.108 / 100, 0.794 * 0.206 / 100
    shift = 2 * 3.841459 * (prevalence * of_se - (1 - prevalence) * of_sp)
    variance = 0.3073987 * 0.6926013 / 103.841459 + prevalence**2 * of_se + (1 - prevalence) ** 2 * of_sp
    reach = 1.959964 * variance**0.5 / 0.686
    assert float(low[0]) == pytest.approx(max(prevalence + shift - reach, 0.0), abs=1e-5)
    assert float(high[0]) == pytest.approx(prevalence + shift + reach, abs=1e-5)


def test_rates_of_a_coin_say_nothing():
    one = np.array([1.0])
    low, high = lang_reiczigel(30 * one, 100 * one, 0.5 * one, 50 * one, 0.5 * one, 50 * one)
    assert (float(low[0]), float(high[0])) == (0.0, 1.0)
    assert not rates(0.5, 0.52).can_correct


def test_cells_that_resemble_each_other_count_as_fewer():
    independent = read_error_rates(
        {"sensitivity": figure(0.9, 0.861, 0.929, 300), "specificity": figure(0.9, 0.861, 0.929, 300)}
    )
    clustered = read_error_rates(
        {"sensitivity": figure(0.9, 0.80, 0.96, 300), "specificity": figure(0.9, 0.861, 0.929, 300)}
    )
    assert independent is not None
    assert clustered is not None
    assert independent.n_positive == pytest.approx(300, rel=0.05)
    assert clustered.n_positive < 100
    assert clustered.n_negative == independent.n_negative


def test_the_effective_number_of_cells_is_never_above_the_number_counted():
    narrow = {"sensitivity": figure(0.9, 0.899, 0.901, 50), "specificity": figure(1.0, 1.0, 1.0, 40)}
    found = read_error_rates(narrow)
    assert found is not None
    assert (found.n_positive, found.n_negative) == pytest.approx((50, 40))


def test_what_differs_between_slides_limits_what_any_number_of_cells_can_tell_of_the_next():
    # 40 groups of 100 cells whose interval is as wide as that of 400 cells: design effect 10, icc 9 / 99.
    wide = {"sensitivity": figure(0.9, 0.8666, 0.9258, 4000, 40), "specificity": figure(0.9, 0.85, 0.94, 200)}
    found = read_error_rates(wide)
    assert found is not None
    assert found.n_positive == pytest.approx(1 / (1 / 400 + 9 / 99), rel=0.03)


def test_too_few_groups_show_no_spread_so_one_is_assumed():
    few = {"sensitivity": figure(0.9, 0.861, 0.929, 300, 4), "specificity": figure(0.9, 0.861, 0.929, 300)}
    found = read_error_rates(few)
    assert found is not None
    assert found.n_positive == pytest.approx(1 / (1 / 300 + 0.05), rel=0.01)
    assert found.n_negative > 200


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"sensitivity": figure(0.9, 0.8, 0.95, 100)},
        {"sensitivity": figure(0.9, 0.8, 0.95, 100), "specificity": {"value": None, "reason": "none"}},
        {"sensitivity": figure(0.9, 0.8, 0.95, 100), "specificity": {"value": 0.9, "ci95": None, "n": 9}},
        {"sensitivity": figure(0.9, 0.8, 0.95, 100), "specificity": figure(0.9, 0.8, 0.95, 0)},
        {"sensitivity": figure(0.9, 0.8, 0.95, 100), "specificity": figure(90, 80, 95, 100)},
    ],
)
def test_a_card_without_rates_and_intervals_gives_none(metrics):
    assert read_error_rates(metrics) is None
