"""The head of the chain, kept beside the journal: how many events there were, and the hash of the last.

A chain cannot tell that its newest rows were cut off; a number kept apart can. The file is written after the
journal's own commit, in place and without waiting for the disk, so that it costs a field nothing: a power
cut may leave it behind the journal, never ahead. It holds two lines that take turns, each with its own
checksum, so that a torn one leaves the other.
"""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Final

from alledge.journal.chain import HASH_HEX, Head

_CHECK_HEX: Final = 16
_COUNT_DIGITS: Final = 15
_LINE_BYTES: Final = _COUNT_DIGITS + 1 + HASH_HEX + 1 + _CHECK_HEX + 1


def head_path(journal_path: Path) -> Path:
    """Where the head of a journal lies."""
    return journal_path.with_name(f"{journal_path.name}-head")


def write_head(journal_path: Path, head: Head) -> None:
    """Note a head. A disk that refuses leaves the older one: it still vouches for what came before it."""
    with contextlib.suppress(OSError):
        handle = os.open(head_path(journal_path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(handle, _line(head), (head.count % 2) * _LINE_BYTES)
        finally:
            os.close(handle)


def read_head(journal_path: Path) -> Head | None:
    """The newest head that was noted whole; None when there is none."""
    try:
        data = head_path(journal_path).read_bytes()
    except FileNotFoundError:
        return None
    heads = [_parse(data[start : start + _LINE_BYTES]) for start in (0, _LINE_BYTES)]
    return max((head for head in heads if head), key=lambda head: head.count, default=None)


def _line(head: Head) -> bytes:
    text = f"{head.count:0{_COUNT_DIGITS}d} {head.hash}"
    return f"{text} {_check(text)}\n".encode("ascii")


def _parse(line: bytes) -> Head | None:
    text, check = line[: -_CHECK_HEX - 2], line[-_CHECK_HEX - 1 : -1]
    if len(line) != _LINE_BYTES or check != _check(text.decode("ascii", "replace")).encode():
        return None
    count, last_hash = text.decode("ascii").split(" ")
    return Head(int(count), last_hash)


def _check(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_CHECK_HEX]
