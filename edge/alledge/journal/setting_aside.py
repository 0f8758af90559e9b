"""A damaged journal steps aside, whole, so that work goes on: nothing of it is deleted or mended.

The database, its log and its index move together, or SQLite would play the old log into the new file. The
head that was noted beside it stays: by it the new journal's chain says from its second event on that rows
are missing, and how many.
"""

import os
from pathlib import Path
from typing import Final

from alledge.errors import StorageFailed
from alledge.journal.head_file import read_head

_PARTS: Final = ("-wal", "-shm", "")  # the database last: while it is there, the move can be begun again


def was_ours(path: Path) -> bool:
    """Whether a journal of ours lay there: its head was noted beside it."""
    return read_head(path) is not None


def set_aside(path: Path) -> Path:
    """Move a journal to the first free name `NAME.damaged-N`; gives the new path.

    Raises:
        StorageFailed: the disk refuses; what was not moved lies where it was.
    """
    number = 1
    while any(path.with_name(f"{path.name}.damaged-{number}{part}").exists() for part in _PARTS):
        number += 1
    aside = path.with_name(f"{path.name}.damaged-{number}")
    try:
        for part in _PARTS:
            old = path.with_name(path.name + part)
            if old.exists():
                old.rename(aside.with_name(aside.name + part))
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be moved ({error.strerror}).", "Move it away by hand.") from error
    return aside
