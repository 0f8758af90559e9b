"""How often intervals of a differential hold the truth on simulated slides: `python bench/differential.py`.

Printed are the tables of docs/differential.md. Every slide has its own luck, and so has every card: error
rates are measured anew for each, on as many cells as said, and on other slides that differ as the
intraclass correlation says (beta distribution). Computed on arrays: 10,000 slides a row take a moment.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from alledge.differential.correction import corrected_interval, read_error_rates
from alledge.differential.exact import clopper_pearson
from alledge.types import F64, I64

PREVALENCES = (0.0, 0.01, 0.02, 0.05, 0.10, 0.20, 0.30, 0.50, 0.70, 0.80, 0.90, 0.95)
STUDENT_975 = {5: 2.776, 8: 2.365, 12: 2.201, 20: 2.093, 40: 2.023}  # of groups - 1 degrees of freedom


@dataclass(frozen=True)
class Model:
    """A model's true mean error rates, and the study that its card measured them on."""

    sensitivity: float
    specificity: float
    n_positive: int
    n_negative: int


MODELS = (
    Model(0.90, 0.94, 376, 314),
    Model(0.90, 0.73, 305, 142),
    Model(0.99, 0.99, 400, 400),
    Model(0.80, 0.80, 50, 50),
    Model(0.60, 0.98, 40, 400),
    Model(1.00, 1.00, 100, 100),
)


def exact_table(n: int) -> tuple[F64, F64]:
    """Lower and upper ends of the exact interval for 0 to n cells found."""
    ends = np.array([clopper_pearson(found, n) for found in range(n + 1)])
    return ends[:, 0], ends[:, 1]


def exact_coverage(n: int, prevalence: float, n_slides: int, seed: int = 0) -> float:
    """Share of slides whose interval of the plain share holds the true one."""
    found = np.random.default_rng(seed).binomial(n, prevalence, n_slides)
    low, high = exact_table(n)
    return float(np.mean((low[found] <= prevalence) & (prevalence <= high[found])))


def corrected_coverage(n: int, prevalence: float, model: Model, n_slides: int, seed: int = 0) -> float:
    """The same of the corrected share; cells are independent, rates are measured anew for each slide."""
    rng = np.random.default_rng(seed)
    se, sp, n_se, n_sp = model.sensitivity, model.specificity, model.n_positive, model.n_negative
    called = rng.binomial(n, prevalence * se + (1 - prevalence) * (1 - sp), n_slides)
    measured = rng.binomial(n_se, se, n_slides) / n_se, rng.binomial(n_sp, sp, n_slides) / n_sp
    weights = np.full(n_slides, float(n_se)), np.full(n_slides, float(n_sp))
    return _held(n, prevalence, called, (measured[0], weights[0], measured[1], weights[1]))


def clustered_coverage(
    n: int, prevalence: float, model: Model, groups: int, icc: float, n_slides: int, seed: int = 0
) -> tuple[float, float]:
    """Coverage where slides differ, with the card read as it is, and with its cells taken for independent."""
    rng = np.random.default_rng(seed)
    se, n_se, naive_se = _measured(rng, model.sensitivity, model.n_positive, groups, icc, n_slides)
    sp, n_sp, naive_sp = _measured(rng, model.specificity, model.n_negative, groups, icc, n_slides)
    own_se, own_sp = (_rates(rng, mean, icc, n_slides) for mean in (model.sensitivity, model.specificity))
    called = rng.binomial(n, prevalence * own_se + (1 - prevalence) * (1 - own_sp))
    as_read = _held(n, prevalence, called, (se, n_se, sp, n_sp))
    return as_read, _held(n, prevalence, called, (se, naive_se, sp, naive_sp))


def stopped_coverage(widest: float, prevalence: float, n_slides: int, seed: int = 0) -> tuple[float, float]:
    """Coverage where counting goes on, 8 cells at a time from 100 on, until the interval is narrow enough.

    Returns:
        Coverage, and the mean number of cells counted.
    """
    rng = np.random.default_rng(seed)
    found, n = rng.binomial(100, prevalence, n_slides), 100
    open_slides = np.arange(n_slides)
    held, cells = np.zeros(n_slides, dtype=bool), np.zeros(n_slides)
    while len(open_slides):
        counted, which = np.unique(found[open_slides], return_inverse=True)
        low, high = np.array([clopper_pearson(int(one), n) for one in counted])[which].T
        enough = high - low <= widest
        done = open_slides[enough]
        held[done] = (low[enough] <= prevalence) & (prevalence <= high[enough])
        cells[done] = n
        open_slides = open_slides[~enough]
        n += 8
        found[open_slides] += rng.binomial(8, prevalence, len(open_slides))
    return float(held.mean()), float(cells.mean())


def _held(n: int, prevalence: float, called: I64, rates: tuple[F64, F64, F64, F64]) -> float:
    low, high = exact_table(n)
    usable = rates[0] + rates[2] > 1.05  # as can_correct; of a coin nothing is claimed
    se, n_se, sp, n_sp = (np.where(usable, rate, 1.0) for rate in rates)
    exact, cells = (low[called], high[called]), np.full(len(called), float(n))
    ends = corrected_interval(called.astype(np.float64), cells, exact, (se, n_se, sp, n_sp))
    held = (ends[0] <= prevalence + 1e-9) & (prevalence <= ends[1] + 1e-9)
    return float(np.mean(held[usable]))


def _rates(rng: np.random.Generator, mean: float, icc: float, size: int) -> F64:
    """Rates of slides: beta-distributed about a mean."""
    if icc == 0.0 or mean in (0.0, 1.0):
        return np.full(size, mean)
    spread = (1 - icc) / icc
    return np.asarray(rng.beta(mean * spread, (1 - mean) * spread, size))


def _measured(
    rng: np.random.Generator, mean: float, n: int, groups: int, icc: float, size: int
) -> tuple[F64, F64, F64]:
    """What cards tell of a rate: its value, and effective cells with and without regard to groups."""
    a_group = n // groups
    rates = _rates(rng, mean, icc, size * groups).reshape(size, groups)
    shares = rng.binomial(a_group, rates) / a_group
    value = shares.mean(axis=1)
    reach = STUDENT_975[groups] * shares.std(axis=1, ddof=1) / np.sqrt(groups)
    weights = np.empty(size)
    for index, (share, half) in enumerate(zip(value, reach, strict=True)):
        half = max(half, 1.0 / (n + 4))  # alltrain never tells an interval narrower than Wilson's
        ci95 = [max(share - half, 0.0), min(share + half, 1.0)]
        told = {"value": share, "ci95": ci95, "n": a_group * groups, "n_groups": groups}
        known = read_error_rates({"sensitivity": told, "specificity": told})
        assert known is not None
        weights[index] = known.n_positive
    return value, weights, np.full(size, float(a_group * groups))


def _print_row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--slides", type=int, default=10_000, help="simulated slides of each figure")
    n_slides = parser.parse_args().slides
    shares = [f"{100 * p:g} %" for p in PREVALENCES]
    _print_row("cells", *shares)
    for n in (100, 200):
        _print_row(n, *(f"{exact_coverage(n, p, n_slides):.3f}" for p in PREVALENCES))
    print()
    _print_row("sensitivity, specificity (cells)", "cells", *shares)
    for model in MODELS:
        name = f"{model.sensitivity:g}, {model.specificity:g} ({model.n_positive}, {model.n_negative})"
        for n in (100, 200):
            _print_row(name, n, *(f"{corrected_coverage(n, p, model, n_slides):.3f}" for p in PREVALENCES))
    print()
    _print_row("slides of the card", "icc", "cells taken for independent", *shares[::2])
    for groups, icc in ((8, 0.05), (12, 0.05), (12, 0.15), (20, 0.05), (20, 0.15), (40, 0.15)):
        held = [clustered_coverage(100, p, MODELS[0], groups, icc, n_slides) for p in PREVALENCES[::2]]
        _print_row(groups, icc, "no", *(f"{as_read:.3f}" for as_read, _ in held))
        _print_row(groups, icc, "yes", *(f"{naive:.3f}" for _, naive in held))
    print()
    _print_row("interval at most", *(f"{share}: held, cells" for share in shares[::2]))
    for widest in (0.20, 0.15, 0.10):
        rows = [stopped_coverage(widest, p, n_slides) for p in PREVALENCES[::2]]
        _print_row(f"{100 * widest:.0f} points", *(f"{held:.3f}, {cells:.0f}" for held, cells in rows))


if __name__ == "__main__":
    main()
