"""Room on the disk: old signed-off pictures go before the disk is full, a few at a time.

A full disk stops the counting, so room is made at the end of each slide and whenever little is left. Only
what `journal.quota` allows is removed: pictures of slides that a person signed off. Each look removes a
bounded amount, so that the loop is never held up for long.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from alledge.clock import WallTime
from alledge.errors import JournalUnavailable
from alledge.journal import SqliteJournal
from alledge.journal.quota import QuotaReport, enforce_quota, spare_bytes, used_bytes
from alledge.service.troubles import Trouble

LEAST_FREE_BYTES: Final = 256 << 20
"""With less left on the disk the journal's own free pages are all that it may still grow by."""

AT_ONCE_BYTES: Final = 8 << 20
"""Pictures removed in one look: some tenths of a second on a memory card."""

_LOOK_EVERY_NS: Final = 60_000_000_000
_AGAIN_NS: Final = 1_000_000_000


class Room(Protocol):
    """Who makes room; see `QuotaRoom`."""

    def ask(self) -> None:
        """Have the next look be made at once."""

    def tend(self, now_ns: int, wall: WallTime) -> Trouble | None:
        """Make room where it is due; gives what is wrong."""


class EndlessRoom:
    """There is always room."""

    def ask(self) -> None:
        """Nothing to do."""

    def tend(self, now_ns: int, wall: WallTime) -> Trouble | None:  # noqa: ARG002 - of Room
        """Nothing is ever wrong."""
        return None


class QuotaRoom:
    """Keeps a journal within `limit_bytes`, and below that while the disk has little left."""

    def __init__(
        self, journal: SqliteJournal, limit_bytes: int, free: Callable[[], int] | None = None
    ) -> None:
        self._journal = journal
        self._limit_bytes = limit_bytes
        self._free_bytes = free or (lambda: free_bytes(journal.path.parent))
        self._next_ns = 0
        self._trouble: Trouble | None = None

    def ask(self) -> None:
        """Have the next look be made at once: a slide has ended."""
        self._next_ns = 0

    def tend(self, now_ns: int, wall: WallTime) -> Trouble | None:
        """Look once a minute, and go on each second while there is something to remove."""
        if now_ns < self._next_ns:
            return self._trouble
        try:
            report = self._make_room(wall)
        except JournalUnavailable as error:
            self._next_ns, self._trouble = now_ns + _LOOK_EVERY_NS, Trouble.of(error)
            return self._trouble
        goes_on = bool(report.removed) and not report.is_within
        short = report.limit_bytes < self._limit_bytes
        self._next_ns = now_ns + (_AGAIN_NS if goes_on else _LOOK_EVERY_NS)
        self._trouble = None if report.is_within or goes_on else _over(report, short)
        return self._trouble

    def _make_room(self, wall: WallTime) -> QuotaReport:
        with self._journal.reading() as connection:
            used, spare = used_bytes(connection), spare_bytes(connection)
        # Pages within the file that are free are room as well, though the disk does not show them.
        missing = LEAST_FREE_BYTES - self._free_bytes() - spare
        limit = min(self._limit_bytes, used - missing) if missing > 0 else self._limit_bytes
        return enforce_quota(self._journal, max(limit, 0), wall, at_once_bytes=AT_ONCE_BYTES)


def free_bytes(folder: Path) -> int:
    """Bytes that the disk of a folder has left for us; plenty where it cannot be asked."""
    known = disk_free_bytes(folder)
    return LEAST_FREE_BYTES if known is None else known


def disk_free_bytes(folder: Path) -> int | None:
    """Bytes that the disk of a folder has left for us; None where it cannot be asked."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def _over(report: QuotaReport, is_short: bool) -> Trouble:
    if is_short:
        what = f"The disk has less than {LEAST_FREE_BYTES >> 20} MB left, and no picture may be removed."
        return Trouble("disk-low", what, "Free space, sign slides off, or fit a larger disk.")
    held_mb, limit_mb = report.used_bytes / 1e6, report.limit_bytes / 1e6
    return Trouble(
        "journal-over-limit",
        f"The journal holds {held_mb:.0f} MB of {limit_mb:.0f} MB, and no picture may be removed.",
        "Sign slides off, raise `journal_limit_gb`, or fit a larger disk.",
    )
