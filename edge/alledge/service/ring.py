"""Frames from the camera's process to ours through shared memory: copied once, newest wins, torn is noticed.

The memory is a memfd: it has no name, so when both processes are killed the kernel frees it and nothing is
left behind. Three slots suffice. The writer fills one that is neither the newest nor held by the reader, and
then publishes it; the reader holds the newest and looks at it in place.

    words: begun, published, heart-beat, phase  (camera's process) | taken, held  (ours)
    slot:  begin | description of the frame | end | pixels

A word is 8 aligned bytes with one writer. Frame numbers go on counting when the camera's process is
replaced, so the ledger adds up across its death. Two nets lie under the protocol: `begin` and `end` of a
slot bear the frame's number (a seqlock), and the reader asks again after its work; a checksum over every
sixteenth row tells a frame that was half overwritten.
"""

import math
import mmap
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np

from alledge.types import U8, Frame

SLOTS: Final = 3
MAX_FRAME_BYTES: Final = 4608 * 3456 * 3
"""The largest frame that fits: more than the HQ camera's 4056 x 3040. Memory is used where it is written."""

_PAGE: Final = 4096
_SLOT_HEAD: Final = _PAGE
_CHECKED_ROWS: Final = (
    16  # every sixteenth row is in the checksum: 1/16 of the reading for most of the safety
)
_ERROR_AT: Final = 1024
_ERROR_BYTES: Final = 2048
_SOURCE_BYTES: Final = 1024
_DESCRIPTION: Final = struct.Struct("<QQIIIIddddH")
_WAIT_S: Final = 0.002


class Word(IntEnum):
    """Index of each word of the header."""

    BEGUN, PUBLISHED, HEART_BEAT_NS, PHASE, TAKEN, HELD, ERROR_LENGTH = range(7)


class _SlotWord(IntEnum):
    BEGIN, END = range(2)


class Phase(IntEnum):
    """What the camera's process is doing; how long it may take depends on it."""

    STARTING, OPENING, CAPTURING, HANDING_OVER, FINISHED, FAILED = range(6)


class OverwritePolicy(StrEnum):
    """What happens to a frame that nobody has taken yet when the next one is there."""

    NEWEST_WINS = "newest wins"  # it is superseded: for cameras, which cannot wait
    WAIT = "wait"  # the source waits: for archives and simulators, which lose nothing by it


class Damage(StrEnum):
    """Why the pixels of a frame that was handed over cannot be used."""

    NONE = ""
    UNFIT = "unfit"  # no (H, W, 3) uint8, or too large for a slot
    TORN = "torn"  # the checksum differs


@dataclass(frozen=True, slots=True, eq=False)
class Claimed:
    """A frame held in its slot.

    frame: its pixels lie in shared memory and are valid until the frame is released.
    sequence: number of the frame, from 1. asked_ns: monotonic time at which it was asked for.
    damage: NONE when the pixels are whole.
    """

    frame: Frame
    sequence: int
    asked_ns: int
    damage: Damage


def create_ring_memory(max_frame_bytes: int = MAX_FRAME_BYTES) -> int:
    """A descriptor of zeroed, nameless shared memory for `FrameRing`; the camera's process inherits it."""
    handle = os.memfd_create("allscope-frames", os.MFD_CLOEXEC)
    os.ftruncate(handle, _PAGE + SLOTS * _slot_bytes(max_frame_bytes))
    return handle


class FrameRing:
    """The memory as both sides see it. One process writes frames, one reads them."""

    def __init__(self, handle: int) -> None:
        size = os.fstat(handle).st_size
        self._memory = mmap.mmap(handle, size)
        self._view = memoryview(self._memory)
        self._words = self._view[:512].cast("Q")
        self._slot_bytes = (size - _PAGE) // SLOTS
        self.capacity_bytes = self._slot_bytes - _SLOT_HEAD
        self._slot_words = [
            self._view[self._slot_at(slot) : self._slot_at(slot) + 16].cast("Q") for slot in range(SLOTS)
        ]

    # The camera's side.

    def beat(self, phase: Phase, now_ns: int) -> None:
        """Say that the camera's process lives, and what it is about to do."""
        self._words[Word.PHASE] = int(phase)
        self._words[Word.HEART_BEAT_NS] = now_ns

    def write(self, frame: Frame, asked_ns: int) -> int:
        """Copy a frame in and publish it; this is its only copy. Returns its number."""
        sequence = self._words[Word.BEGUN] + 1
        self._words[Word.BEGUN] = sequence
        slot = self._free_slot(sequence)
        pixels = frame.pixels
        fits = pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
        fits = fits and 0 < pixels.nbytes <= self.capacity_bytes
        if fits:
            inside = self._pixels(slot, pixels.shape[0], pixels.shape[1])
            inside[...] = pixels
        self._describe(slot, frame, asked_ns, _checksum(inside) if fits else 0, fits=fits)
        _fence()
        self._slot_words[slot][_SlotWord.END] = sequence
        _fence()
        self._words[Word.PUBLISHED] = sequence * SLOTS + slot
        return sequence

    def wait_until_taken(self, beat: Callable[[], None]) -> None:
        """Return once the newest frame was taken; `beat` is called all the while."""
        while self._words[Word.TAKEN] < self.published:
            beat()
            time.sleep(_WAIT_S)

    def fail(self, text: str) -> None:
        """Leave word of why the camera's process ends."""
        data = text.encode()[:_ERROR_BYTES]
        self._view[_ERROR_AT : _ERROR_AT + len(data)] = data
        self._words[Word.ERROR_LENGTH] = len(data)

    # Our side.

    @property
    def captured(self) -> int:
        """Number of the last frame that the camera's process began to hand over."""
        return self._words[Word.BEGUN]

    @property
    def published(self) -> int:
        """Number of the last frame that was handed over whole."""
        return self._words[Word.PUBLISHED] // SLOTS

    @property
    def phase(self) -> Phase:
        """What the camera's process said last that it does."""
        return Phase(self._words[Word.PHASE])

    @property
    def heart_beat_ns(self) -> int:
        """Monotonic time of its last heart-beat."""
        return self._words[Word.HEART_BEAT_NS]

    @property
    def error(self) -> str:
        """Why the last camera's process ended, as far as it could tell."""
        data = bytes(self._view[_ERROR_AT : _ERROR_AT + self._words[Word.ERROR_LENGTH]])
        return data.decode("utf-8", errors="replace")

    def begin_anew(self, now_ns: int) -> None:
        """Make ready for a new camera's process once the old one is dead. Frame numbers go on.

        What the old one handed over and nobody took is not taken any more.
        """
        self._words[Word.TAKEN] = self.published
        self._words[Word.ERROR_LENGTH] = 0
        self.beat(Phase.STARTING, now_ns)

    def take(self) -> Claimed | None:
        """Hold the newest frame; None when it was taken already. Release it before taking the next."""
        while True:
            published = self._words[Word.PUBLISHED]
            sequence, slot = divmod(published, SLOTS)
            if sequence <= self._words[Word.TAKEN]:
                return None
            self._words[Word.HELD] = slot + 1
            _fence()
            if self._bears(slot, sequence):
                self._words[Word.TAKEN] = sequence
                return self._claim(slot, sequence)
            # The writer came round to this slot between our two steps: there is a newer frame.
            self._words[Word.HELD] = 0

    def is_intact(self, claimed: Claimed) -> bool:
        """Whether the frame was left alone since it was taken: asked before results of it are believed."""
        held = self._words[Word.HELD]
        return held > 0 and self._bears(held - 1, claimed.sequence)

    def release(self) -> None:
        """Give the held slot back; views of its pixels must not be used any more."""
        self._words[Word.HELD] = 0

    # Both.

    def _slot_at(self, slot: int) -> int:
        return _PAGE + slot * self._slot_bytes

    def _bears(self, slot: int, sequence: int) -> bool:
        words = self._slot_words[slot]
        return words[_SlotWord.BEGIN] == sequence == words[_SlotWord.END]

    def _free_slot(self, sequence: int) -> int:
        """A slot that is neither newest nor held, marked as being written."""
        newest = self._words[Word.PUBLISHED] % SLOTS if self._words[Word.PUBLISHED] else -1
        while True:
            for slot in range(SLOTS):
                if slot == newest or slot + 1 == self._words[Word.HELD]:
                    continue
                words = self._slot_words[slot]
                before = words[_SlotWord.BEGIN]
                words[_SlotWord.BEGIN] = sequence
                _fence()
                if slot + 1 != self._words[Word.HELD]:
                    return slot
                # The reader reached for it at the same moment; it has the right of way.
                words[_SlotWord.BEGIN] = before

    def _pixels(self, slot: int, height: int, width: int) -> U8:
        start = self._slot_at(slot) + _SLOT_HEAD
        flat = np.frombuffer(self._memory, np.uint8, height * width * 3, start)
        return flat.reshape(height, width, 3)

    def _describe(self, slot: int, frame: Frame, asked_ns: int, checksum: int, *, fits: bool) -> None:
        source = frame.source.encode()[:_SOURCE_BYTES]
        gains = frame.colour_gains or (math.nan, math.nan)
        description = _DESCRIPTION.pack(
            asked_ns,
            0 if frame.sensor_timestamp_ns is None else frame.sensor_timestamp_ns + 1,
            frame.height if fits else 0,
            frame.width if fits else 0,
            checksum,
            0 if frame.exposure_us is None else frame.exposure_us + 1,
            math.nan if frame.analogue_gain is None else frame.analogue_gain,
            *gains,
            0.0,
            len(source),
        )
        start = self._slot_at(slot) + 16
        self._view[start : start + len(description) + len(source)] = description + source

    def _claim(self, slot: int, sequence: int) -> Claimed:
        start = self._slot_at(slot) + 16
        fields = _DESCRIPTION.unpack_from(self._view, start)
        asked_ns, stamp, height, width, checksum, exposure, gain, red, blue, _, source_length = fields
        text_at = start + _DESCRIPTION.size
        pixels = self._pixels(slot, height, width)
        pixels.setflags(write=False)
        frame = Frame(
            pixels=pixels,
            source=bytes(self._view[text_at : text_at + source_length]).decode("utf-8", errors="replace"),
            sensor_timestamp_ns=stamp - 1 if stamp else None,
            exposure_us=exposure - 1 if exposure else None,
            analogue_gain=None if math.isnan(gain) else gain,
            colour_gains=None if math.isnan(red) else (red, blue),
        )
        if pixels.size == 0:
            return Claimed(frame, sequence, asked_ns, Damage.UNFIT)
        whole = _checksum(pixels) == checksum
        return Claimed(frame, sequence, asked_ns, Damage.NONE if whole else Damage.TORN)


def _slot_bytes(max_frame_bytes: int) -> int:
    return _SLOT_HEAD + -(-max_frame_bytes // _PAGE) * _PAGE


def _checksum(pixels: U8) -> int:
    """CRC-32 over every sixteenth row, the last one included."""
    crc = zlib.crc32(pixels[-1].data)
    for row in range(0, pixels.shape[0], _CHECKED_ROWS):
        crc = zlib.crc32(pixels[row].data, crc)
    return crc


_FENCE: Final = threading.Lock()


def _fence() -> None:
    """Keep memory accesses on either side of the call in order, for the other process too.

    arm64 reorders plain stores. Python has no fence, but a lock is an acquire and a release, and two in a
    row let nothing pass from one side to the other (release before acquire is kept in order on arm64).
    """
    for _ in range(2):
        _FENCE.acquire()
        _FENCE.release()
