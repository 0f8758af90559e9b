"""The real loop of the service against a simulated camera, on a clock that runs as fast as the processor.

Frames go through a real ring; only the process and the passing of time are simulated. A camera that hangs
stops giving signs of life, exactly what the keeper sees of a real one.
"""

import os
from collections.abc import Callable
from typing import Final

import numpy as np

from alledge.cameras.source import ClosesOnExit, FrameSource
from alledge.errors import AllscopeError, CameraFinished
from alledge.faults.camera import Means
from alledge.faults.clocks import SimulatedClock
from alledge.service.camera_port import CameraFailure, VitalSigns
from alledge.service.ring import SLOTS, Claimed, FrameRing, Phase, Word, create_ring_memory
from alledge.types import U8, Frame

FRAME_S: Final = 0.1
_WINDOWS: Final = 64  # along each side of the sheet of noise
START_S: Final = 1.0
"""What a camera's process takes to its first frame; about what it takes on a Pi 5."""


class Hung(Exception):
    """The source would hang here."""


class Died(Exception):
    """The process would end here."""


def simulated_means() -> Means:
    """Hanging and dying, noted instead of done."""

    def hang() -> None:
        raise Hung

    def die() -> None:
        raise Died

    return Means(hang=hang, die=die, stand_still=hang)


class Stage(ClosesOnExit):
    """A source of clean frames: fields in turn, `still` frames of each, each exposure with its own noise.

    pictures: (H, W, 3) uint8 BGR fields. The frame's source names the field as `stage:INDEX`.
    """

    def __init__(
        self, pictures: list[U8], clock: SimulatedClock, rng: np.random.Generator, still: int = 1
    ) -> None:
        self._pictures = pictures
        self._clock = clock
        self._still = still
        self._n = int(rng.integers(0, len(pictures))) * still
        self._rng = rng
        self._window = 0
        # Noise is dear to draw: each exposure takes another window of one large sheet of it.
        height, width = pictures[0].shape[:2]
        sheet = rng.normal(0.0, 1.5, (height + _WINDOWS, width + _WINDOWS, 3))
        self._sheet = np.clip(np.round(sheet), -6, 6).astype(np.int16)

    def capture(self) -> Frame:
        """The next exposure."""
        index = self._n // self._still % len(self._pictures)
        self._n += 1
        picture = self._pictures[index]
        # No sensor gives the same noise twice: never the window before.
        self._window = (self._window + int(self._rng.integers(1, _WINDOWS**2))) % _WINDOWS**2
        top, left = divmod(self._window, _WINDOWS)
        noise = self._sheet[top : top + picture.shape[0], left : left + picture.shape[1]]
        pixels = np.clip(picture.astype(np.int16) + noise, 0, 255).astype(np.uint8)
        return Frame(pixels, f"stage:{index}", self._clock.monotonic_ns(), 10_000, 1.0, (1.5, 1.5))


class RogueRing(FrameRing):
    """A ring that can be damaged as failing memory, or a writer with a fault in its protocol, would do it."""

    def damage_newest(self) -> None:
        """Blank the lower half of the newest frame, after its checksum was taken."""
        published = self._words[Word.PUBLISHED]
        claimed = self._claim(published % SLOTS, published // SLOTS)
        height, width = claimed.frame.height, claimed.frame.width
        self._pixels(published % SLOTS, height, width)[height // 2 :] = 0

    def overwrite_held(self, frame: Frame) -> None:
        """Write the next frame over the one that is held."""
        held = self._words[Word.HELD]
        self._words[Word.HELD] = 0
        for _ in range(SLOTS):  # comes round to the slot that was held
            self.write(frame, frame.sensor_timestamp_ns or 0)
        self._words[Word.HELD] = held


class SimulatedCamera:
    """A camera's process as its keeper sees it, without the process.

    open_source: gives the source of each new process; its errors are those of opening the camera.
    tamper: called with the ring's memory after each frame, to damage it on the way.
    """

    def __init__(
        self,
        open_source: Callable[[], FrameSource],
        clock: SimulatedClock,
        max_frame_bytes: int,
        tamper: Callable[[RogueRing], None] | None = None,
    ) -> None:
        self._open_source = open_source
        self._clock = clock
        handle = create_ring_memory(max_frame_bytes)
        self._ring = RogueRing(handle)
        os.close(handle)  # the mapping holds the memory
        self._tamper = tamper
        self._source: FrameSource | None = None
        self._ready_ns = 0
        self._runs = self._is_hung = False
        self._failure: CameraFailure | None = None
        self.n_starts = 0

    def start(self) -> None:
        """Begin a new process; its first frame comes a second later."""
        self._ring.begin_anew(self._clock.monotonic_ns())
        self._runs, self._is_hung, self._failure, self._source = True, False, None, None
        self._ready_ns = self._clock.monotonic_ns() + round(START_S * 1e9)
        self.n_starts += 1

    def kill(self) -> None:
        """End it."""
        self._runs = False

    def vital_signs(self) -> VitalSigns:
        """How it does."""
        return VitalSigns(self._runs, self._ring.phase, self._ring.heart_beat_ns, self._failure)

    def wait(self, timeout_s: float) -> None:
        """Let a frame's time pass, and have the camera do what it does in it."""
        self._clock.advance(min(timeout_s, FRAME_S))
        if not self._runs or self._is_hung or self._failure is not None:
            return
        if self._clock.monotonic_ns() < self._ready_ns:
            self._ring.beat(Phase.OPENING, self._clock.monotonic_ns())
            return
        try:
            self._live()
        except Hung:
            self._is_hung = True
        except Died:
            self._runs = False
        except AllscopeError as error:
            self._failure = CameraFailure(error.code, error.what_happened, error.next_step)
            finished = isinstance(error, CameraFinished)
            self._ring.beat(Phase.FINISHED if finished else Phase.FAILED, self._clock.monotonic_ns())

    @property
    def captured(self) -> int:
        """Number of the last frame captured."""
        return self._ring.captured

    def take(self) -> Claimed | None:
        """Hold the newest frame."""
        return self._ring.take()

    def is_intact(self, claimed: Claimed) -> bool:
        """Whether the held frame was left alone."""
        return self._ring.is_intact(claimed)

    def release(self) -> None:
        """Give it back."""
        self._ring.release()

    def overwrite_held(self, frame: Frame) -> None:
        """Have the next frames overwrite the one that is held; see `RogueRing`."""
        self._ring.overwrite_held(frame)

    def _live(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._source is None:
            self._ring.beat(Phase.OPENING, now_ns)
            self._source = self._open_source()
        self._ring.beat(Phase.CAPTURING, now_ns)
        frame = self._source.capture()
        self._ring.beat(Phase.HANDING_OVER, self._clock.monotonic_ns())
        asked_ns = now_ns - round(FRAME_S * 1e9)  # the frame was exposed in the time that has just passed
        self._ring.write(frame, asked_ns)
        if self._tamper is not None:
            self._tamper(self._ring)
