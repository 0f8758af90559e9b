"""The finished table: one row a system, every figure with its interval, and what stands beside it.

Rows are compared with one reference on the same cells and the same resamples, because two intervals that
overlap say little about two systems judged on the same cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alledge.strict_json import Json
from alltrain.literature.system import Claim, System
from alltrain.metrics import Figure, Predictions

SHOWN = ("accuracy", "balanced_accuracy", "sensitivity", "specificity")
"""Figures of every row beside the headline, by the names of metrics.py."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a system costs: seconds to fit a fold, milliseconds a cell on one core, numbers, operations.

    Fitting is a mean over folds, so that what is done once for all of them (compiling, rehearsal) is
    shared out; a cell is a median over folds. n_parameters, macs: None where the notion does not fit.
    """

    train_s: float
    single_ms: float
    batched_ms: float
    n_parameters: int | None
    macs: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One system as it was measured.

    figures: every figure of `metrics.score`. differences: headline and balanced accuracy, this row less
    the reference; empty in the reference's own row. reasons: N sentences where the system explains itself.
    """

    system: System
    figures: dict[str, Figure]
    differences: dict[str, Figure]
    cost: Cost
    predictions: Predictions
    reasons: tuple[str, ...] = ()

    def verdict(self, headline: str) -> str:
        """Whether the row differs from the reference by its interval, in a word or two."""
        difference = self.differences.get(headline)
        if difference is None or difference.ci95 is None:
            return ""
        low, high = difference.ci95
        return "better" if low > 0 else "worse" if high < 0 else "not told apart"


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The whole table. rows: best headline first.

    headline: "auroc", or "macro_auroc" where several labels or none are positive. reference: key of the
    row that the others are compared with, None when it was left out. notes: what a reader must know.
    """

    rows: tuple[Row, ...]
    headline: str
    reference: str | None
    n_folds: int
    label_counts: dict[str, int]
    n_groups: int
    grouped: bool
    is_phantom: bool
    layout: str
    notes: tuple[str, ...]

    @property
    def beaten(self) -> tuple[int, int, int]:
        """Rows that are worse than the reference by the interval, not told apart from it, and better."""
        words = [row.verdict(self.headline) for row in self.rows if row.system.key != self.reference]
        return words.count("worse"), words.count("not told apart"), words.count("better")


def headline_of(predictions: Predictions) -> str:
    """The figure that ranks the table: AUROC of the finding, or macro AUROC over several labels."""
    return "auroc" if predictions.positive and len(predictions.label_names) == 2 else "macro_auroc"


def rank(rows: Sequence[Row], headline: str) -> tuple[Row, ...]:
    """Best headline first; rows without one last."""
    return tuple(sorted(rows, key=lambda row: -_value_or_least(row.figures[headline])))


def _value_or_least(figure: Figure) -> float:
    return -np.inf if figure.value is None else figure.value


def comparison_as_json(comparison: Comparison) -> dict[str, Json]:
    """compare.json: every row with all of its figures."""
    counts: dict[str, Json] = {**comparison.label_counts}
    worse, not_told_apart, better = comparison.beaten
    return {
        "headline": comparison.headline,
        "reference": comparison.reference,
        "n_folds": comparison.n_folds,
        "labels": counts,
        "n_groups": comparison.n_groups,
        "grouped": comparison.grouped,
        "is_phantom": comparison.is_phantom,
        "layout": comparison.layout,
        "against_reference": {"worse": worse, "not_told_apart": not_told_apart, "better": better},
        "rows": [_row_as_json(row, comparison) for row in comparison.rows],
        "notes": list(comparison.notes),
        "research_use_only": True,
    }


def _row_as_json(row: Row, comparison: Comparison) -> dict[str, Json]:
    system, cost = row.system, row.cost
    figures: dict[str, Json] = {name: figure.as_json() for name, figure in row.figures.items()}
    differences: dict[str, Json] = {name: figure.as_json() for name, figure in row.differences.items()}
    return {
        "key": system.key,
        "title": system.title,
        "kind": system.kind,
        "claim": None if system.claim is None else _claim_as_json(system.claim),
        "description": system.description,
        "choices": list(system.choices),
        "figures": figures,
        "difference_to_reference": differences,
        "verdict": row.verdict(comparison.headline),
        "cost": {
            "train_s_a_fold": round(cost.train_s, 3),
            "single_ms_a_cell": round(cost.single_ms, 4),
            "batched_ms_a_cell": round(cost.batched_ms, 4),
            "n_parameters": cost.n_parameters,
            "macs": cost.macs,
        },
    }


def _claim_as_json(claim: Claim) -> dict[str, Json]:
    return {
        "authors": claim.authors,
        "year": claim.year,
        "title": claim.title,
        "data": claim.data,
        "figure": claim.figure,
        "split": claim.split,
        "doi": claim.doi,
        "accuracy": claim.accuracy,
    }


def comparison_as_table(comparison: Comparison) -> tuple[list[str], list[list[str | int | float]]]:
    """compare.csv: header and one row a system; an empty cell where there is no value."""
    names = (comparison.headline, *SHOWN)
    header = ["system", "title", "kind", "claim", "claim_data", "claim_split"]
    for name in names:
        header += [name, f"{name}_low", f"{name}_high"]
    header += ["difference", "difference_low", "difference_high", "verdict"]
    header += ["train_s_a_fold", "single_ms_a_cell", "batched_ms_a_cell", "n_parameters", "macs"]
    return header, [_table_row(row, names, comparison.headline) for row in comparison.rows]


def _table_row(row: Row, names: Sequence[str], headline: str) -> list[str | int | float]:
    claim, cost = row.system.claim, row.cost
    cells: list[str | int | float] = [row.system.key, row.system.title, row.system.kind]
    cells += ["", "", ""] if claim is None else [claim.figure, claim.data, claim.split]
    for name in names:
        cells += _three(row.figures[name])
    cells += [*_three(row.differences.get(headline)), row.verdict(headline)]
    cells += [round(cost.train_s, 3), round(cost.single_ms, 4), round(cost.batched_ms, 4)]
    return [*cells, *("" if size is None else size for size in (cost.n_parameters, cost.macs))]


def _three(figure: Figure | None) -> list[str | int | float]:
    """Value and both ends of its interval; empty where there is none."""
    if figure is None or figure.value is None:
        return ["", "", ""]
    low, high = figure.ci95 if figure.ci95 is not None else ("", "")
    return [round(figure.value, 6), *(end if isinstance(end, str) else round(end, 6) for end in (low, high))]
