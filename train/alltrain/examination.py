"""What the calls of a run are held against, beside the truth: shortcuts, slides, morphology, attention.

A good figure is no proof that a network looks at cells. So every run also asks whether something that
sees no cell does as well, whether the calls add up on whole slides, whether they agree with what the cell
measures, and where in the patch the network looked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alledge.strict_json import Json
from alltrain.attention import Attention, judge_attention, look
from alltrain.attention_sheets import SeenSheet, cells_to_show, make_sheets
from alltrain.audit.audit import Audit
from alltrain.audit.support import Support, verdict
from alltrain.datasets.dataset import PatchSet
from alltrain.gradcam import can_explain
from alltrain.judging import OutOfFold
from alltrain.morphology_table import MorphologyReport, report_morphology
from alltrain.run_folder import Splits
from alltrain.slide_tables import slides_as_json
from alltrain.slides import Slides, judge_slides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the network looked, with the sheets of cells that show it."""

    attention: Attention
    sheets: tuple[SeenSheet, ...]


@dataclass(frozen=True, slots=True)
class Examination:
    """All of it. A part is None where it cannot be had.

    audit, support: without images of the study. slides: without a positive label, or without groups.
    morphology: without a measured cell. seen: where Keras gives no gradients.
    """

    audit: Audit | None
    support: Support | None
    slides: Slides | None
    morphology: MorphologyReport | None
    seen: Seen | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, worst first."""
        told = []
        if self.support is not None:
            told.append(self.support.sentence)
        if self.seen is not None and self.seen.attention.is_suspect:
            told.append(self.seen.attention.sentence)
        return tuple(told)

    def as_json(self) -> dict[str, Json]:
        """The parts of metrics.json; null where there is none."""
        slides = self.slides
        return {
            "support": None if self.support is None else self.support.as_json(),
            "slides": None if slides is None else slides_as_json(slides),
            "morphology": None if self.morphology is None else self.morphology.as_json(),
            "attention": None if self.seen is None else self.seen.attention.as_json(),
        }


def examine(
    patch_set: PatchSet,
    splits: Splits,
    judged: OutOfFold,
    audit: Audit | None,
    load_model: Callable[[int], "keras.Model"],
    seed: int,
) -> Examination:
    """Examine out-of-fold calls. load_model: gives the model of a fold, asked once a fold."""
    predictions = judged.predictions
    return Examination(
        audit=audit,
        support=None if audit is None else verdict(audit, predictions, seed),
        slides=judge_slides(predictions, patch_set.sources) if patch_set.grouped else None,
        morphology=report_morphology(patch_set, predictions.called, judged.calls, splits.fold),
        seen=_see(patch_set, splits, judged, load_model, seed) if can_explain() else None,
    )


def _see(
    patch_set: PatchSet,
    splits: Splits,
    judged: OutOfFold,
    load_model: Callable[[int], "keras.Model"],
    seed: int,
) -> Seen:
    predictions = judged.predictions
    wrong, right = cells_to_show(patch_set.labels, predictions.called, predictions.p)
    shown = np.concatenate([wrong, *right]).tolist()
    looked = look(patch_set, splits.fold, predictions.called, load_model, seed, also=shown)
    return Seen(
        judge_attention(patch_set, looked, seed), make_sheets(patch_set, judged.calls, looked, wrong, right)
    )
