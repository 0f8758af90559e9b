"""What the live view shows of a frame, and says beside it: what was found, or why nothing was looked for.

Boxes belong to the picture on which they were found. While the stage stands still the view is the same, so
the words of its analysis stay; where a frame is set aside for another reason there are none. The picture is
one that the stillness of the stage or the finder needs anyway: showing it costs one copy.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from alledge.errors import StorageFailed
from alledge.reduced import Halvings
from alledge.service.ledger import DropReason
from alledge.service.live_view import LARGEST_SIDE_PX
from alledge.service.troubles import Trouble
from alledge.strict_json import Json
from alledge.types import U8, Call, Cell, FieldResult

MOST_CELLS: Final = 500
"""Boxes that are told of one field; a field that can be judged has far fewer."""

ANALYSED: Final = "analysed"
_WORDS: Final[Mapping[DropReason, str]] = {
    DropReason.UNCHANGED: "The stage stands still; this field has its result.",
    DropReason.PAUSED: "Paused: fields are not looked at.",
    DropReason.STORAGE_FULL: "Results wait for the disk; no more fields are looked at until there is room.",
    DropReason.CLASSIFIER_FAILED: "The network gave no answer; it is built anew.",
    DropReason.ANALYSIS_FAILED: "The frame cannot be analysed.",
    DropReason.TORN: "The frame was overwritten while it was looked at.",
}


class View(Protocol):
    """Where pictures are shown; see `LiveViewWriter`."""

    def show(self, sequence: int, pixels: U8, told: Mapping[str, Json]) -> None:
        """Show a picture in place of the one before. Raises StorageFailed."""


class NoView:
    """Nobody can look."""

    def show(self, sequence: int, pixels: U8, told: Mapping[str, Json]) -> None:
        """Nothing to do."""


class Window:
    """Shows each frame once it is settled, with what is known of it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._field: dict[str, Json] = {}

    def found(self, result: FieldResult, seen: Halvings) -> None:
        """Take the result of the field that is looked at now: its words go with the next frames."""
        self._field = words_for_field(result, picture_for_view(seen)[1])

    def show(
        self, sequence: int, seen: Halvings, reason: DropReason | None, about: dict[str, Json]
    ) -> Trouble | None:
        """Show a frame that was settled.

        Args:
            sequence: number of the frame.
            seen: the frame.
            reason: why it has no result of its own; None when it has.
            about: what else is to be told; its `what`, where there is one, stands above the usual words.

        Returns:
            What is wrong with the view, None when nothing is.
        """
        if seen.pixels.size == 0:
            return None
        pixels, _ = picture_for_view(seen)
        if reason not in (None, DropReason.UNCHANGED):
            self._field = {}
        told = self._field | _words_for_frame(reason, str(self._field.get("advice", ""))) | about
        try:
            self._view.show(sequence, pixels, told)
        except StorageFailed as error:
            return Trouble.of(error)
        return None


def picture_for_view(seen: Halvings) -> tuple[U8, int]:
    """(reduced picture, frame pixels that one of its pixels spans): a size that was made anyway."""
    factor = 1
    while max(seen.pixels.shape[:2]) > factor * LARGEST_SIDE_PX:
        factor *= 2
    return seen.by(factor), factor


def words_for_field(result: FieldResult, factor: int) -> dict[str, Json]:
    """What a field's result says, in coordinates of a picture reduced by `factor`."""
    calls: list[Call | None] = list(result.calls) or [None] * len(result.cells)
    pairs = list(zip(result.cells, calls, strict=True))[:MOST_CELLS]
    return {
        "source": result.source,
        "pixel_um": result.pixel_size.pixel_um * factor,
        "verdict": result.quality.verdict.value,
        "advice": result.quality.advice,
        "focus": round(result.quality.focus, 4),
        "cells": [_cell(cell, call, factor) for cell, call in pairs],
    }


def _words_for_frame(reason: DropReason | None, advice: str) -> dict[str, Json]:
    """What became of a frame, in a word and a sentence."""
    if reason is None:
        return {"state": ANALYSED, "is_still": False, "what": advice}
    words = _WORDS.get(reason, "The frame cannot be used.")
    return {"state": reason.value, "is_still": reason is DropReason.UNCHANGED, "what": words}


def _cell(cell: Cell, call: Call | None, factor: int) -> dict[str, Json]:
    return {
        "box": [round(edge / factor, 1) for edge in cell.box],
        "label": call.label if call else None,
        "p": {label: round(p, 4) for label, p in call.p.items()} if call else {},
        "review": call.review if call else False,
        "review_reason": call.reason if call else None,
    }
