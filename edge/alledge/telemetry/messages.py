"""One message for each event of the journal: its number and hash, and of a field its counts; never a picture.

Each event has its message, also those that nobody outside needs to read, so whoever listens sees the numbers
1, 2, 3 ... without a gap and the hashes linked, and knows that nothing is missing. It also keeps the head of
the chain where the device cannot write: see docs/journal.md.

What leaves the device of a slide: its identifier as its owner typed it, verdicts, counts, hashes. No picture,
no patch, no name of a reviewer, no text that a person wrote about a cell. docs/schemas has the schema.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from alledge import RESEARCH_USE_ONLY
from alledge.errors import JournalDamaged
from alledge.journal import Event, StoredField
from alledge.journal.projection import (
    FIELD,
    SIGN_OFF,
    SIGN_OFF_WITHDRAWN,
    SLIDE_ENDED,
    SLIDE_STARTED,
    WITHDRAWN,
)
from alledge.strict_json import Json
from alledge.telemetry.tally import FIRST, SEEN, how_met

ROOT: Final = "allscope/v1"
"""Of all topics; another version would have another number, and both could be published side by side."""

TROUBLE: Final = "trouble"
_OF_SLIDES: Final = frozenset({SLIDE_STARTED, SLIDE_ENDED, SIGN_OFF, SIGN_OFF_WITHDRAWN, WITHDRAWN})
_ID_HASH_DIGITS: Final = 16

SlideName = Callable[[int], str]
"""The identifier of the slide of a number."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is published for one event. id: no two different messages have the same. payload: JSON."""

    topic: str
    id: str
    number: int
    hash: str
    payload: bytes


def message_of(event: Event, device: str, journal_id: str, slide_name: SlideName) -> Message:
    """The message of an event.

    An event that was changed since it was stored, by rot or by a hand, is told to be there and damaged:
    it must neither be taken for true nor hold up what follows.
    """
    topic, about = _checked(event, slide_name)
    message_id = f"{journal_id}-{event.number}-{event.hash[:_ID_HASH_DIGITS]}"
    told: dict[str, Json] = {
        "id": message_id,
        "device": device,
        "journal_id": journal_id,
        "number": event.number,
        "hash": event.hash,
        "previous_hash": event.previous_hash,
        "kind": event.kind,
        "research_use_only": RESEARCH_USE_ONLY,
        **about,
    }
    payload = json.dumps(told, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Message(topic_of(device, topic), message_id, event.number, event.hash, payload.encode())


def topic_of(device: str, last: str) -> str:
    """The topic of one sort of message from a device."""
    return f"{ROOT}/{device}/{last}"


def _checked(event: Event, slide_name: SlideName) -> tuple[str, dict[str, Json]]:
    """`_about` of an event that is as it was stored, with its time; of another one, that it is damaged."""
    damaged: dict[str, Json] = {"wall": None, "damaged": True}
    if not event.is_whole:
        return "event", damaged
    try:
        topic, about = _about(event, slide_name)
        told: dict[str, Json] = {"wall": event.fields()["wall"], **about}
        json.dumps(told, allow_nan=False)
    except (ValueError, TypeError, LookupError, RecursionError):
        # It is told that it is damaged: it must not hold up what follows.
        return "event", damaged
    return topic, told


def _about(event: Event, slide_name: SlideName) -> tuple[str, dict[str, Json]]:
    """(last word of the topic, what is told beside the event's place in the chain)."""
    body = event.fields()
    if event.kind == FIELD:
        try:
            return FIELD, {"field": _field(StoredField.from_body(body), slide_name)}
        except JournalDamaged:
            return "event", {}  # it must not hold up what follows; that it is there is told
    if event.kind in _OF_SLIDES:
        return "slide", {"slide": _slide(event, body, slide_name)}
    if event.kind == TROUBLE:
        return TROUBLE, {"trouble": {"code": body.get("code"), "state": body.get("state")}}
    return "event", {}


def _field(stored: StoredField, slide_name: SlideName) -> dict[str, Json]:
    result, quality, health = stored.result, stored.result.quality, stored.health
    seen = Counter(how_met(cell.sighting) for cell in stored.cells)
    calls = Counter(
        (cell.call.label, cell.call.review)
        for cell in stored.cells
        if cell.call is not None and how_met(cell.sighting) == FIRST
    )
    return {
        "slide_id": stored.slide_id,
        "slide": slide_name(stored.slide_id),
        "sequence": stored.sequence,
        "verdict": quality.verdict.value,
        "focus": quality.focus,
        "brightness": quality.brightness,
        "pixel_um": result.pixel_size.pixel_um,
        "cells": {how: seen[how] for how in SEEN},
        "calls": [{"label": label, "review": review, "n": n} for (label, review), n in sorted(calls.items())],
        "smudges": result.n_smudges,
        "platelets": result.n_platelets,
        "model": None if result.model is None else {"name": result.model.name, "sha256": result.model.sha256},
        "calibration_sha256": stored.calibration_sha256,
        "software_version": stored.software_version,
        "temperature_c": health.temperature_c,
        "under_voltage": health.under_voltage,
    }


def _slide(event: Event, body: Mapping[str, Json], slide_name: SlideName) -> dict[str, Json]:
    slide_id = event.number if event.kind == SLIDE_STARTED else body["slide_id"]
    if not isinstance(slide_id, int):
        raise TypeError("a slide's number is no number")
    told: dict[str, Json] = {"slide_id": slide_id, "slide": slide_name(slide_id)}
    if event.kind == WITHDRAWN:
        told["cells_withdrawn"] = body["cells"]
    return told
