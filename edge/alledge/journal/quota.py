"""Room for new slides: remove old pictures, never a result, and never what a person may still need.

A picture goes only when its slide was signed off by a person and no person overrode a call in it. The
oldest slide goes first, its fields' pictures before its patches. What was removed is an event of its own,
so the chain stays whole and `verify-log` knows which pictures to miss. Where nothing may go, nothing goes:
the journal then says that the disk is full, and keeps what it has.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from alledge.clock import WallTime
from alledge.journal.plain import to_plain
from alledge.journal.projection import PICTURES_REMOVED
from alledge.journal.store import SqliteJournal, append
from alledge.strict_json import Json

_Planned: TypeAlias = tuple[int, int, int]  # field_id, position, bytes

REST_SHARE: Final = 0.95
"""Down to this share of the limit, so that the search for old pictures is not made for every field."""

_BATCH: Final = 200  # pictures a transaction: tens of milliseconds on a memory card
_PICTURES: Final = """
    SELECT b.field_id, b.position, length(b.bytes) FROM fields f JOIN blobs b USING (field_id)
    WHERE f.slide_id = ? AND b.position = -1 AND NOT EXISTS (
        SELECT 1 FROM cells c WHERE c.field_id = f.field_id AND c.overridden_by IS NOT NULL)
    ORDER BY b.field_id
"""
_PATCHES: Final = """
    SELECT b.field_id, b.position, length(b.bytes) FROM cells c JOIN blobs b USING (field_id, position)
    WHERE c.slide_id = ? AND c.overridden_by IS NULL ORDER BY b.field_id, b.position
"""
_STILL_FREE: Final = """
    SELECT 1 FROM fields f JOIN slides s USING (slide_id)
    WHERE f.field_id = :field_id AND s.signed_off_by IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM cells c WHERE c.field_id = :field_id AND c.overridden_by IS NOT NULL
            AND :position IN (-1, c.position))
"""


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """What a quota did, or would do. is_within: the journal now fits, or would.

    used_bytes: of the journal before, without pages that are free.
    removed: (field_id, position) of pictures, position -1 for the field's own.
    """

    limit_bytes: int
    used_bytes: int
    removed: tuple[tuple[int, int], ...]
    removed_bytes: int
    is_within: bool


def enforce_quota(
    journal: SqliteJournal,
    limit_bytes: int,
    wall: WallTime,
    *,
    dry_run: bool = False,
    at_once_bytes: int | None = None,
) -> QuotaReport:
    """Remove the oldest signed-off pictures while the journal is larger than `limit_bytes`.

    dry_run: only tell what would go. at_once_bytes: stop after so much, for callers that cannot wait and
    come again. Raises JournalUnavailable when the medium refuses; each picture is
    then either removed, with an event that says so, or still there.
    """
    with journal.reading() as connection:
        used = used_bytes(connection)
        excess = used - limit_bytes
        target = used - round(REST_SHARE * limit_bytes)
        target = target if at_once_bytes is None else min(target, at_once_bytes)
        planned = tuple(_plan(connection, target)) if excess > 0 else ()
    if not dry_run:
        planned = tuple(_remove(journal, planned, wall))
    removed_bytes = sum(size for _, _, size in planned)
    names = tuple((field_id, position) for field_id, position, _ in planned)
    return QuotaReport(limit_bytes, used, names, removed_bytes, used - removed_bytes <= limit_bytes)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something; the rest is free for new rows."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int(pages - free) * int(size)


def spare_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that are free for new rows."""
    free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
    )
    return int(free) * int(size)


def _plan(connection: sqlite3.Connection, n_bytes: int) -> Iterator[_Planned]:
    """Pictures to remove, oldest first, until they add up to `n_bytes`."""
    signed_off = "SELECT slide_id FROM slides WHERE signed_off_by IS NOT NULL ORDER BY slide_id"
    for (slide_id,) in connection.execute(signed_off).fetchall():
        for sql in (_PICTURES, _PATCHES):
            for field_id, position, size in connection.execute(sql, (slide_id,)).fetchall():
                if n_bytes <= 0:
                    return
                n_bytes -= size
                yield field_id, position, size


def _remove(journal: SqliteJournal, planned: Sequence[_Planned], wall: WallTime) -> Iterator[_Planned]:
    """Remove in batches. A person may override a call meanwhile: each picture is asked for again."""
    left = iter(planned)
    while batch := list(islice(left, _BATCH)):
        with journal.transaction() as connection:
            free = [picture for picture in batch if _is_still_free(connection, picture)]
            names = [(field_id, position) for field_id, position, _ in free]
            connection.executemany("DELETE FROM blobs WHERE field_id = ? AND position = ?", names)
            if names:
                pictures: list[Json] = [list(name) for name in names]
                body = {"pictures": pictures, "reason": "quota", "wall": to_plain(wall)}
                append(connection, PICTURES_REMOVED, body)
        yield from free


def _is_still_free(connection: sqlite3.Connection, picture: _Planned) -> bool:
    field_id, position, _ = picture
    names = {"field_id": field_id, "position": position}
    return connection.execute(_STILL_FREE, names).fetchone() is not None
