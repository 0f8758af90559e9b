"""From the fold models' logits to what the device would have said, and how often it was right.

Each patch is judged by the one model that never saw it or its group, with the temperature, threshold,
review band and familiarity of that model, through the very function that the device calls
(`alledge.calls.make_calls`). What is scored is therefore the screening aid, not only the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alledge.calls import make_calls
from alledge.card import Card, PatchContract
from alledge.familiarity import fit_familiarity
from alledge.illumination import ILLUMINATION_VERSION
from alledge.patches import PATCH_PX, PATCH_UM
from alledge.strict_json import Json
from alledge.types import F32, I64, U8, Call
from alltrain.backend import package_versions
from alltrain.calibration import Calibration
from alltrain.datasets.dataset import PatchSet
from alltrain.metrics import Figure, PartScore, Predictions, confusion_matrix, score, score_parts
from alltrain.run_folder import Splits


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Predictions of every patch by the model that held it out.

    logits: (N, L) float32. calls: N, as the device would make them. predictions: the same for scoring.
    """

    logits: F32
    calls: tuple[Call, ...]
    predictions: Predictions


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """All figures of a run. confusion: (L, L) int64, row = truth. by_fold, by_group: accuracy of parts."""

    figures: dict[str, Figure]
    confusion: I64
    by_fold: tuple[PartScore, ...]
    by_group: tuple[PartScore, ...]


def positive_indices(patch_set: PatchSet) -> tuple[int, ...]:
    """Indices into label_names of the labels that mean a finding."""
    return tuple(patch_set.label_names.index(label) for label in patch_set.positive_labels)


def blank_card(patch_set: PatchSet, name: str, data_fingerprint: str, notes: Sequence[str]) -> Card:
    """A card that says all but what a fit decides: no calibration, no familiarity, no figures."""
    has_positive = bool(patch_set.positive_labels)
    return Card(
        name=name,
        labels=patch_set.label_names,
        positive_labels=patch_set.positive_labels,
        patch=PatchContract(float(PATCH_UM), PATCH_PX, "RGB", ILLUMINATION_VERSION),
        quantisation=None,
        temperature=1.0,
        threshold=0.5 if has_positive else None,
        review_band=(0.5, 0.5) if has_positive else None,
        familiarity=None,
        metrics={},
        data_fingerprint=data_fingerprint,
        layout=patch_set.layout,
        grouped=patch_set.grouped,
        phantom=patch_set.is_phantom,
        notes=tuple(notes),
        versions=package_versions(),
    )


def card_with(card: Card, calibration: Calibration, training_patches: U8) -> Card:
    """The card of one model: its calibration, and what its own training patches look like.

    training_patches: (N, 50, 50, 3) uint8 RGB.
    """
    return replace(
        card,
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        review_band=calibration.review_band,
        familiarity=fit_familiarity(training_patches),
    )


def judge_out_of_fold(
    patch_set: PatchSet, splits: Splits, fold_logits: Sequence[F32], fold_cards: Sequence[Card]
) -> OutOfFold:
    """Call every patch with the model of its test fold. fold_logits: for each fold (N, L) float32."""
    logits = np.zeros_like(fold_logits[0])
    calls: list[Call | None] = [None] * len(patch_set)
    for fold, card in enumerate(fold_cards):
        test = np.flatnonzero(splits.has_role("test", fold))
        logits[test] = fold_logits[fold][test]
        for index, call in zip(test, make_calls(logits[test], patch_set.patches[test], card), strict=True):
            calls[index] = call
    made = tuple(call for call in calls if call is not None)
    return OutOfFold(logits, made, _as_predictions(patch_set, made))


def _as_predictions(patch_set: PatchSet, calls: Sequence[Call]) -> Predictions:
    names = patch_set.label_names
    return Predictions(
        labels=patch_set.labels,
        p=np.array([[call.p[name] for name in names] for call in calls], dtype=np.float64),
        called=np.array([names.index(call.label) for call in calls], dtype=np.int64),
        review=np.array([call.review for call in calls], dtype=np.bool_),
        groups=patch_set.groups,
        label_names=names,
        positive=positive_indices(patch_set),
    )


def judge(out_of_fold: OutOfFold, splits: Splits, seed: int) -> Verdict:
    """Every figure of the out-of-fold calls."""
    predictions = out_of_fold.predictions
    return Verdict(
        figures=score(predictions, seed),
        confusion=confusion_matrix(predictions.labels, predictions.called, len(predictions.label_names)),
        by_fold=score_parts(predictions, [str(fold) for fold in splits.fold]),
        by_group=score_parts(predictions, predictions.groups),
    )


def verdict_as_json(verdict: Verdict, label_names: Sequence[str]) -> dict[str, Json]:
    """The verdict as metrics.json holds it, fold details aside."""
    content: dict[str, Json] = {name: figure.as_json() for name, figure in verdict.figures.items()}
    content["confusion"] = {"labels": list(label_names), "rows_are_truth": verdict.confusion.tolist()}
    content["groups"] = [part_as_json(part, "group", label_names) for part in verdict.by_group]
    return content


def part_as_json(part: PartScore, kind: str, label_names: Sequence[str]) -> dict[str, Json]:
    """One row of a table of parts: its name, its patches by label, its accuracy."""
    counts: dict[str, Json] = dict(zip(label_names, part.counts, strict=True))
    return {kind: part.name, "patches": counts, "accuracy": part.accuracy.as_json()}
