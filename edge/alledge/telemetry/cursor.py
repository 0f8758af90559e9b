"""How far the broker has acknowledged: the outbox is all that the journal holds after that event.

A table of messages beside the events would be written in the same transaction, and say the same twice. The
events are numbered without a gap, never changed and never removed, so the event itself is the message in its
outbox: it is there if and only if its result is, nobody has to delete it, and it costs the service nothing.
All that must be kept is how far the broker has acknowledged, and if that falls behind, something is sent
twice, which its id tells.

The event's hash is kept too. A medium that lies may lose the last events and their numbers are then given
again: then the hash does not fit, and what follows is sent though the number was passed.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from alledge.durable import write_whole
from alledge.errors import StorageFailed
from alledge.journal.chain import EMPTY

CURSOR_FILE: Final = "published.json"
"""Its name in the data folder."""

_LONGEST: Final = 4096
_LARGEST: Final = 2**62  # SQLite's numbers end at 2^63


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last event that the broker has acknowledged: number and hash, of which journal."""

    journal_id: str
    number: int
    hash: str

    @classmethod
    def start(cls, journal_id: str) -> "Cursor":
        """Nothing was acknowledged yet."""
        return cls(journal_id, EMPTY.count, EMPTY.hash)


def read_cursor(data: Path) -> Cursor | None:
    """The cursor of a data folder; None when there is none, or one that is spoilt: then all is sent again.

    Raises StorageFailed when the medium refuses.
    """
    file = data / CURSOR_FILE
    try:
        told = json.loads(_first_bytes(file))
        cursor = Cursor(told["journal_id"], told["number"], told["hash"])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed(f"{file} cannot be read ({error.strerror}).", "Look at the disk.") from error
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    types = (type(cursor.journal_id), type(cursor.number), type(cursor.hash))
    return cursor if types == (str, int, str) and 0 <= cursor.number <= _LARGEST else None


def write_cursor(data: Path, cursor: Cursor) -> None:
    """Keep a cursor, flushed. Raises StorageFailed; then the older one stays and some is sent twice."""
    write_whole(data / CURSOR_FILE, (json.dumps(asdict(cursor)) + "\n").encode())


def sweep(data: Path) -> None:
    """Remove what publishers left that were killed while they kept a cursor. For the only one at work."""
    for left in data.glob(f".{CURSOR_FILE}.*.partial"):
        with contextlib.suppress(OSError):
            left.unlink()


def _first_bytes(file: Path) -> bytes:
    """What a file begins with; a pipe in its place, which nobody fills, reads as empty."""
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as opened:
        return opened.read(_LONGEST)
