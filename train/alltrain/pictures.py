"""Which cells a report shows, and how: the mistakes first, then the doubtful, then the ordinary.

A figure says how often a model is wrong; only pictures say whether it is wrong where a haematologist
would hesitate too, or on a cell that nobody would mistake.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.types import F64, I64, U8, Call
from alltrain.datasets.dataset import PatchSet
from alltrain.judging import OutOfFold
from alltrain.metrics import Mask

CELLS_A_SHEET: Final = 18
_SHOWN_PX: Final = 150  # a patch of 50 pixels, three times enlarged


@dataclass(frozen=True, slots=True)
class CellPicture:
    """One cell as the report shows it. image: data URI. p: probability of the label it was called."""

    image: str
    patch_id: str
    group: str
    truth: str
    call: str
    p: float
    review: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A titled row of cells. n_all: how many there are, of which some are shown."""

    title: str
    explanation: str
    cells: tuple[CellPicture, ...]
    n_all: int


def choose_sheets(patch_set: PatchSet, judged: OutOfFold) -> tuple[Sheet, ...]:
    """The sheets of a report; empty ones are left out."""
    predictions = judged.predictions
    wrong = predictions.called != predictions.labels
    sheets = [
        *_mistake_sheets(patch_set, judged, wrong),
        _sheet(
            patch_set,
            judged,
            "Sent to review",
            "The model abstained; those nearest to the middle of its band first.",
            _by_least(_certainty(predictions.p), predictions.review),
        ),
        *_ordinary_sheets(patch_set, judged, wrong),
    ]
    return tuple(sheet for sheet in sheets if sheet.cells)


def _mistake_sheets(patch_set: PatchSet, judged: OutOfFold, wrong: Mask) -> list[Sheet]:
    """Wrong calls, surest first; missed and false positives apart where a label is positive."""
    predictions = judged.predictions
    p_truth = predictions.p[np.arange(predictions.labels.size), predictions.labels]
    if not predictions.positive:
        title, why = "Worst mistakes", "Wrong calls, those with least probability of the truth first."
        return [_sheet(patch_set, judged, title, why, _by_least(p_truth, wrong))]
    missed = wrong & predictions.is_positive & ~predictions.called_positive
    false = wrong & ~predictions.is_positive & predictions.called_positive
    confused = wrong & ~missed & ~false
    return [
        _sheet(
            patch_set,
            judged,
            "Missed",
            "Positive cells called negative, worst first.",
            _by_least(p_truth, missed),
        ),
        _sheet(
            patch_set,
            judged,
            "False alarms",
            "Negative cells called positive, worst first.",
            _by_least(p_truth, false),
        ),
        _sheet(
            patch_set,
            judged,
            "Confused",
            "Right side, wrong label, worst first.",
            _by_least(p_truth, confused),
        ),
    ]


def _ordinary_sheets(patch_set: PatchSet, judged: OutOfFold, wrong: Mask) -> list[Sheet]:
    """Rightly called cells of each label, evenly from sure to unsure, so that they are typical."""
    sheets = []
    for index, name in enumerate(patch_set.label_names):
        right = ~wrong & (patch_set.labels == index)
        ranked = _by_least(judged.predictions.p[:, index], right)
        spread = ranked[np.linspace(0, ranked.size - 1, min(CELLS_A_SHEET, ranked.size)).astype(np.int64)]
        sheet = _sheet(
            patch_set, judged, f"Right: {name}", "From the least to the most certain, evenly.", spread
        )
        sheets.append(Sheet(sheet.title, sheet.explanation, sheet.cells, int(right.sum())))
    return sheets


def _by_least(value: F64, among: Mask) -> I64:
    """Indices of the chosen patches, smallest value first."""
    chosen = np.flatnonzero(among)
    return chosen[np.argsort(value[chosen], kind="stable")]


def _certainty(p: F64) -> F64:
    """Gap of the two largest probabilities of each row."""
    ranked = np.sort(p, axis=1)
    return np.asarray(ranked[:, -1] - ranked[:, -2])


def _sheet(patch_set: PatchSet, judged: OutOfFold, title: str, why: str, indices: I64) -> Sheet:
    shown = indices[:CELLS_A_SHEET]
    cells = tuple(_picture(patch_set, judged.calls, int(index)) for index in shown)
    return Sheet(title, why, cells, int(indices.size))


def _picture(patch_set: PatchSet, calls: Sequence[Call], index: int) -> CellPicture:
    call = calls[index]
    return CellPicture(
        image=data_uri(patch_set.patches[index]),
        patch_id=patch_set.patch_ids[index],
        group=patch_set.groups[index],
        truth=patch_set.label_names[patch_set.labels[index]],
        call=call.label,
        p=call.p[call.label],
        review=call.reason or "",
    )


def data_uri(patch: U8) -> str:
    """An RGB patch as an enlarged JPEG inside a URI. patch: (S, S, 3) uint8."""
    larger = cv2.resize(patch, (_SHOWN_PX, _SHOWN_PX), interpolation=cv2.INTER_CUBIC)
    return image_uri(np.asarray(larger, dtype=np.uint8))


def image_uri(image: U8) -> str:
    """An RGB image, (H, W, 3) uint8, as a JPEG inside a URI."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
