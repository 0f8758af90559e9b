"""A USB microscope through Video4Linux, the one boundary to OpenCV's capture.

Such cameras set exposure and white balance by themselves unless told not to, and the driver keeps frames from
before the question. So their automatics are switched off where the camera offers that, every setting is read
back, and a frame counts by the driver's own timestamp, which Linux takes from the monotonic clock. YUYV is
taken where it is fast enough, because JPEG smears chromatin; where USB is too slow for it, MJPG.
"""

import math
import re
import time
from collections.abc import Callable
from typing import Final, Protocol

import cv2
import numpy as np
from cv2.typing import MatLike

from alledge.calibration.calibration import CameraControls
from alledge.cameras.device_spec import DeviceSpec, parse_device_spec
from alledge.cameras.source import ClosesOnExit
from alledge.errors import CameraUnavailable
from alledge.images import silence_opencv
from alledge.types import U8, Frame

_BUFFERED_FRAMES: Final = 5  # that a driver without timestamps may still hold
_FRAMES_TRIED: Final = 30
_SAME_CLOCK_NS: Final = 60 * 10**9  # a stamp further off than that is of another clock
_LEAST_FPS: Final = 5.0
_DEFAULT_SIZE: Final = (1600, 1200)  # drivers take the nearest that they have
_MANUAL, _AUTOMATIC = 1.0, 3.0  # V4L2_EXPOSURE_MANUAL, V4L2_EXPOSURE_APERTURE_PRIORITY (videodev2.h)
_EXPOSURE_UNIT_US: Final = 100  # of V4L2_CID_EXPOSURE_ABSOLUTE
_WHITE_BALANCE_K: Final = 5000.0  # any fixed one: the calibrated white takes out what is left
_CHECK_CABLE: Final = "Check the cable and `ls /dev/video*`; close other programs that use the camera."


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used."""

    def read(self) -> tuple[bool, MatLike]:
        """Gives whether a frame arrived, and the frame, BGR."""
        ...

    def get(self, prop: int) -> float:
        """Reads a setting; 0 or -1 where there is none."""
        ...

    def set(self, prop: int, value: float) -> bool:
        """Changes a setting; False where the camera does not offer it."""
        ...

    def release(self) -> None:
        """Hands the device back to the driver."""
        ...


class V4l2Source(ClosesOnExit):
    """A Video4Linux camera; frames are BGR as OpenCV decodes them."""

    def __init__(
        self, capture: Capture, device: str, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._capture = capture
        self._device = device
        self._clock_ns = clock_ns

    def capture(self) -> Frame:
        """Gives the first frame exposed after the call; drops what the driver had buffered.

        Raises:
            CameraUnavailable: the driver gave no frame, or only old ones.
        """
        asked_ns = self._clock_ns()
        for read in range(_FRAMES_TRIED):
            pixels = self._read()
            told_ns = self._stamp_ns(asked_ns)
            stamp_ns = self._clock_ns() if told_ns is None else told_ns
            is_new = read >= _BUFFERED_FRAMES if told_ns is None else told_ns >= asked_ns
            if is_new:
                return Frame(
                    pixels=pixels,
                    source=f"v4l2:{self._device}",
                    sensor_timestamp_ns=stamp_ns,
                    exposure_us=self._exposure_us(),
                    analogue_gain=self._gain(),
                )
        raise CameraUnavailable(f"{self._device} repeats old frames.", _CHECK_CABLE)

    def lock(self, controls: CameraControls) -> None:
        """Turns off what automatics the camera lets us, and sets exposure and gain where it offers them.

        What it does not offer, its frames do not tell: `Frame.exposure_us` is then None. White balance is
        fixed at one colour temperature, whatever colour gains were asked for.
        """
        capture = self._capture
        if controls.exposure_us is not None and capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL):
            capture.set(cv2.CAP_PROP_EXPOSURE, max(1, round(controls.exposure_us / _EXPOSURE_UNIT_US)))
        if controls.analogue_gain is not None:
            capture.set(cv2.CAP_PROP_GAIN, controls.analogue_gain)
        if controls != CameraControls() and capture.set(cv2.CAP_PROP_AUTO_WB, 0.0):
            capture.set(cv2.CAP_PROP_WB_TEMPERATURE, _WHITE_BALANCE_K)

    def close(self) -> None:
        """Hands the device back to the driver."""
        self._capture.release()

    def _read(self) -> U8:
        arrived, pixels = self._capture.read()
        if not arrived:
            raise CameraUnavailable(f"{self._device} gives no frame.", _CHECK_CABLE)
        return np.asarray(pixels, dtype=np.uint8)

    def _stamp_ns(self, now_ns: int) -> int | None:
        """The driver's timestamp of the frame just read; None where it has none of the monotonic clock."""
        told_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        if not math.isfinite(told_ms) or told_ms <= 0:
            return None
        stamp_ns = round(told_ms * 1e6)
        return stamp_ns if abs(stamp_ns - now_ns) < _SAME_CLOCK_NS else None

    def _exposure_us(self) -> int | None:
        """The exposure where it is fixed; a camera that sets its own does not tell what it chose."""
        if self._capture.get(cv2.CAP_PROP_AUTO_EXPOSURE) != _MANUAL:
            return None
        units = self._capture.get(cv2.CAP_PROP_EXPOSURE)
        return round(units * _EXPOSURE_UNIT_US) if units > 0 else None

    def _gain(self) -> float | None:
        gain = self._capture.get(cv2.CAP_PROP_GAIN)
        return gain if gain > 0 else None


def open_v4l2(text: str) -> V4l2Source:
    """Opens `/dev/videoN`; other paths are refused, since OpenCV would open them as video files.

    Raises:
        CameraUnavailable: the name is no Video4Linux device, or it cannot be opened.
    """
    spec = parse_device_spec(text)
    device = spec.device
    if not re.fullmatch(r"/dev/video\d+", device):
        raise CameraUnavailable(f"'{device}' is no Video4Linux device.", "Write v4l2:/dev/video0.")
    silence_opencv()
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise CameraUnavailable(f"{device} cannot be opened.", _CHECK_CABLE)
    set_format(capture, spec)
    source = V4l2Source(capture, device)
    source.lock(spec.controls)
    return source


def set_format(capture: Capture, spec: DeviceSpec) -> None:
    """Asks for the size, in YUYV where the camera manages five frames a second of it, else in MJPG.

    The driver takes the nearest it has; frames of another size than calibrated are refused later, by name.
    """
    width, height = spec.size or _DEFAULT_SIZE
    for code in ("YUYV", "MJPG"):
        capture.set(cv2.CAP_PROP_FOURCC, float(cv2.VideoWriter.fourcc(*code)))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, float(width))
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, float(height))
        if capture.get(cv2.CAP_PROP_FPS) >= _LEAST_FPS:
            break
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1.0)
