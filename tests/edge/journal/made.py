"""Field records made for tests: distinct by their sequence, so that one lost or torn shows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alledge.clock import ClockTrust, SystemClock, WallTime
from alledge.health import UNKNOWN_HEALTH
from alledge.journal import CellRecord, FieldRecord, SqliteJournal, open_journal
from alledge.slide.placement import Placement, Sighting
from alledge.types import (
    U8,
    Call,
    Cell,
    FieldResult,
    ModelIdentity,
    PixelSize,
    PixelSizeSource,
    Quality,
    Verdict,
)

WALL = WallTime(1_790_000_000.25, ClockTrust.SYNCHRONISED)
MODEL = ModelIdentity("tiny", "ab" * 32)
GOOD = Quality(
    Verdict.OK, "Good field.", focus=0.5, brightness=0.9, saturated_fraction=0.0, smear_fraction=0.3
)
SIZE = PixelSize(0.1, PixelSizeSource.GIVEN)


def patch_of(sequence: int, position: int) -> U8:
    """A (50, 50, 3) uint8 patch that no other sequence and position has."""
    return np.random.default_rng([sequence, position]).integers(0, 256, (50, 50, 3), dtype=np.uint8)


def cell_at(x: float) -> Cell:
    return Cell(x, 40.5, (int(x) - 9, 30, int(x) + 9, 51), 11.25, 70.1, 0.8, 0.92, 0.11, touches_border=False)


def field_record(sequence: int, n_cells: int = 2, picture: bytes | None = None) -> FieldRecord:
    """One field with everything filled in."""
    cells = tuple(cell_at(50.0 + 30 * position + sequence / 7) for position in range(n_cells))
    calls = tuple(Call("blast", {"blast": 0.9, "normal": 0.1}, review=False) for _ in cells)
    sightings = [
        Sighting(100 * sequence + i, c.x / 10, 4.05, is_new=True, is_sharper=True, sharpness=0.7)
        for i, c in enumerate(cells)
    ]
    return FieldRecord(
        result=FieldResult("phantom", 200, 120, SIZE, GOOD, cells, calls, 2, 5, MODEL, ("A note.",)),
        sequence=sequence,
        sensor_timestamp_ns=1_000_000 * sequence,
        wall=WALL,
        placement=Placement(1, 12.5 * sequence, 0.0, 0.97, is_jump=False, overlap=0.4),
        cells=tuple(
            CellRecord(cell, call, sighting, patch_of(sequence, position))
            for position, (cell, call, sighting) in enumerate(zip(cells, calls, sightings, strict=True))
        ),
        calibration_sha256="cd" * 32,
        software_version="0.1.0",
        health=UNKNOWN_HEALTH,
        picture_jpeg=picture,
    )


def new_journal(folder: Path) -> SqliteJournal:
    return open_journal(folder / "journal.sqlite3", SystemClock())


def filled_journal(folder: Path, n_fields: int = 3) -> Path:
    """The path of a closed journal: one ended slide of `n_fields` fields with pictures."""
    journal = new_journal(folder)
    slide_id = journal.start_slide("S-1", WALL)
    for sequence in range(n_fields):
        journal.append_field(slide_id, field_record(sequence, picture=b"\xff\xd8 field %d" % sequence))
    journal.append_event("fault", {"code": "camera-stale"}, WALL)
    journal.end_slide(slide_id, WALL)
    journal.close()
    return journal.path


def numbers(start: int = 0) -> Iterator[int]:
    while True:
        yield start
        start += 1
