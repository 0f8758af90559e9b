"""What a report needs beside the fields: the card of the model and the calibration, found by their hashes.

A field names its model and its calibration by SHA-256 only. Where the service notes both in the journal when
it starts (`model_event`, `calibration_event`), a report can be built again years later from that alone.
Else the files of the data folder are used, as long as they are still the ones that the fields name.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alledge.calibration import CALIBRATION_FILE, Calibration, load_calibration
from alledge.card import Card
from alledge.errors import AllscopeError
from alledge.journal.plain import from_plain, to_plain
from alledge.journal.reading import JournalReader
from alledge.model_file import read_model
from alledge.report.as_of import all_events
from alledge.report.contents import CalibrationFacts
from alledge.strict_json import Json
from alledge.types import ModelIdentity

MODEL_LOADED: Final = "model-loaded"
"""Kind of event: the service began to work with a model, body {"name", "sha256", "card": JSON text}."""

CALIBRATION_LOADED: Final = "calibration-loaded"
"""Kind of event: the service began to work with a calibration, body {"facts": CalibrationFacts}."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Cards and calibrations at hand, by SHA-256 of the model file and of the calibration."""

    cards: Mapping[str, Card] = field(default_factory=dict)
    calibrations: Mapping[str, CalibrationFacts] = field(default_factory=dict)


def model_event(identity: ModelIdentity, card: Card) -> dict[str, Json]:
    """Body of the event MODEL_LOADED, for whoever loads a model beside a journal."""
    return {"name": identity.name, "sha256": identity.sha256, "card": card.to_json()}


def calibration_event(calibration: Calibration) -> dict[str, Json]:
    """Body of the event CALIBRATION_LOADED."""
    return {"facts": to_plain(facts_of(calibration))}


def facts_of(calibration: Calibration) -> CalibrationFacts:
    """What a report tells of a calibration."""
    return CalibrationFacts(
        sha256=calibration.sha256,
        made=calibration.wall,
        objective=calibration.objective,
        camera=calibration.camera,
        pixel_um=calibration.scale.pixel_um,
        standard_error_um=calibration.scale.standard_error_um,
        measured_on=calibration.scale.source,
        focus=calibration.focus,
    )


def noted_evidence(reader: JournalReader) -> Evidence:
    """What the journal itself notes."""
    return Evidence(dict(_noted_cards(reader)), dict(_noted_calibrations(reader)))


def find_evidence(reader: JournalReader, data: Path, models: Iterable[Path] = ()) -> Evidence:
    """What the journal notes, and where it does not, these model files and the data folder's calibration.

    A file that is missing or cannot be read gives nothing: the report says what it lacks.
    """
    noted = noted_evidence(reader)
    return Evidence(
        {**dict(_cards_of(models)), **noted.cards}, {**_calibrations_of(data), **noted.calibrations}
    )


def _noted_cards(reader: JournalReader) -> Iterator[tuple[str, Card]]:
    for event in all_events(reader, MODEL_LOADED):
        body = event.fields()
        text = body.get("card")
        with contextlib.suppress(AllscopeError):  # a card that this version cannot read counts as none
            yield str(body.get("sha256")), Card.from_json(text if isinstance(text, str) else "")


def _noted_calibrations(reader: JournalReader) -> Iterator[tuple[str, CalibrationFacts]]:
    for event in all_events(reader, CALIBRATION_LOADED):
        with contextlib.suppress(KeyError, TypeError, ValueError):  # likewise
            facts = from_plain(CalibrationFacts, event.fields()["facts"])
            yield facts.sha256, facts


def _cards_of(files: Iterable[Path]) -> Iterator[tuple[str, Card]]:
    for file in files:
        if file.is_file():
            with contextlib.suppress(AllscopeError):
                model = read_model(file)
                yield model.identity.sha256, model.card


def _calibrations_of(data: Path) -> dict[str, CalibrationFacts]:
    if not (data / CALIBRATION_FILE).is_file():
        return {}
    try:
        facts = facts_of(load_calibration(data))
    except AllscopeError:
        return {}
    return {facts.sha256: facts}
