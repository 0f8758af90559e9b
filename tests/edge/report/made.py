"""A slide as a person left it: called, doubted, confirmed, corrected; small enough to read in a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from alledge.card import Card
from alledge.clock import ClockTrust, WallTime
from alledge.journal import CellRecord, FieldRecord, SqliteJournal
from alledge.journal.reading import JournalReader
from alledge.report.building import slide_report
from alledge.report.contents import SlideReport
from alledge.report.evidence import Evidence
from alledge.strict_json import Json
from alledge.types import Call, Verdict
from tests.edge.journal.made import MODEL, field_record, new_journal
from tests.edge.tiny_model import tiny_card

P_OF_BLAST = (0.95, 0.9, 0.5, 0.1)
"""Of the four cells of each field: two blasts, one that waits, one normal cell."""


def wall(second: float) -> WallTime:
    return WallTime(1_790_000_000.0 + second, ClockTrust.SYNCHRONISED)


def card() -> Card:
    figure: Json = {"value": 0.9, "ci95": [0.82, 0.95], "n": 120, "n_groups": 8}
    return replace(tiny_card(), metrics={"sensitivity": figure, "specificity": figure})


def evidence() -> Evidence:
    return Evidence({MODEL.sha256: card()})


def jpeg(sequence: int) -> bytes:
    pixels = np.full((120, 200, 3), 150 + sequence, np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def field(sequence: int, *, picture: bool = True) -> FieldRecord:
    """A field of four cells, called by P_OF_BLAST."""
    made = field_record(sequence, n_cells=4, picture=jpeg(sequence) if picture else None)
    calls = tuple(
        Call("blast" if p > 0.49 else "normal", {"normal": 1 - p, "blast": p}, review=p == 0.5)
        for p in P_OF_BLAST
    )
    cells = tuple(
        CellRecord(record.cell, call, record.sighting, record.patch)
        for record, call in zip(made.cells, calls, strict=True)
    )
    quality = replace(made.result.quality, focus=0.5 + sequence / 10)
    return replace(made, cells=cells, result=replace(made.result, calls=calls, quality=quality))


def refused_field(sequence: int) -> FieldRecord:
    made = field_record(sequence, n_cells=0)
    quality = replace(made.result.quality, verdict=Verdict.OUT_OF_FOCUS)
    return replace(made, result=replace(made.result, quality=quality))


def counted_slide(
    journal: SqliteJournal, identifier: str = "S-1", *, first: int = 1
) -> tuple[int, list[int]]:
    """An ended slide of three judged fields and a refused one: its number, and those of its fields."""
    slide_id = journal.start_slide(identifier, wall(0))
    fields = [journal.append_field(slide_id, field(first + k)) for k in range(3)]
    fields.append(journal.append_field(slide_id, refused_field(first + 3)))
    journal.append_event("trouble", {"code": "camera-stale", "what": "w", "state": "began"}, wall(5))
    journal.end_slide(slide_id, wall(9))
    return slide_id, fields


def say(journal: SqliteJournal, field_id: int, position: int, label: str | None, who: str = "Dr A") -> int:
    body: dict[str, Json] = {"field_id": field_id, "position": position, "label": label, "who": who}
    return journal.append_event("review", body, wall(20))


def reviewed_slide(
    journal: SqliteJournal, identifier: str = "S-1", *, first: int = 1
) -> tuple[int, list[int]]:
    """All that waited was looked at, one cell confirmed, one called otherwise, one called no cell."""
    slide_id, fields = counted_slide(journal, identifier, first=first)
    for field_id in fields[:3]:
        say(journal, field_id, 2, "blast")
    say(journal, fields[0], 0, "blast", "Dr B")
    say(journal, fields[0], 1, "lymphocyte")
    say(journal, fields[1], 3, None)
    return slide_id, fields


def amendment(slide_id: int, field_id: int, label: str, reason: str) -> dict[str, Json]:
    """The body of an amendment of a field's first cell."""
    place: dict[str, Json] = {"slide_id": slide_id, "field_id": field_id, "position": 0}
    return {**place, "label": label, "who": "Dr B", "reason": reason}


@contextmanager
def a_journal(folder: Path) -> Iterator[SqliteJournal]:
    journal = new_journal(folder)
    try:
        yield journal
    finally:
        journal.close()


def report_of(journal: SqliteJournal, slide_id: int, known: Evidence | None = None) -> SlideReport:
    with JournalReader(journal.path) as reader:
        return slide_report(reader, slide_id, known or evidence())
