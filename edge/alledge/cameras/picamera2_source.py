"""A Raspberry Pi camera through picamera2, the one boundary to that library.

What its issue tracker taught: `capture_request` can block for ever, so it always has a limit, and a job that
was given up is taken off its queue before the camera is closed (1090, 1404, 883); the first request can be
older than the question (426, 849), so its sensor timestamp is compared; a request that is held starves the
camera (972), so each is given back whatever happens; closing can hang as well, so that has a limit too.

The main stream is BGR in memory, and `lend` hands out that memory itself: the service's copy into its ring is
the only one. A second, reduced stream can be had with `lores=WxH`; the pixel path does without, because
finding cells on it is slower and not the same (bench/lores.py: 5.6 ms to unpack YUV420 against 2.8 ms to
reduce the main stream, and other pixels in every patch).
"""

import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from alledge.calibration.calibration import CameraControls
from alledge.cameras.control_lock import departure, libcamera_controls, told_by
from alledge.cameras.source import ClosesOnExit
from alledge.cameras.stream_formats import configured_format
from alledge.errors import CameraControlsRefused, CameraUnavailable
from alledge.types import U8, Frame

_CAPTURE_LIMIT_S: Final = 3.0  # libcamera itself gives up a frame after one second
_CLOSE_LIMIT_S: Final = 2.0
_REQUESTS_TRIED: Final = 30  # half a second and more at any frame rate
_FRAMES_TO_APPLY: Final = 60  # settings were seen to take a dozen frames (picamera2 issue 1287)
_CHECK_CABLE: Final = (
    "Check the ribbon cable and `rpicam-hello --list-cameras`; close other programs that use it."
)
_CHECK_LOCK: Final = "Run `alledge calibrate` again; `alledge doctor` looks at the camera software."


class Request(Protocol):
    """The part of picamera2's CompletedRequest that is used."""

    def get_metadata(self) -> Mapping[str, object]:
        """Tells what the sensor did for this frame."""
        ...

    def release(self) -> None:
        """Gives the buffers back to the camera."""
        ...


class Mapped(Protocol):
    """The part of picamera2's MappedArray that is used: a stream's memory as it is."""

    @property
    def array(self) -> U8:
        """The stream's pixels, in the camera's own memory."""
        ...


class Camera(Protocol):
    """The part of picamera2's Picamera2 that is used."""

    camera_controls: Mapping[str, object]

    def camera_configuration(self) -> Mapping[str, object]:
        """Tells the streams as libcamera configured them, whatever was asked for."""
        ...

    def set_controls(self, controls: Mapping[str, object]) -> None:
        """Asks for settings; they come with some later frame."""
        ...

    def capture_request(self, *, wait: float) -> Request:
        """Waits `wait` seconds at most for the next completed request."""
        ...

    def cancel_all_and_flush(self) -> None:
        """Takes jobs that were given up off the queue, so that the camera can be closed."""
        ...

    def stop(self) -> None:
        """Stops the sensor."""
        ...

    def close(self) -> None:
        """Frees the camera for other processes."""
        ...


Mapper = Callable[[Request, str], AbstractContextManager[Mapped]]


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """Both streams of one exposure. lores: (h, w, 3) uint8 BGR, None when none was configured."""

    frame: Frame
    lores: U8 | None


class Picamera2Source(ClosesOnExit):
    """A started Picamera2 whose main stream becomes BGR frames.

    map_stream: picamera2's MappedArray, read-only.
    """

    def __init__(
        self, camera: Camera, name: str, map_stream: Mapper, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._camera = camera
        self._name = name
        self._map_stream = map_stream
        self._clock_ns = clock_ns
        streams = camera.camera_configuration()
        self._main = configured_format(streams, "main")
        self._lores = configured_format(streams, "lores") if streams.get("lores") else None
        self._locked = CameraControls()
        self._timed_out = False
        self._closed = False

    def capture(self) -> Frame:
        """Gives the first frame whose exposure began after the call, with the locked settings; a copy.

        Raises:
            CameraUnavailable: the sensor gave no frame in time, or only old ones.
            CameraControlsRefused: frames come with other settings than the locked ones.
        """
        with self.lend() as frame:
            own = np.array(frame.pixels, copy=True) if self._main.is_bgr else frame.pixels
            return replace(frame, pixels=np.ascontiguousarray(own))

    @contextmanager
    def lend(self) -> Iterator[Frame]:
        """Like `capture`, but the pixels lie in the camera's memory: read-only, only within the `with`."""
        with self.lend_streams() as streams:
            yield streams.frame

    @contextmanager
    def lend_streams(self) -> Iterator[Streams]:
        """Like `lend`, with the reduced stream of the same exposure beside it, where there is one."""
        request, metadata = self._fresh_request(self._clock_ns())
        try:
            with self._map_stream(request, "main") as main:
                frame = self._frame(self._main.to_bgr(main.array), metadata)
                yield Streams(frame, self._lores_of(request))
        finally:
            request.release()

    def lock(self, controls: CameraControls) -> None:
        """Turns the automatics off, and returns once frames are taken with these settings.

        Raises:
            CameraControlsRefused: the camera does not offer a setting, or takes another.
            CameraUnavailable: the sensor gave no frame in time.
        """
        wanted = libcamera_controls(controls)
        missing = sorted(wanted.keys() - set(self._camera.camera_controls))
        if missing:
            raise CameraControlsRefused(f"{self._name} does not offer {', '.join(missing)}.", _CHECK_LOCK)
        self._camera.set_controls(wanted)
        difference: str | None = None
        for _ in range(_FRAMES_TO_APPLY):
            request = self._next_request()
            try:
                difference = departure(controls, told_by(request.get_metadata()))
            finally:
                request.release()
            if difference is None:
                self._locked = controls
                return
        raise CameraControlsRefused(f"{self._name} does not take its settings: {difference}.", _CHECK_LOCK)

    def close(self) -> None:
        """Stops the sensor and frees it for other processes; returns within two seconds, freed or not."""
        if self._closed:
            return
        self._closed = True
        closing = threading.Thread(target=self._stop_and_close, name="close-camera", daemon=True)
        closing.start()
        closing.join(_CLOSE_LIMIT_S)

    def _stop_and_close(self) -> None:
        try:
            if self._timed_out:
                self._camera.cancel_all_and_flush()
            self._camera.stop()
            self._camera.close()
        except (RuntimeError, OSError) as error:
            self.close_error = error  # nothing is left to be done: the process is about to end

    def _fresh_request(self, asked_ns: int) -> tuple[Request, Mapping[str, object]]:
        """The first request exposed since it was asked for, with the locked settings; the caller releases."""
        difference: str | None = None
        for _ in range(_REQUESTS_TRIED):
            request = self._next_request()
            try:
                metadata = request.get_metadata()
                told = told_by(metadata)
                is_old = _began_ns(metadata, told) < asked_ns
                difference = None if is_old else departure(self._locked, told)
            except BaseException:
                request.release()
                raise
            if not is_old and difference is None:
                return request, metadata
            request.release()
        if difference is not None:
            raise CameraControlsRefused(f"{self._name} lost its settings: {difference}.", _CHECK_LOCK)
        raise CameraUnavailable(f"{self._name} repeats an old frame.", _CHECK_CABLE)

    def _next_request(self) -> Request:
        try:
            return self._camera.capture_request(wait=_CAPTURE_LIMIT_S)
        except (TimeoutError, concurrent.futures.CancelledError, RuntimeError, OSError) as error:
            # Else the job that was given up takes the next frame for itself, and closing waits for it.
            self._timed_out = True
            self._camera.cancel_all_and_flush()
            said = str(error) or "nothing came in time"
            raise CameraUnavailable(f"{self._name} gives no frame ({said}).", _CHECK_CABLE) from error

    def _frame(self, pixels: U8, metadata: Mapping[str, object]) -> Frame:
        told = told_by(metadata)
        view = pixels.view()
        view.setflags(write=False)
        timestamp = metadata.get("SensorTimestamp")
        return Frame(
            pixels=view,
            source=self._name,
            sensor_timestamp_ns=timestamp if isinstance(timestamp, int) else None,
            exposure_us=told.exposure_us,
            analogue_gain=told.analogue_gain,
            colour_gains=told.colour_gains,
        )

    def _lores_of(self, request: Request) -> U8 | None:
        if self._lores is None:
            return None
        with self._map_stream(request, "lores") as lores:
            bgr = self._lores.to_bgr(lores.array)
            return np.array(bgr, copy=True) if self._lores.is_bgr else bgr


def _began_ns(metadata: Mapping[str, object], told: CameraControls) -> float:
    """When the exposure began: the sensor stamps the start of readout. Without a stamp nothing is old."""
    stamp = metadata.get("SensorTimestamp")
    return stamp - 1000 * (told.exposure_us or 0) if isinstance(stamp, int) else float("inf")
