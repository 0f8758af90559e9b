"""Room for new slides: remove old pictures, never a result, and never what a person may still need.

A picture goes only when every field that shows it belongs to a slide that a person signed off, and no
person overrode a call in it. The oldest slide goes first, its fields' pictures before its patches. What
was removed is an event of its own, so the chain stays whole and `verify-log` knows which pictures to miss.
Where nothing may go, nothing goes: the journal then says that the disk is full, and keeps what it has.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from alledge.clock import WallTime
from alledge.journal.plain import to_plain
from alledge.journal.projection import PICTURES_REMOVED
from alledge.journal.store import SqliteJournal, append
from alledge.strict_json import Json

REST_SHARE: Final = 0.95
"""Down to this share of the limit, so that the search for old pictures is not made for every field."""

_BATCH: Final = 200  # pictures a transaction: tens of milliseconds on a memory card
_FREE: Final = """
    NOT EXISTS (
        SELECT 1 FROM cells c JOIN slides s USING (slide_id)
        WHERE c.patch_sha256 = b.sha256 AND (s.signed_off_by IS NULL OR c.overridden_by IS NOT NULL))
    AND NOT EXISTS (
        SELECT 1 FROM fields f JOIN slides s USING (slide_id)
        WHERE f.picture_sha256 = b.sha256 AND (s.signed_off_by IS NULL OR EXISTS (
            SELECT 1 FROM cells c WHERE c.field_id = f.field_id AND c.overridden_by IS NOT NULL)))
"""
_PICTURES: Final = f"""
    SELECT b.sha256, length(b.bytes) FROM fields f JOIN blobs b ON b.sha256 = f.picture_sha256
    WHERE f.slide_id = ? AND {_FREE} ORDER BY f.field_id
"""  # noqa: S608 - a condition of ours
_PATCHES: Final = f"""
    SELECT b.sha256, length(b.bytes) FROM cells c JOIN blobs b ON b.sha256 = c.patch_sha256
    WHERE c.slide_id = ? AND {_FREE} ORDER BY c.field_id, c.position
"""  # noqa: S608 - a condition of ours
_STILL_FREE: Final = f"SELECT 1 FROM blobs b WHERE b.sha256 = ? AND {_FREE}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """What a quota did, or would do. is_within: the journal now fits, or would.

    used_bytes: of the journal before, without pages that are free. removed: pictures, as SHA-256.
    """

    limit_bytes: int
    used_bytes: int
    removed: tuple[str, ...]
    removed_bytes: int
    is_within: bool


def enforce_quota(
    journal: SqliteJournal, limit_bytes: int, wall: WallTime, *, dry_run: bool = False
) -> QuotaReport:
    """Remove the oldest signed-off pictures while the journal is larger than `limit_bytes`.

    dry_run: only tell what would go. Raises JournalUnavailable when the medium refuses; each picture is
    then either removed, with an event that says so, or still there.
    """
    with journal.reading() as connection:
        used = used_bytes(connection)
        excess = used - limit_bytes
        target = used - round(REST_SHARE * limit_bytes)
        planned = tuple(_plan(connection, target)) if excess > 0 else ()
    if not dry_run:
        planned = tuple(_remove(journal, planned, wall))
    removed_bytes = sum(size for _, size in planned)
    names = tuple(name for name, _ in planned)
    return QuotaReport(limit_bytes, used, names, removed_bytes, used - removed_bytes <= limit_bytes)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something; the rest is free for new rows."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int(pages - free) * int(size)


def _plan(connection: sqlite3.Connection, n_bytes: int) -> Iterator[tuple[str, int]]:
    """(SHA-256, bytes) of pictures to remove, oldest first, until they add up to `n_bytes`."""
    planned: set[str] = set()
    signed_off = "SELECT slide_id FROM slides WHERE signed_off_by IS NOT NULL ORDER BY slide_id"
    for (slide_id,) in connection.execute(signed_off).fetchall():
        for sql in (_PICTURES, _PATCHES):
            for name, size in connection.execute(sql, (slide_id,)).fetchall():
                if n_bytes <= 0:
                    return
                if name not in planned:
                    planned.add(name)
                    n_bytes -= size
                    yield name, size


def _remove(
    journal: SqliteJournal, planned: Sequence[tuple[str, int]], wall: WallTime
) -> Iterator[tuple[str, int]]:
    """Remove in batches. A person may override a call meanwhile: each picture is asked for again."""
    left = iter(planned)
    while batch := list(islice(left, _BATCH)):
        with journal.transaction() as connection:
            free = [
                (name, size)
                for name, size in batch
                if connection.execute(_STILL_FREE, (name,)).fetchone() is not None
            ]
            connection.executemany("DELETE FROM blobs WHERE sha256 = ?", [(name,) for name, _ in free])
            if free:
                names: list[Json] = [name for name, _ in free]
                body = {"pictures": names, "reason": "quota", "wall": to_plain(wall)}
                append(connection, PICTURES_REMOVED, body)
        yield from free
