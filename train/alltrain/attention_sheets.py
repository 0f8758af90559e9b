"""Grad-CAM sheets: right and wrong calls with the evidence painted over the cell.

The wrong calls stand first, because a mistake that rests on a neighbour or on plasma asks for another remedy
than one that rests on the cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.types import F32, F64, I64, U8, Call
from alltrain.attention import Looked, Mask
from alltrain.datasets.dataset import PatchSet
from alltrain.pictures import image_uri

WRONG_SHOWN: Final = 12
RIGHT_SHOWN: Final = 6  # of each label
_SIDE_PX: Final = 150
_STRONGEST: Final = 0.85  # opacity of the strongest evidence
_OUTLINE: Final = (20, 20, 20)
# RGB, from Okabe and Ito's palette (2008).
_FOR: Final = (213, 94, 0)
_AGAINST: Final = (0, 114, 178)


@dataclass(frozen=True, slots=True)
class SeenCell:
    """One cell of a sheet. image: data URI of the patch and, beside it, the evidence. share: on the cell."""

    image: str
    patch_id: str
    truth: str
    call: str
    p: float
    share: float


@dataclass(frozen=True, slots=True)
class SeenSheet:
    """A titled row of cells."""

    title: str
    explanation: str
    cells: tuple[SeenCell, ...]


def cells_to_show(labels: I64, called: I64, p: F64) -> tuple[I64, list[I64]]:
    """Places of the cells of each sheet: the surest mistakes, then of every label some rightly called.

    labels, called: (N,) int64. p: (N, L) float64. The right ones go from the least to the most certain.
    """
    sure = p[np.arange(labels.size), called]
    wrong = np.flatnonzero(called != labels)
    right = []
    for label in range(p.shape[1]):
        ranked = np.flatnonzero((called == labels) & (labels == label))
        ranked = ranked[np.argsort(sure[ranked], kind="stable")]
        spread = np.linspace(0, max(ranked.size - 1, 0), min(RIGHT_SHOWN, ranked.size)).astype(np.int64)
        right.append(ranked[spread])
    return wrong[np.argsort(-sure[wrong], kind="stable")][:WRONG_SHOWN], right


def make_sheets(
    patch_set: PatchSet, calls: Sequence[Call], looked: Looked, wrong: I64, right: Sequence[I64]
) -> tuple[SeenSheet, ...]:
    """Sheets of cells that were all looked at; empty ones are left out. wrong, right: as `cells_to_show`."""
    place = {int(row): index for index, row in enumerate(looked.rows)}

    def sheet(title: str, explanation: str, rows: I64) -> SeenSheet:
        cells = (_seen(patch_set, calls, looked, int(row), place[int(row)]) for row in rows)
        return SeenSheet(title, explanation, tuple(cells))

    sheets = [sheet("Wrong calls", "The surest first.", wrong)]
    for name, rows in zip(patch_set.label_names, right, strict=True):
        sheets.append(sheet(f"Right: {name}", "From the least to the most certain, evenly.", rows))
    return tuple(made for made in sheets if made.cells)


def _seen(patch_set: PatchSet, calls: Sequence[Call], looked: Looked, row: int, index: int) -> SeenCell:
    call = calls[row]
    patch = patch_set.patches[row]
    pair = np.hstack(
        [_enlarged(patch), paint_evidence(patch, looked.evidence[index], looked.regions.cell[index])]
    )
    return SeenCell(
        image=image_uri(pair),
        patch_id=patch_set.patch_ids[row],
        truth=patch_set.label_names[patch_set.labels[row]],
        call=call.label,
        p=call.p[call.label],
        share=float(looked.share[index, 0]),
    )


def paint_evidence(patch: U8, evidence: F32, cell: Mask) -> U8:
    """The patch in grey with its evidence in colour and the cell outlined, enlarged three times.

    Orange is for the call, blue against it; full colour is the strongest evidence of this patch.

    Args:
        patch: (50, 50, 3) uint8 RGB.
        evidence: (50, 50) float32.
        cell: (50, 50) bool.
    """
    grey = cv2.cvtColor(cv2.cvtColor(_enlarged(patch), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    scale = float(np.abs(evidence).max()) or 1.0
    strength = cv2.resize(evidence / scale, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_LINEAR)[..., None]
    opacity = _STRONGEST * np.abs(strength)
    painted = grey * (1 - opacity) + np.where(strength > 0, _FOR, _AGAINST) * opacity
    canvas = np.clip(painted, 0, 255).astype(np.uint8)
    mask = cv2.resize(cell.astype(np.uint8), (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_LINEAR)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(canvas, outlines, -1, _OUTLINE, 1, cv2.LINE_AA), dtype=np.uint8)


def _enlarged(patch: U8) -> U8:
    return np.asarray(cv2.resize(patch, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
