"""From what the systems said to the rows of the table: call, score, compare with the reference.

Each system's temperature, threshold and review band are set on its validation cells by the rule that
`alltrain fit` uses, and its calls are made by the very function of the device. Then all rows are scored on
the same cells and the same resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Final

import numpy as np

from alledge.calls import make_calls
from alledge.types import F32, F64
from alltrain.calibration import calibrate
from alltrain.datasets.dataset import PatchSet
from alltrain.judging import blank_card, positive_indices
from alltrain.literature.comparison import Comparison, Cost, Row, headline_of, rank
from alltrain.literature.parts import Part
from alltrain.literature.registry import REFERENCE
from alltrain.literature.system import System
from alltrain.literature.timing import can_confine
from alltrain.metrics import Figure, Predictions, difference, interval_notes, score
from alltrain.plan import Plan
from alltrain.run_folder import Splits

_LEAST_P: Final = 1e-300  # its logarithm is finite, and nothing that a network says is cut off
_SAME_CELLS: Final = (
    "Every row is fitted on the same training cells, calibrated on the same validation cells and judged on"
    " the same cells of the same folds."
)
_POOLED: Final = (
    "Scores of all folds are pooled, as one device with one threshold would meet all slides: a system whose"
    " scores shift from slide to slide loses by it."
)
_CLAIMS: Final = (
    "Claims are quoted and were not verified; they are of other data and other splits, mostly of whole"
    " images, and therefore no target."
)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A system, its parts, and its out-of-fold predictions. reasons: N sentences, or none."""

    system: System
    parts: tuple[Part, ...]
    predictions: Predictions
    reasons: tuple[str, ...]


def judge_system(patch_set: PatchSet, splits: Splits, system: System, parts: Sequence[Part]) -> Judged:
    """Call every cell by the part that held it out. parts: one a fold, in order."""
    n, names, positive = len(patch_set), patch_set.label_names, positive_indices(patch_set)
    p = np.zeros((n, len(names)), dtype=np.float64)
    called, review = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    reasons = [""] * n
    for fold, part in enumerate(parts):
        tests, validates = np.flatnonzero(splits.has_role("test", fold)), splits.has_role("validation", fold)
        fitted = calibrate(as_logits(part.p_validation), patch_set.labels[validates], positive)
        card = replace(
            blank_card(patch_set, system.key, "", ()),
            temperature=fitted.temperature,
            threshold=fitted.threshold,
            review_band=fitted.review_band,
        )
        calls = make_calls(as_logits(part.p_test), patch_set.patches[tests], card)
        for index, call in zip(tests, calls, strict=True):
            p[index] = [call.p[name] for name in names]
            called[index], review[index] = names.index(call.label), call.review
        for index, reason in zip(tests, part.reasons, strict=False):
            reasons[index] = reason
    predictions = Predictions(patch_set.labels, p, called, review, patch_set.groups, names, positive)
    return Judged(system, tuple(parts), predictions, tuple(reasons) if any(reasons) else ())


def as_logits(p: F64) -> F32:
    """Logarithms of probabilities (N, L): what calibration takes for logits, and softmax turns back."""
    return np.log(np.maximum(p, _LEAST_P)).astype(np.float32)


def assemble(
    patch_set: PatchSet, plan: Plan, judged: Sequence[Judged], seed: int, epochs: int | None
) -> Comparison:
    """Score every system, compare it with the reference, and rank the rows."""
    headline = headline_of(judged[0].predictions)
    reference = next((one for one in judged if one.system.key == REFERENCE), None)
    rows = [_row(one, reference, headline, seed) for one in judged]
    return Comparison(
        rows=rank(rows, headline),
        headline=headline,
        reference=None if reference is None else REFERENCE,
        n_folds=plan.splits.n_folds,
        label_counts=patch_set.label_counts,
        n_groups=len(set(patch_set.groups)),
        grouped=patch_set.grouped,
        is_phantom=patch_set.is_phantom,
        layout=patch_set.layout,
        notes=(*plan.notes, *interval_notes(judged[0].predictions), *_notes(epochs)),
    )


def _row(one: Judged, reference: Judged | None, headline: str, seed: int) -> Row:
    differences: dict[str, Figure] = {}
    if reference is not None and one is not reference:
        differences = {
            name: difference(one.predictions, reference.predictions, name, seed)
            for name in (headline, "balanced_accuracy")
        }
    last = one.parts[-1]
    cost = Cost(
        train_s=fmean(part.train_s for part in one.parts),
        single_ms=median(part.speed.single_ms for part in one.parts),
        batched_ms=median(part.speed.batched_ms for part in one.parts),
        n_parameters=last.n_parameters,
        macs=last.macs,
    )
    return Row(one.system, score(one.predictions, seed), differences, cost, one.predictions, one.reasons)


def _notes(epochs: int | None) -> tuple[str, ...]:
    notes = [_SAME_CELLS, _POOLED, _CLAIMS]
    if epochs is not None:
        notes.append(f"All networks were given {epochs} epochs instead of their own number.")
    if not can_confine():
        notes.append("This system cannot confine a process to one core: times a cell are of all cores.")
    return tuple(notes)
