"""A Raspberry Pi camera through picamera2, the one boundary to that library.

What its issue tracker taught: names follow DRM, so "RGB888" arrays are BGR (848, 1325); libcamera
may adjust the format asked for, so the configured one is read back; `capture_request` can block for
ever, so it always has a limit (1090, 1404); the first request can be older than the question (426,
849), so its sensor timestamp is compared; a request that is held starves the camera (972).
"""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import cv2
import numpy as np

from alledge.cameras.source import ClosesOnExit
from alledge.errors import CameraUnavailable
from alledge.types import U8, Frame

_CAPTURE_LIMIT_S = 5.0
_REQUESTS_TRIED = 30  # half a second and more at any frame rate; exposure control settles in it
_BUFFERS = 2  # CMA memory is scarce on a Pi (picamera2 issue 1102)
_CHECK_CABLE = "Check the ribbon cable and `rpicam-hello --list-cameras`; close other programs that use it."


class Request(Protocol):
    """The part of picamera2's CompletedRequest that is used."""

    def make_array(self, name: str) -> U8:
        """Copies a stream's pixels out of the request."""
        ...

    def get_metadata(self) -> Mapping[str, object]:
        """Tells what the sensor did for this frame."""
        ...

    def release(self) -> None:
        """Gives the buffers back to the camera."""
        ...


class Camera(Protocol):
    """The part of picamera2's Picamera2 that is used."""

    def camera_configuration(self) -> Mapping[str, Mapping[str, object]]:
        """Tells the streams as libcamera configured them, whatever was asked for."""
        ...

    def capture_request(self, *, wait: float) -> Request:
        """Waits `wait` seconds at most for the next completed request."""
        ...

    def stop(self) -> None:
        """Stops the sensor."""
        ...

    def close(self) -> None:
        """Frees the camera for other processes."""
        ...


class Picamera2Source(ClosesOnExit):
    """A started Picamera2 whose main stream becomes BGR frames."""

    def __init__(self, camera: Camera, name: str, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._camera = camera
        self._name = name
        self._clock_ns = clock_ns
        main = camera.camera_configuration()["main"]
        self._format = str(main["format"])
        self._size = _size(main["size"])
        if self._format not in _TO_BGR:
            raise CameraUnavailable(
                f"{name} delivers '{self._format}', which cannot be read.",
                f"Configure one of {', '.join(_TO_BGR)}.",
            )

    def capture(self) -> Frame:
        """Gives the first frame whose exposure began after the call.

        Raises:
            CameraUnavailable: the sensor gave no frame in time, or only old ones.
        """
        asked_ns = self._clock_ns()
        for _ in range(_REQUESTS_TRIED):
            frame = self._next_frame(asked_ns)
            if frame is not None:
                return frame
        raise CameraUnavailable(f"{self._name} repeats an old frame.", _CHECK_CABLE)

    def close(self) -> None:
        """Stops the sensor and frees it for other processes."""
        self._camera.stop()
        self._camera.close()

    def _next_frame(self, asked_ns: int) -> Frame | None:
        try:
            request = self._camera.capture_request(wait=_CAPTURE_LIMIT_S)
        except (TimeoutError, RuntimeError) as error:
            raise CameraUnavailable(f"{self._name} gives no frame ({error}).", _CHECK_CABLE) from error
        try:
            metadata = request.get_metadata()
            exposure_us = _integer(metadata.get("ExposureTime"))
            timestamp_ns = _integer(metadata.get("SensorTimestamp"))
            # The sensor stamps the start of readout; exposure began one exposure time earlier.
            if timestamp_ns is not None and timestamp_ns - 1000 * (exposure_us or 0) < asked_ns:
                return None
            pixels = self._to_bgr(request.make_array("main"))
        finally:
            request.release()
        return Frame(
            pixels=pixels,
            source=self._name,
            sensor_timestamp_ns=timestamp_ns,
            exposure_us=exposure_us,
            analogue_gain=_real(metadata.get("AnalogueGain")),
            colour_gains=_pair(metadata.get("ColourGains")),
        )

    def _to_bgr(self, array: U8) -> U8:
        conversion = _TO_BGR[self._format]
        bgr = array if conversion is None else cv2.cvtColor(array, conversion)
        width, height = self._size
        # YUV420 arrays keep the padding of their stride (picamera2 issue 645).
        return np.ascontiguousarray(bgr[:height, :width], dtype=np.uint8)


def open_picamera2(index: str) -> Picamera2Source:
    """Opens and starts camera N at its full resolution.

    Raises:
        CameraUnavailable: picamera2 is not installed, or there is no such camera, or it is in use.
    """
    if not index.isdecimal():
        raise CameraUnavailable(f"'{index}' is no camera number.", "Write picamera2:0.")
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise CameraUnavailable(
            f"picamera2 cannot be imported ({error}).",
            "On a Raspberry Pi: `sudo apt install python3-picamera2`; elsewhere use v4l2: or file:.",
        ) from error
    try:
        camera = Picamera2(int(index))
        camera.configure(camera.create_still_configuration(main={"format": "RGB888"}, buffer_count=_BUFFERS))
        camera.start()
    except (RuntimeError, IndexError) as error:
        raise CameraUnavailable(f"Camera {index} cannot be opened ({error}).", _CHECK_CABLE) from error
    return Picamera2Source(camera, f"picamera2:{index}")


# picamera2 format -> the OpenCV conversion that makes it BGR; None where it is BGR already.
_TO_BGR: dict[str, int | None] = {
    "RGB888": None,
    "BGR888": cv2.COLOR_RGB2BGR,
    "XRGB8888": cv2.COLOR_BGRA2BGR,
    "XBGR8888": cv2.COLOR_RGBA2BGR,
    "YUV420": cv2.COLOR_YUV2BGR_I420,
    "NV12": cv2.COLOR_YUV2BGR_NV12,
}


def _size(value: object) -> tuple[int, int]:
    assert isinstance(value, tuple)
    width, height = value
    return int(width), int(height)


def _integer(value: object) -> int | None:
    return int(value) if isinstance(value, int) else None


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _pair(value: object) -> tuple[float, float] | None:
    if isinstance(value, tuple) and len(value) == 2:
        return float(value[0]), float(value[1])
    return None
