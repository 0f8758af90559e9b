"""How often intervals and slide calls are right on simulated studies: `python bench/interval_coverage.py`.

Groups differ as the intraclass correlation says (beta distribution); their cells are independent. Printed are
the tables of docs/judging.md: how often the 95 % interval of an accuracy holds it, by plain and by expanded
percentiles, and how often a slide without blasts is called to have some.
"""

import argparse

import numpy as np

from alledge.types import F64, I64
from alltrain.intervals import plan_resampling
from alltrain.slide_rates import PositiveCalls, RateOfNextSlide, rate_of_next_slide
from alltrain.slides import CHANCE_OF_FALSE_CALL

ACCURACY = 0.85


def draw_groups(
    n_groups: int, mean: float, correlation: float, cells: tuple[int, int], rng: np.random.Generator
) -> tuple[I64, I64]:
    """(right, cells) of each group: its rate is drawn, then its cells."""
    spread = (1 - correlation) / correlation
    rates = rng.beta(mean * spread, (1 - mean) * spread, n_groups)
    totals = rng.integers(*cells, n_groups)
    return rng.binomial(totals, rates), totals


def interval_coverage(n_groups: int, correlation: float, n_studies: int) -> tuple[float, float]:
    """Shares of studies whose plain and expanded percentiles hold the accuracy."""
    rng = np.random.default_rng(0)
    held = np.zeros(2)
    for _ in range(n_studies):
        right, totals = draw_groups(n_groups, ACCURACY, correlation, (20, 80), rng)
        cells = np.concatenate([np.arange(n) < k for k, n in zip(right, totals, strict=True)]).astype(float)
        names = np.repeat([f"g{index}" for index in range(n_groups)], totals).tolist()
        plan = plan_resampling(names, 0, 1000)

        def mean(weights: F64, cells: F64 = cells) -> F64:
            return np.asarray(weights @ cells / weights.sum(axis=1))

        values = plan.values(mean)
        for index, ends in enumerate(([0.025, 0.975], plan.tails)):
            low, high = np.quantile(values, ends)
            held[index] += low <= ACCURACY <= high
    plain, expanded = held / n_studies
    return float(plain), float(expanded)


def false_calls(n_others: int, rate: float, correlation: float, n_studies: int) -> float:
    """Share of slides without blasts that are called to have some, false alarms known from others."""
    rng = np.random.default_rng(1)
    perfect = RateOfNextSlide(np.array([1.0]), np.array([1.0]))
    found = 0
    for _ in range(n_studies):
        called, totals = draw_groups(n_others + 1, rate, correlation, (20, 150), rng)
        known = PositiveCalls(rate_of_next_slide(called[1:], totals[1:]), perfect)
        found += known.at_least(called[0], totals[0], 0.0) <= CHANCE_OF_FALSE_CALL
    return found / n_studies


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies of each row")
    n_studies = parser.parse_args().studies
    print("| groups | intraclass correlation | plain percentiles | expanded |\n|---|---|---|---|")
    for n_groups in (5, 8, 12, 20, 40):
        for correlation in (0.05, 0.2):
            plain, expanded = interval_coverage(n_groups, correlation, n_studies)
            print(f"| {n_groups} | {correlation:.2f} | {plain:.3f} | {expanded:.3f} |", flush=True)
    print("\n| other slides | false alarms | intraclass correlation | falsely called |")
    print("|---|---|---|---|")
    for n_others in (3, 5, 9, 19):
        for rate, correlation in ((0.05, 0.05), (0.3, 0.05), (0.3, 0.15), (0.3, 0.4)):
            share = false_calls(n_others, rate, correlation, n_studies)
            print(f"| {n_others} | {rate:.2f} | {correlation:.2f} | {share:.3f} |", flush=True)


if __name__ == "__main__":
    main()
