"""A USB microscope through Video4Linux, the one boundary to OpenCV's capture."""

import re
import time
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from cv2.typing import MatLike

from alledge.cameras.source import ClosesOnExit
from alledge.errors import CameraUnavailable
from alledge.images import silence_opencv
from alledge.types import U8, Frame

# Frames that a USB camera has already buffered, or exposed while its exposure control was still settling.
_STALE_FRAMES = 5
_CHECK_CABLE = "Check the cable and `ls /dev/video*`; close other programs that use the camera."


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used."""

    def read(self) -> tuple[bool, MatLike]:
        """Gives whether a frame arrived, and the frame, BGR."""
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
        """Drops what the driver had buffered, then gives the next frame.

        Raises:
            CameraUnavailable: the driver gave no frame.
        """
        for _ in range(_STALE_FRAMES):
            self._read()
        pixels = self._read()
        return Frame(pixels=pixels, source=f"v4l2:{self._device}", sensor_timestamp_ns=self._clock_ns())

    def close(self) -> None:
        """Hands the device back to the driver."""
        self._capture.release()

    def _read(self) -> U8:
        arrived, pixels = self._capture.read()
        if not arrived:
            raise CameraUnavailable(f"{self._device} gives no frame.", _CHECK_CABLE)
        return np.asarray(pixels, dtype=np.uint8)


def open_v4l2(device: str) -> V4l2Source:
    """Opens `/dev/videoN`; other paths are refused, since OpenCV would open them as video files.

    Raises:
        CameraUnavailable: the name is no Video4Linux device, or it cannot be opened.
    """
    if not re.fullmatch(r"/dev/video\d+", device):
        raise CameraUnavailable(f"'{device}' is no Video4Linux device.", "Write v4l2:/dev/video0.")
    silence_opencv()
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise CameraUnavailable(f"{device} cannot be opened.", _CHECK_CABLE)
    return V4l2Source(capture, device)
