"""The exact interval: against scipy, against the table that haematologists know, and by its definition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.differential.exact import beta_quantile, clopper_pearson, incomplete_beta


@pytest.fixture(name="scipy_stats", scope="module")
def _scipy_stats():
    return pytest.importorskip("scipy.stats", reason="scipy is on workstations only")


# Rümke's table, in per cent: cells found in 100, and per cent found in 200, with the limits printed for them.
RUEMKE_100 = {
    0: (0, 4),
    1: (0, 6),
    2: (0, 8),
    3: (0, 9),
    4: (1, 10),
    5: (1, 12),
    10: (4, 18),
    15: (8, 24),
    20: (12, 30),
    25: (16, 35),
    30: (21, 40),
    50: (39, 61),
}
RUEMKE_200 = {0: (0, 2), 1: (0, 4), 2: (0, 6), 5: (2, 10), 10: (6, 16), 20: (14, 27), 50: (42, 58)}


@pytest.mark.parametrize(("n", "table"), [(100, RUEMKE_100), (200, RUEMKE_200)])
def test_the_interval_is_the_table_of_ruemke_rounded_outwards(n, table):
    for per_cent, limits in table.items():
        low, high = clopper_pearson(per_cent * n // 100, n)
        assert (math.floor(100 * low), math.ceil(100 * high)) == limits, per_cent


@given(counted=st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_ends_are_those_of_scipy(scipy_stats, counted):
    n_found, n = counted
    low, high = clopper_pearson(n_found, n)
    exact = scipy_stats.binomtest(n_found, n).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-10)


@given(x=st.floats(0.0, 1.0), a=st.floats(0.05, 2000.0), b=st.floats(0.05, 2000.0))
def test_the_incomplete_beta_function_is_that_of_scipy(scipy_stats, x, a, b):
    assert incomplete_beta(x, a, b) == pytest.approx(scipy_stats.beta.cdf(x, a, b), abs=1e-9)


@given(st.floats(0.001, 0.999), st.floats(0.5, 300.0), st.floats(0.5, 300.0))
def test_a_quantile_is_where_the_chance_lies_below(chance, a, b):
    assert incomplete_beta(beta_quantile(chance, a, b), a, b) == pytest.approx(chance, abs=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_mirrors(counted):
    n_found, n = counted
    low, high = clopper_pearson(n_found, n)
    assert 0.0 <= low <= n_found / n <= high <= 1.0
    assert clopper_pearson(n - n_found, n) == pytest.approx((1.0 - high, 1.0 - low), abs=1e-12)


def test_no_cell_says_nothing():
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("n_found", "n"), [(-1, 5), (6, 5)])
def test_more_than_all_cells_are_refused(n_found, n):
    with pytest.raises(ValueError, match="expected 0 <= n_found <= n"):
        clopper_pearson(n_found, n)
