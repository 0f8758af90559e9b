"""The picture under the objective for whoever looks: one small file, written over and over, read by anybody.

The service writes each reduced picture once, whether anybody looks or not, and knows nothing of its viewers:
a slow one, or a hundred, cost it nothing. Two slots take turns, so a reader has a frame's time for its copy;
the number at a slot's beginning and end tells it when that was not enough, and it reads again.

The file has a fixed size and lies in the runtime folder, which is memory. It is written with pwrite(2) and
not mapped: where there is no room, a write gives an error, and a mapped page would give SIGBUS.

    head:  magic, number of the newest slot's turn
    slot:  turn | sequence, shape, monotonic time, length of told | turn | told as JSON | pixels
"""

import json
import os
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from alledge.errors import StorageFailed
from alledge.strict_json import Json
from alledge.types import U8

LIVE_VIEW_FILE: Final = "live-view"
"""Name of the file in the runtime folder."""

LARGEST_SIDE_PX: Final = 1024
"""A picture is at most so wide and high: what a screen shows beside everything else."""

MOST_TOLD_BYTES: Final = 1 << 19
"""Room for what is told beside a picture: about a thousand cells."""

_MAGIC: Final = b"AlSview1"
_HEAD: Final = struct.Struct("<8sQ")
_SLOT: Final = struct.Struct("<QqIIQIQ")  # turn, sequence, height, width, shown_ns, told bytes, turn
_SLOT_BYTES: Final = 4096 + MOST_TOLD_BYTES + LARGEST_SIDE_PX**2 * 3
_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class LiveView:
    """What was under the objective a moment ago.

    sequence: number of the frame. pixels: (h, w, 3) uint8 BGR, reduced. told: what is known of it.
    shown_ns: monotonic time at which it was shown; with `time.monotonic_ns()` its age.
    """

    sequence: int
    pixels: U8
    told: Mapping[str, Json]
    shown_ns: int


class LiveViewWriter:
    """Shows pictures in a file, made anew when the service starts. One writer, one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        self._turn = 0

    def show(self, sequence: int, pixels: U8, told: Mapping[str, Json]) -> None:
        """Show a picture in place of the one before.

        Args:
            sequence: number of the frame.
            pixels: (h, w, 3) uint8 BGR, at most LARGEST_SIDE_PX a side.
            told: plain JSON values, at most MOST_TOLD_BYTES of them.

        Raises:
            StorageFailed: there is no room for the file; readers keep what they had.
            ValueError: the picture or what is told is too large.
        """
        text = json.dumps(told, allow_nan=False).encode()
        if max(pixels.shape[:2]) > LARGEST_SIDE_PX or len(text) > MOST_TOLD_BYTES:
            raise ValueError(f"expected at most {LARGEST_SIDE_PX} pixels a side, got {pixels.shape}")
        try:
            self._write(sequence, np.ascontiguousarray(pixels), text)
        except OSError as error:
            self.close()
            what = f"The live view {self.path} cannot be written ({error.strerror})."
            raise StorageFailed(what, "Free space there; counting goes on meanwhile.") from error

    def close(self) -> None:
        """Let go of the file; what was shown last stays readable."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _write(self, sequence: int, pixels: U8, text: bytes) -> None:
        if self._handle is None:
            self._handle = _begin(self.path)
            self._turn = 0
        self._turn += 1
        handle, start = self._handle, _slot_at(self._turn)
        about = (sequence, pixels.shape[0], pixels.shape[1], time.monotonic_ns(), len(text))
        os.pwrite(handle, _SLOT.pack(self._turn, *about, 0), start)
        _write_all(handle, text, start + _SLOT.size)
        _write_all(handle, pixels.data.cast("B"), start + _SLOT.size + len(text))
        os.pwrite(handle, _SLOT.pack(self._turn, *about, self._turn), start)
        os.pwrite(handle, _HEAD.pack(_MAGIC, self._turn), 0)


class LiveViewReader:
    """Looks at the file of a writer, whether there is one yet or not. Never in its way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def latest(self, after: int = -1) -> LiveView | None:
        """The newest picture; None when there is none, or when it is the one with number `after`.

        Numbers begin again when the service does, so the newest is the one that is not `after`.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return _read_latest(handle, after)
        finally:
            os.close(handle)


def _read_latest(handle: int, after: int) -> LiveView | None:
    for _ in range(_ATTEMPTS):
        head = os.pread(handle, _HEAD.size, 0)
        if len(head) < _HEAD.size or not head.startswith(_MAGIC):
            return None
        _, turn = _HEAD.unpack(head)
        if turn == 0:
            return None  # begun, and nothing shown yet
        slot = os.pread(handle, _SLOT.size, _slot_at(turn))
        if len(slot) < _SLOT.size:
            return None
        begun, sequence, height, width, shown_ns, n_told, ended = _SLOT.unpack(slot)
        if begun != turn or ended != turn:
            continue
        if sequence == after:
            return None
        start = _slot_at(turn) + _SLOT.size
        told = os.pread(handle, n_told, start)
        pixels = np.empty((height, width, 3), np.uint8)
        n_read = os.preadv(handle, [pixels.data.cast("B")], start + n_told)
        if n_read == pixels.nbytes and os.pread(handle, _SLOT.size, _slot_at(turn)) == slot:
            return LiveView(sequence, pixels, json.loads(told), shown_ns)
    return None


def _slot_at(turn: int) -> int:
    return 4096 + (turn % 2) * _SLOT_BYTES


def _begin(path: Path) -> int:
    """A new file under the name, for readers of an old one not to be mixed up."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        os.pwrite(handle, _HEAD.pack(_MAGIC, 0), 0)
        partial.replace(path)
    except OSError:
        os.close(handle)
        raise
    return handle


def _write_all(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of it: a disk that fills up takes a part first and refuses the rest."""
    left = memoryview(data)
    while left:
        n_written = os.pwrite(handle, left, offset)
        left, offset = left[n_written:], offset + n_written
