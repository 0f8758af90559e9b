"""A new journal appears whole: made in memory with its first event, and put in its place in one step.

If SQLite made it in place, a power cut could leave a file that is no database yet and no journal of ours, and
every start after it would refuse it. Here there is either no file or one that can be added to.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from alledge.durable import write_whole
from alledge.journal import schema
from alledge.journal.chain import EMPTY, link
from alledge.journal.head_file import head_path
from alledge.journal.projection import STARTED
from alledge.strict_json import Json

_VERSION_BYTES: Final = slice(18, 20)
_WRITE_AHEAD: Final = b"\2\2"  # "Database File Format", 1.3.3: versions of a file with a write-ahead log


def is_missing(path: Path) -> bool:
    """Whether there is no journal to open; an empty file is none."""
    return not path.exists() or path.stat().st_size == 0


def create(path: Path, introduction: Mapping[str, Json]) -> None:
    """Begin a journal with its first event, unless another process has begun it meanwhile.

    Raises OSError or StorageFailed when the medium refuses; then there is still no journal.
    """
    with _only_one(path):
        if is_missing(path):
            _clear_away(path)
            write_whole(path, _first_bytes(introduction))


def _first_bytes(introduction: Mapping[str, Json]) -> bytes:
    """The file of a journal that holds one event."""
    event = link(EMPTY, STARTED, introduction)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.create(connection)
        row = (event.number, event.kind, event.body, event.previous_hash, event.hash)
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)
        data = bytearray(connection.serialize())
    data[_VERSION_BYTES] = _WRITE_AHEAD
    return bytes(data)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Let one process at a time begin a journal; the lock goes with the process."""
    handle = os.open(head_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _clear_away(path: Path) -> None:
    """Take away what an interrupted beginning left, and set aside the log of a journal that is gone.

    SQLite would play that log into the new file.
    """
    for partial in path.parent.glob(f".{path.name}.*.partial"):
        partial.unlink(missing_ok=True)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        log.replace(path.with_name(f"{path.name}-wal.orphan"))
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
