"""SQLite's errors in our words: the one boundary to sqlite3.

What matters to the service is whether trying again can help. A full, read-only or failing disk and a busy
journal can get better by themselves (JournalUnavailable); a file that is no whole database cannot.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alledge.errors import (
    AllscopeError,
    JournalBusy,
    JournalDamaged,
    JournalForeign,
    JournalFull,
    JournalIoFailed,
    JournalReadOnly,
    JournalUnavailable,
    StorageFailed,
)

_ROOM_BYTES: Final = 1 << 20
"""With less left, an error of the disk is called a full disk: SQLite says so for some calls only."""
_PRIMARY: Final = 0xFF  # the low byte of SQLite's extended codes
_UNAVAILABLE: Final[dict[int, type[JournalUnavailable]]] = {
    sqlite3.SQLITE_FULL: JournalFull,
    sqlite3.SQLITE_READONLY: JournalReadOnly,
    sqlite3.SQLITE_PERM: JournalReadOnly,
    sqlite3.SQLITE_BUSY: JournalBusy,
    sqlite3.SQLITE_LOCKED: JournalBusy,
    sqlite3.SQLITE_PROTOCOL: JournalBusy,
    sqlite3.SQLITE_IOERR: JournalIoFailed,
    sqlite3.SQLITE_CANTOPEN: JournalIoFailed,
    sqlite3.SQLITE_NOMEM: JournalIoFailed,
}
_SYSTEM: Final[dict[int, type[JournalUnavailable]]] = {
    errno.ENOSPC: JournalFull,
    errno.EDQUOT: JournalFull,
    errno.EROFS: JournalReadOnly,
    errno.EACCES: JournalReadOnly,
    errno.EPERM: JournalReadOnly,
}
_STATES: Final[dict[type[JournalUnavailable], tuple[str, str]]] = {
    JournalFull: ("the disk is full", "Free space; the journal goes on by itself then."),
    JournalReadOnly: (
        "it is read-only",
        "Mount the disk for writing, or mend the permissions of the folder.",
    ),
    JournalBusy: ("another process keeps it locked", "End that process; the journal goes on by itself then."),
    JournalIoFailed: ("the disk fails", "Look at the disk and its cable; `dmesg` tells what it answered."),
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise JournalUnavailable or JournalDamaged for what is raised within the block about `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _in_our_words(path, error) from error
    except StorageFailed as error:
        raise _unavailable(path, _kind_of(error.__cause__), error) from error
    except OSError as error:
        raise _unavailable(path, _kind_of(error), error) from error


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's code without its details; errors that Python's own module raises have none."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & _PRIMARY


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is a database that is broken, rather than out of reach or none at all."""
    code = primary_code(error)
    return code not in _UNAVAILABLE and code != sqlite3.SQLITE_NOTADB


def _in_our_words(path: Path, error: sqlite3.Error) -> AllscopeError:
    code = primary_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return JournalForeign(f"{path} is no journal of alledge.", "Name another data folder.")
    kind = _UNAVAILABLE.get(code)
    if kind is None:
        return JournalDamaged(
            f"{path} is damaged ({error}).",
            "Keep a copy, see `alledge verify-log`, and move it away so that a new journal begins.",
        )
    if kind is JournalIoFailed and _is_full(path.parent):
        kind = JournalFull
    if kind is JournalIoFailed and path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        kind = JournalReadOnly
    return _unavailable(path, kind, error)


def _unavailable(path: Path, kind: type[JournalUnavailable], error: Exception) -> JournalUnavailable:
    state, next_step = _STATES[kind]
    return kind(f"{path} cannot be used: {state} ({error}).", next_step)


def _kind_of(error: BaseException | None) -> type[JournalUnavailable]:
    """Our word for an error of the operating system."""
    code = error.errno if isinstance(error, OSError) else None
    return _SYSTEM.get(code or 0, JournalIoFailed)


def _is_full(folder: Path) -> bool:
    """Whether the disk has no room left; a folder that cannot be asked is not called full."""
    if not folder.is_dir():
        return False
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < _ROOM_BYTES
