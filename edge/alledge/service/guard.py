"""Is this frame what the camera saw just now? Asked of every frame before anything is said about its blood.

Cameras repeat old frames, freeze, tear, and change their size. Each is told apart from what it could be
mistaken for: a still stage is no frozen camera (sensor noise differs), a dark field is no dead one.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.liveness import frozen_fraction, is_stale
from alledge.service.ledger import DropReason
from alledge.service.ring import Claimed, Damage
from alledge.service.troubles import Trouble
from alledge.types import U8

_SAMPLES_A_SIDE: Final = 256
_FROZEN: Final = 0.5  # of the tiles: of a torn frame one part is old, too
_FUTURE_NS: Final = 1_000_000_000  # a sensor that stamps a second ahead has another clock than we
_SEAM: Final = 0.06  # of the width; 96 real fields reach 0.024, and 0.29 at least when they are torn
_STEP_RATIO: Final = 3
_LEAST_STEP: Final = 5  # grey levels, above the noise of the sensor
_NEAR_ROWS: Final = 4
_NEAR: Final = np.array([[row != _NEAR_ROWS] for row in range(2 * _NEAR_ROWS + 1)], dtype=np.uint8)
_CABLE: Final = "Check the camera's cable and power."


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a frame is not looked at: the reason for the ledger and the trouble for people."""

    reason: DropReason
    trouble: Trouble


class FrameGuard:
    """Compares each frame with the one before; keeps a sparse sample of it, never the frame.

    It outlives the camera's process: a new one that hands out the old picture, or another size of picture
    than this run began with, is no cure.
    """

    def __init__(self) -> None:
        self._shape: tuple[int, ...] | None = None
        self._previous_ns: int | None = None
        self._sample: U8 | None = None

    def object_to(self, claimed: Claimed, now_ns: int) -> Objection | None:
        """What speaks against a frame; None takes it as the one that later frames are compared with."""
        objection = self._damage(claimed) or self._time(claimed, now_ns)
        if objection is not None:
            return objection
        pixels = claimed.frame.pixels
        sample = _sample(pixels)
        previous, self._sample = self._sample, sample
        # An archive may hold a picture twice, or one with a caption; only a sensor cannot.
        if claimed.frame.sensor_timestamp_ns is None:
            return None
        self._previous_ns = claimed.frame.sensor_timestamp_ns
        copied = None if previous is None else frozen_fraction(previous, sample)
        if copied is not None and copied >= _FROZEN:
            return _objection(DropReason.FROZEN, "camera-frozen", "The camera repeats the same picture.")
        if seam_strength(pixels) > _SEAM:
            return _objection(DropReason.TORN, "frame-torn", "The camera gave parts of two pictures in one.")
        return None

    def _damage(self, claimed: Claimed) -> Objection | None:
        pixels = claimed.frame.pixels
        if claimed.damage is Damage.TORN:
            return _objection(DropReason.TORN, "frame-torn", "A frame was damaged on its way to us.")
        if claimed.damage is Damage.UNFIT:
            what = "The camera gave a frame that is no colour picture, or is too large."
            return _objection(DropReason.WRONG_SHAPE, "frame-shape", what)
        if claimed.frame.sensor_timestamp_ns is None:
            return None  # the pictures of an archive may differ in size
        self._shape = self._shape or pixels.shape
        if pixels.shape != self._shape:
            what = f"The camera changed from {_size(self._shape)} to {_size(pixels.shape)} pixels."
            return _objection(DropReason.WRONG_SHAPE, "frame-shape", what)
        return None

    def _time(self, claimed: Claimed, now_ns: int) -> Objection | None:
        stamp_ns = claimed.frame.sensor_timestamp_ns
        if stamp_ns is None:
            return None
        if stamp_ns > now_ns + _FUTURE_NS:
            return _objection(
                DropReason.STALE, "camera-clock", "The camera stamps its pictures with another clock."
            )
        if is_stale(stamp_ns, claimed.frame.exposure_us, claimed.asked_ns, self._previous_ns):
            return _objection(DropReason.STALE, "camera-stale", "The camera hands out old pictures.")
        return None


def seam_strength(pixels: U8) -> float:
    """How much of the width of a frame is cut through between two rows.

    Optics blur every edge over several rows. Where the lower part of a picture is of another exposure, or of
    nothing, column after column steps between the same two rows and nowhere near.

    Args:
        pixels: (H, W, 3) uint8 BGR.

    Returns:
        The largest fraction of columns, 0 to 1, that step between two rows by more than three times what
        they step within four rows before and after.
    """
    height, width = pixels.shape[:2]
    if height < 4 * _NEAR_ROWS:
        return 0.0
    columns = np.ascontiguousarray(pixels[:, :: max(1, width // _SAMPLES_A_SIDE), 1])
    steps = cv2.absdiff(columns[1:], columns[:-1])
    near = cv2.dilate(steps, _NEAR)
    cut = steps > _STEP_RATIO * near.astype(np.int16) + _LEAST_STEP
    return float(cut[_NEAR_ROWS:-_NEAR_ROWS].mean(axis=1).max())


def _sample(pixels: U8) -> U8:
    """A copy of every few rows and columns, about 256 a side: the frame itself will be overwritten."""
    step = max(1, max(pixels.shape[:2]) // _SAMPLES_A_SIDE)
    return pixels[::step, ::step].copy()


def _objection(reason: DropReason, code: str, what: str) -> Objection:
    return Objection(reason, Trouble(code, what, _CABLE))


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
