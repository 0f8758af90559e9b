"""A frame source that fails on purpose, from a given frame on and for a given number of frames.

Wrapped round any source; it hangs, dies, lies about time, repeats itself or spoils its pictures, as drivers
and cables do. What hanging and dying mean is handed in: a real process does them, a simulation notes them.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from alledge.cameras.source import ClosesOnExit, FrameSource
from alledge.errors import CameraUnavailable, ImageUnreadable
from alledge.faults.pixels import SPOILS
from alledge.types import Frame

_AGE_NS: Final = 2_000_000_000  # of a stale frame
_AHEAD_NS: Final = 3600 * 10**9  # of a sensor with another clock


@dataclass(frozen=True, slots=True)
class Means:
    """How to hang and to die."""

    hang: Callable[[], None]
    die: Callable[[], None]
    stand_still: Callable[[], None]


def real_means() -> Means:
    """For a process of its own: it really hangs, is really killed and really stopped."""
    return Means(
        hang=lambda: time.sleep(86_400.0),
        die=lambda: os.kill(os.getpid(), signal.SIGKILL),
        stand_still=lambda: os.kill(os.getpid(), signal.SIGSTOP),
    )


@dataclass(frozen=True, slots=True)
class CameraFault:
    """What goes wrong. kind: one of `KINDS`. after: good frames before it. count: bad frames, then good."""

    kind: str
    after: int = 0
    count: int = 1_000_000
    seed: int = 0


class FaultySource(ClosesOnExit):
    """A frame source with one fault. is_on: whether the n-th capture, from 1, is one of the bad ones.

    was_spoilt: of the frame captured last; a frozen camera's first frame is a true one.
    """

    def __init__(
        self,
        source: FrameSource,
        fault: CameraFault,
        means: Means,
        is_on: Callable[[int], bool] | None = None,
    ) -> None:
        self._source = source
        self._fault = fault
        self._means = means
        self._is_on = is_on or (lambda n: fault.after < n <= fault.after + fault.count)
        self._rng = np.random.default_rng(fault.seed)
        self._n_captured = 0
        self._kept: Frame | None = None
        self.was_spoilt = False

    def capture(self) -> Frame:
        """The next frame, spoilt when it is the fault's turn. Raises what the fault raises."""
        self._n_captured += 1
        if self._is_on(self._n_captured):
            self._fail_before()
            self.was_spoilt = True
            return self._spoil(self._source.capture())
        self.was_spoilt = False
        frame = self._source.capture()
        self._kept = Frame(frame.pixels.copy(), frame.source, frame.sensor_timestamp_ns)
        return frame

    def close(self) -> None:
        """Close the source, or hang in it."""
        if self._fault.kind == "hang-in-stop":
            self._means.hang()
        self._source.close()

    def _fail_before(self) -> None:
        kind = self._fault.kind
        if kind == "hang":
            self._means.hang()
        elif kind == "die":
            self._means.die()
        elif kind == "stand-still":
            self._means.stand_still()
        elif kind in ("unplugged", "hang-in-stop"):
            raise CameraUnavailable("The camera was unplugged.", "Plug it in again.")
        elif kind == "undecodable":
            raise ImageUnreadable("The camera's picture cannot be decoded.", "Check its cable.")

    def _spoil(self, frame: Frame) -> Frame:
        kind, now_ns = self._fault.kind, frame.sensor_timestamp_ns
        if kind in SPOILS:
            return replace(frame, pixels=SPOILS[kind](frame.pixels, self._rng))
        if self._kept is None:  # nothing to repeat yet: this frame will be repeated
            self._kept = Frame(frame.pixels.copy(), frame.source, frame.sensor_timestamp_ns)
            self.was_spoilt = False
            return frame
        kept = self._kept
        if kind == "frozen":
            return replace(frame, pixels=kept.pixels)
        if kind == "half-frozen":
            pixels = frame.pixels.copy()
            pixels[: 3 * len(pixels) // 4] = kept.pixels[: 3 * len(pixels) // 4]
            return replace(frame, pixels=pixels)
        if now_ns is None:
            return frame
        stamps = {
            "stale": now_ns - _AGE_NS,
            "same-time": kept.sensor_timestamp_ns or now_ns,
            "backwards": (kept.sensor_timestamp_ns or now_ns) - _AGE_NS,
            "other-clock": now_ns + _AHEAD_NS,
        }
        return replace(frame, sensor_timestamp_ns=stamps.get(kind, now_ns))


_BEHAVIOUR: Final = (
    "hang", "die", "stand-still", "unplugged", "hang-in-stop", "undecodable", "frozen", "half-frozen",
    "stale", "same-time", "backwards", "other-clock",
)  # fmt: skip
KINDS: Final = (*_BEHAVIOUR, *SPOILS)
"""Names of all faults of a camera."""


def open_faulty(spec: str, open_inner: Callable[[str], FrameSource]) -> FaultySource:
    """A source from `KIND[,after=N][,count=N][,seed=N]|SPEC`.

    Raises:
        CameraUnavailable: the fault has no name, or a setting is no number.
    """
    told, _, inner = spec.partition("|")
    kind, *settings = told.split(",")
    pairs = dict(setting.partition("=")[::2] for setting in settings)
    known = kind in KINDS and set(pairs) <= {"after", "count", "seed"}
    if not known or not all(value.isdecimal() for value in pairs.values()):
        raise CameraUnavailable(
            f"'faulty:{told}' is no fault.", f"Write faulty:hang,after=5|SPEC; there are {', '.join(KINDS)}."
        )
    fault = CameraFault(kind, **{name: int(value) for name, value in pairs.items()})
    return FaultySource(open_inner(inner), fault, real_means())
