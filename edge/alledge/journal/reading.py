"""The journal as other processes see it: read-only, in small steps, never in the way of the writer.

Every method is one short read, so that the write-ahead log can be emptied between two of them. A reader sees
whole fields only, each from the moment it was acknowledged.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alledge.clock import WallTime
from alledge.errors import PathUnusable, SlideUnusable
from alledge.journal import schema
from alledge.journal.chain import Event, Head
from alledge.journal.plain import from_plain
from alledge.journal.projection import WITHDRAWN
from alledge.journal.records import FIELD_PICTURE, StoredCell, StoredField
from alledge.journal.storage_errors import translated
from alledge.journal.store import WAIT_FOR_LOCK_S, last_believable, read_last

PAGE: Final = 100
"""How many rows one call gives unless told."""


@dataclass(frozen=True, slots=True)
class SlideSummary:
    """One slide. ended: None while it is open. signed_off_by: number of the event; None when not signed off.

    n_cells: cells counted, each once where the slide was tracked, of them n_review wait for a person.
    n_overridden: cells that a person reviewed.
    """

    slide_id: int
    identifier: str
    started: WallTime
    ended: WallTime | None
    signed_off_by: int | None
    n_fields: int
    n_cells: int
    n_review: int
    n_overridden: int


@dataclass(frozen=True, slots=True)
class CellView:
    """One stored cell at its place. patch_png: None when a quota removed it. overridden_by: a review."""

    field_id: int
    position: int
    stored: StoredCell
    patch_png: bytes | None
    overridden_by: int | None


class JournalReader:
    """Reads a journal that another process may be writing. Close it, or use it as a context manager.

    Every method raises JournalUnavailable when the medium refuses, JournalDamaged when the file is broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with translated(path):
            self._connection = connect_for_reading(path)

    def __enter__(self) -> "JournalReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Let all reads of the block see one moment. Keep it short: the log cannot be emptied meanwhile."""
        with translated(self.path), one_moment(self._connection):
            yield

    def head(self) -> Head:
        """The end of the chain."""
        with translated(self.path):
            return read_last(self._connection)

    def last_wall(self) -> WallTime | None:
        """The wall time of the last event that could be believed."""
        with translated(self.path):
            return last_believable(self._connection)

    def slides(self, before: int | None = None, limit: int = PAGE) -> tuple[SlideSummary, ...]:
        """Slides, newest first. before: only those with a smaller number, to turn pages."""
        rows = self._rows(
            "SELECT slide_id FROM slides WHERE slide_id < ? ORDER BY slide_id DESC LIMIT ?",
            (_largest(before), limit),
        )
        return tuple(self.slide(slide_id) for (slide_id,) in rows)

    def has_slide(self, slide_id: int) -> bool:
        """Whether there is a slide of that number."""
        return slide_id < 2**63 and bool(self._rows("SELECT 1 FROM slides WHERE slide_id = ?", (slide_id,)))

    def slides_named(self, identifier: str) -> tuple[int, ...]:
        """Numbers of the slides of that name, oldest first."""
        rows = self._rows("SELECT slide_id FROM slides WHERE identifier = ? ORDER BY slide_id", (identifier,))
        return tuple(slide_id for (slide_id,) in rows)

    def slide(self, slide_id: int) -> SlideSummary:
        """One slide. Raises SlideUnusable when there is none of that number."""
        rows = self._rows(
            "SELECT identifier, ended_by, signed_off_by FROM slides WHERE slide_id = ?", (slide_id,)
        )
        if not rows:
            raise SlideUnusable(f"The journal has no slide {slide_id}.", "Look at its slides.")
        identifier, ended_by, signed_off_by = rows[0]
        ((n_fields,),) = self._rows("SELECT count(*) FROM fields WHERE slide_id = ?", (slide_id,))
        ((n_cells, n_review, n_overridden),) = self._rows(
            """SELECT count(*) FILTER (WHERE is_new IS NOT 0),
                count(*) FILTER (WHERE is_new IS NOT 0 AND review), count(overridden_by)
            FROM cells WHERE slide_id = ?""",
            (slide_id,),
        )
        return SlideSummary(
            slide_id=slide_id,
            identifier=identifier,
            started=self._wall_of(slide_id),
            ended=None if ended_by is None else self._wall_of(ended_by),
            signed_off_by=signed_off_by,
            n_fields=n_fields,
            n_cells=n_cells,
            n_review=n_review,
            n_overridden=n_overridden,
        )

    def open_slide(self) -> int | None:
        """Number of the newest slide that was not ended, to go on with after a power cut; None without."""
        return max(self.open_slides(), default=None)

    def open_slides(self) -> tuple[int, ...]:
        """Numbers of all slides that were not ended, oldest first."""
        rows = self._rows("SELECT slide_id FROM slides WHERE ended_by IS NULL ORDER BY slide_id")
        return tuple(int(slide_id) for (slide_id,) in rows)

    def withdrawn(self, slide_id: int) -> dict[int, int]:
        """Cells of a slide that were counted twice: number -> the number that stays."""
        rows = self._rows(
            """SELECT body FROM events
            WHERE kind = ? AND number > ? AND json_extract(body, '$.slide_id') = ? ORDER BY number""",
            (WITHDRAWN, slide_id, slide_id),
        )
        pairs = dict(pair for (body,) in rows for pair in json.loads(body)["cells"])
        for number in pairs:
            while pairs[number] in pairs:
                pairs[number] = pairs[pairs[number]]
        return pairs

    def fields(self, slide_id: int, after: int = 0, limit: int = PAGE) -> tuple[tuple[int, StoredField], ...]:
        """(field_id, field) of a slide in the order stored. after: only larger field_ids, to turn pages."""
        rows = self._rows(
            """SELECT e.number, kind, body, previous_hash, hash
            FROM fields f JOIN events e ON e.number = f.field_id
            WHERE f.slide_id = ? AND f.field_id > ? ORDER BY f.field_id LIMIT ?""",
            (slide_id, after, limit),
        )
        return tuple((int(row[0]), StoredField.from_body(Event(*row).fields())) for row in rows)

    def all_fields(self, slide_id: int) -> Iterator[tuple[int, StoredField]]:
        """(field_id, field) of a whole slide, read a page at a time."""
        after = 0
        while page := self.fields(slide_id, after):
            yield from page
            after = page[-1][0]

    def cells(
        self,
        slide_id: int,
        after: tuple[int, int] = (0, -1),
        limit: int = PAGE,
        *,
        label: str | None = None,
        review: bool | None = None,
        counted_only: bool = False,
    ) -> tuple[CellView, ...]:
        """Cells of a slide with their patches, in the order stored.

        Args:
            slide_id: of which slide.
            after: (field_id, position) of the last cell of the page before.
            limit: cells on a page.
            label: only cells called so.
            review: only cells that wait for a person, or only those that do not.
            counted_only: only where a cell of the slide was seen first; others show a cell again.
        """
        rows = self._rows(
            """SELECT c.field_id, c.position, c.overridden_by, b.bytes
            FROM cells c LEFT JOIN blobs b ON b.field_id = c.field_id AND b.position = c.position
            WHERE c.slide_id = :slide AND (c.field_id, c.position) > (:field, :position)
                AND (:label IS NULL OR c.label = :label) AND (:review IS NULL OR c.review = :review)
                AND (NOT :counted OR c.is_new IS NOT 0)
            ORDER BY c.field_id, c.position LIMIT :limit""",
            {
                "slide": slide_id, "field": after[0], "position": after[1], "label": label,
                "review": review, "counted": counted_only, "limit": limit,
            },
        )  # fmt: skip
        fields = {field_id: self._field(field_id) for field_id in dict.fromkeys(row[0] for row in rows)}
        return tuple(
            CellView(field_id, position, fields[field_id].cells[position], png, overridden_by)
            for field_id, position, overridden_by, png in rows
        )

    def picture(self, field_id: int, position: int = FIELD_PICTURE) -> bytes | None:
        """The JPEG file of a field, or the PNG file of a patch; None when it was removed or never stored."""
        sql = "SELECT bytes FROM blobs WHERE field_id = ? AND position = ?"
        rows = self._rows(sql, (field_id, position))
        return bytes(rows[0][0]) if rows else None

    def events(self, after: int = 0, limit: int = PAGE, kind: str | None = None) -> tuple[Event, ...]:
        """Events in the order stored. after: only larger numbers. kind: only these."""
        of_kind = "" if kind is None else "AND kind = :kind"  # else the index of kinds would not be used
        rows = self._rows(
            f"""SELECT number, kind, body, previous_hash, hash FROM events
            WHERE number > :after {of_kind} ORDER BY number LIMIT :limit""",  # noqa: S608 - a constant
            {"after": after, "kind": kind, "limit": limit},
        )
        return tuple(Event(*row) for row in rows)

    def _field(self, field_id: int) -> StoredField:
        return StoredField.from_body(self._event(field_id).fields())

    def _event(self, number: int) -> Event:
        (row,) = self._rows(
            "SELECT number, kind, body, previous_hash, hash FROM events WHERE number = ?", (number,)
        )
        return Event(*row)

    def _wall_of(self, number: int) -> WallTime:
        return from_plain(WallTime, self._event(number).fields()["wall"])

    def _rows(self, sql: str, values: tuple[object, ...] | dict[str, object] = ()) -> list[tuple[Any, ...]]:
        with translated(self.path):
            return self._connection.execute(sql, values).fetchall()


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Let all reads of the block see the journal as it is at the first of them."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises PathUnusable without a file, JournalForeign, JournalTooNew."""
    if not path.is_file():
        raise PathUnusable(f"{path} does not exist.", "Give the data folder of a device that has run.")
    connection = sqlite3.connect(
        reading_uri(path), uri=True, timeout=WAIT_FOR_LOCK_S, isolation_level=None, check_same_thread=False
    )
    try:
        schema.require_ours(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def reading_uri(path: Path) -> str:
    """Read-only; a copy without a log on a medium that cannot be written needs no lock at all."""
    alone = not path.with_name(f"{path.name}-wal").exists() and not os.access(path.parent, os.W_OK)
    return f"{path.absolute().as_uri()}?{'immutable=1' if alone else 'mode=ro'}"


def _largest(number: int | None) -> int:
    return 2**62 if number is None else number
