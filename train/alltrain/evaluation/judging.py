"""Calls of the shipped model on new cells, and every figure of them.

The model comes with its card: temperature, threshold, review band and familiarity are those of the run.
Nothing is fitted on the new cells, so the figures of calls tell what a laboratory would have met with;
AUROC and the other figures of the curve tell what the same model could do with another threshold.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from alledge.calls import make_calls
from alledge.errors import RunUnusable
from alledge.strict_json import Json
from alledge.types import F32, Call
from alltrain.datasets.dataset import PatchSet, fingerprint
from alltrain.datasets.groups import NO_GROUPS_NOTE
from alltrain.evaluation.matching import Matching, match_labels
from alltrain.evaluation.seen import Seen, find_seen, refuse_seen
from alltrain.evaluation.shift import Shift, measure_shift
from alltrain.figures import Figure, Predictions
from alltrain.judging import OutOfFold
from alltrain.metrics import PartScore, confusion_matrix, interval_notes, score, score_parts
from alltrain.operating_points import operating_point_names
from alltrain.run_folder import PREDICTIONS, Run
from alltrain.slides import Slides, judge_slides
from alltrain.training import predict_logits

Progress = Callable[[str, int, int], None]
_NO_GROUPS: Final = (
    "No patients or slides are known (--no-groups): every image counts as independent, so that intervals are"
    " too narrow, and no slide is called."
)
_SEED: Final = 0  # of the resamples only: nothing else is drawn


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Everything known of a run on one dataset.

    truth: the patches with their labels in the words that are judged; `matching` says how they met.
    data_names: labels of the data. data_labels: N, as the data name them.
    judged: logits (the model's columns) and calls in the words judged.
    out_of_fold: figures of the run itself, by name, where they are of the same two sides or labels.
    """

    run: Run
    data: Path
    truth: PatchSet
    data_names: tuple[str, ...]
    data_labels: tuple[str, ...]
    data_fingerprint: str
    matching: Matching
    seen: Seen
    shift: Shift | None
    judged: OutOfFold
    figures: dict[str, Figure]
    confusion: list[list[int]]
    by_group: tuple[PartScore, ...]
    slides: Slides | None
    out_of_fold: Mapping[str, Json]
    notes: tuple[str, ...]


def evaluate(
    run: Run, data: Path, patch_set: PatchSet, *, allow_seen: bool, progress: Progress
) -> Evaluation:
    """Judge the shipped model of a run on the patches of another dataset.

    Raises:
        ModelLabelsDiffer: the labels cannot be matched.
        LeakProven: cells of the data are in the run, and `allow_seen` is off.
        RunUnusable: a file of the run is missing or damaged.
    """
    matching = match_labels(run.card, patch_set)
    seen = find_seen(run, patch_set, lambda done, total: progress("looking for seen cells", done, total))
    if not allow_seen:
        refuse_seen(seen, run)
    progress("calling cells", 0, 2)
    logits = predict_logits(run.load_model(), patch_set.patches)
    calls = make_calls(logits, patch_set.patches, run.card)
    progress("calling cells", 1, 2)
    truth = matching.truth(patch_set)
    judged = _in_words_judged(matching, run, truth, logits, calls)
    predictions = judged.predictions
    figures = score(predictions, _SEED)
    shift = measure_shift(patch_set.patches, patch_set.groups, run.card)
    progress("calling cells", 2, 2)
    return Evaluation(
        run=run,
        data=data,
        truth=truth,
        data_names=patch_set.label_names,
        data_labels=tuple(patch_set.label_names[label] for label in patch_set.labels),
        data_fingerprint=fingerprint(patch_set),
        matching=matching,
        seen=seen,
        shift=shift,
        judged=judged,
        figures=figures,
        confusion=confusion_matrix(
            predictions.labels, predictions.called, len(matching.label_names)
        ).tolist(),
        by_group=score_parts(predictions, predictions.groups),
        slides=_slides(run, matching, truth, predictions),
        out_of_fold=_comparable(run, matching),
        notes=_notes(run, truth, matching, seen, shift, figures) + interval_notes(predictions),
    )


def _in_words_judged(
    matching: Matching, run: Run, truth: PatchSet, logits: F32, calls: tuple[Call, ...]
) -> OutOfFold:
    labels = run.card.labels
    said = tuple(matching.call(call, labels) for call in calls)
    names = matching.label_names
    predictions = Predictions(
        labels=truth.labels,
        p=np.array([[call.p[name] for name in names] for call in said], dtype=np.float64),
        called=np.array([names.index(call.label) for call in said], dtype=np.int64),
        review=np.array([call.review for call in said], dtype=np.bool_),
        groups=truth.groups,
        label_names=names,
        positive=matching.positive,
    )
    return OutOfFold(logits, said, predictions)


def _slides(run: Run, matching: Matching, truth: PatchSet, predictions: Predictions) -> Slides | None:
    """Slides of the data; false alarms are known from the run, as they would be in a laboratory."""
    if not truth.grouped:
        return None
    known = matching.predictions(read_out_of_fold(run)) if run.card.grouped else None
    return judge_slides(predictions, truth.sources, known)


def read_out_of_fold(run: Run) -> Predictions:
    """Out-of-fold predictions of a run, from its predictions.csv. Raises RunUnusable."""
    names = run.card.labels
    try:
        with (run.path / PREDICTIONS).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        return Predictions(
            labels=np.array([names.index(row["label"]) for row in rows], dtype=np.int64),
            p=np.array([[float(row[f"p_{name}"]) for name in names] for row in rows], dtype=np.float64),
            called=np.array([names.index(row["call"]) for row in rows], dtype=np.int64),
            review=np.array([bool(row["review"]) for row in rows], dtype=np.bool_),
            groups=tuple(row["group"] for row in rows),
            label_names=names,
            positive=tuple(names.index(label) for label in run.card.positive_labels),
        )
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise RunUnusable(
            f"{run.path / PREDICTIONS} cannot be read ({error}).", "Fit again into a new folder."
        ) from error


_OF_SIDES: Final = frozenset(
    ("sensitivity", "specificity", "precision", "npv", "f1", "auroc", "auprc", *operating_point_names())
)


def _comparable(run: Run, matching: Matching) -> dict[str, Json]:
    """Figures of the run that mean the same here: all of them by name, those of the two sides by side."""
    same_labels = matching.by_name or len(run.card.labels) == 2
    return {
        name: record
        for name, record in run.metrics.items()
        if _is_figure(record) and (same_labels or name in _OF_SIDES)
    }


def _is_figure(record: Json) -> bool:
    return isinstance(record, dict) and {"value", "ci95", "n", "n_groups"} <= set(record)


def _notes(
    run: Run,
    truth: PatchSet,
    matching: Matching,
    seen: Seen,
    shift: Shift | None,
    figures: Mapping[str, Figure],
) -> tuple[str, ...]:
    phantom = ("The model was fitted on rendered smears.",) if run.card.phantom else ()
    far = (shift.in_words,) if shift is not None else ()
    # What the loader says of folds does not hold here: nothing is split.
    told = tuple(note for note in truth.notes if note != NO_GROUPS_NOTE)
    alone = () if truth.grouped else (_NO_GROUPS,)
    return (*seen.notes, *alone, *told, *phantom, *matching.notes, *_threshold_note(run, figures), *far)


def _threshold_note(run: Run, figures: Mapping[str, Figure]) -> tuple[str, ...]:
    """What the fitted threshold gives, beside what the curve would allow."""
    threshold = run.card.threshold
    if threshold is None:
        return ("Temperature as fitted with the model; nothing was fitted on these cells.",)
    kept = (
        f"Threshold {threshold:.3f}, temperature and review band are those fitted with the model; nothing"
        " was fitted on these cells."
    )
    auroc, found, spared = (figures[name].value for name in ("auroc", "sensitivity", "specificity"))
    if auroc is None or found is None or spared is None:
        return (kept,)
    curve = (
        f"AUROC {auroc:.3f} does not depend on the threshold; at it, sensitivity is {found:.3f} and"
        f" specificity {spared:.3f}."
    )
    allowed = figures["sensitivity_at_specificity_90"].value
    if allowed is None:
        return kept, curve
    chosen = f" A threshold chosen here would give specificity 0.90 with sensitivity {allowed:.3f}."
    return kept, curve + chosen
