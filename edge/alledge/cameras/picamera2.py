"""Opening a Raspberry Pi camera: which mode, which streams, how many buffers, and whose fault it is when not.

Camera memory (CMA) is scarce on a Pi (picamera2 issues 972, 1102 and 1125): three buffers let one be lent
while one is exposed and one waits; where they do not fit, two must do.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, NoReturn, Protocol, cast

from alledge.cameras.device_spec import DeviceSpec, parse_device_spec
from alledge.cameras.picamera2_source import Camera, Mapped, Picamera2Source, Request
from alledge.cameras.sensor_modes import choose_mode, known_modes
from alledge.errors import CameraUnavailable

_BUFFER_COUNTS: Final = (3, 2)
_IN_USE: Final = "Another program has the camera: `alledge doctor` names it; end it and start again."
_NO_CAMERA: Final = "Check the ribbon cable at both ends and `rpicam-hello --list-cameras`."
_NO_MEMORY: Final = (
    "Give the camera more memory: `dtoverlay=vc4-kms-v3d,cma-512` in /boot/firmware/config.txt."
)


class _Openable(Camera, Protocol):
    """What is used of a Picamera2 until it runs."""

    sensor_modes: Sequence[Mapping[str, object]]
    sensor_resolution: tuple[int, int]

    def create_video_configuration(self, **asked: object) -> Mapping[str, object]:
        """Fills in what was not asked for."""
        ...

    def configure(self, configuration: Mapping[str, object]) -> None:
        """Sets the streams up and takes the memory for them."""
        ...

    def start(self) -> None:
        """Starts the sensor."""
        ...


class _Library(Protocol):
    """What is used of the module picamera2, which ships no types."""

    Picamera2: Callable[[int], _Openable]
    MappedArray: Callable[..., AbstractContextManager[Mapped]]


def open_picamera2(text: str, clock_ns: Callable[[], int] = time.monotonic_ns) -> Picamera2Source:
    """Opens and starts camera N at the mode for its sensor, locked to the settings that the SPEC names.

    Raises:
        CameraUnavailable: picamera2 is not installed or broken, there is no such camera, it is in use, or it
            has no mode of the size asked for.
        CameraControlsRefused: it does not take the settings.
    """
    spec = parse_device_spec(text)
    if not spec.device.isdecimal():
        raise CameraUnavailable(f"'{spec.device}' is no camera number.", "Write picamera2:0.")
    library = _import_library()
    try:
        camera = library.Picamera2(int(spec.device))
    except (RuntimeError, IndexError, OSError) as error:
        _refuse(spec, error)
    try:
        _start(camera, spec)
        source = Picamera2Source(camera, f"picamera2:{spec.device}", _mapper(library), clock_ns)
    except (RuntimeError, OSError, MemoryError) as error:
        camera.close()
        _refuse(spec, error)
    except CameraUnavailable:
        camera.close()
        raise
    try:
        source.lock(spec.controls)
    except CameraUnavailable:
        source.close()
        raise
    return source


def _import_library() -> _Library:
    try:
        import picamera2
    except (ImportError, ValueError) as error:
        # numpy of pip under a picamera2 of apt raises ValueError (picamera2 issues 1088 and 1211).
        raise CameraUnavailable(
            f"picamera2 cannot be imported ({error}).",
            "On a Raspberry Pi: `sudo apt install python3-picamera2`; `alledge doctor` tells more.",
        ) from error
    return cast("_Library", picamera2)


def _mapper(library: _Library) -> Callable[[Request, str], AbstractContextManager[Mapped]]:
    def map_stream(request: Request, stream: str) -> AbstractContextManager[Mapped]:
        return library.MappedArray(request, stream, write=False)

    return map_stream


def _start(camera: _Openable, spec: DeviceSpec) -> None:
    """Configures the streams with as many buffers as there is memory for, and starts the sensor."""
    mode = choose_mode(known_modes(camera.sensor_modes), spec.size)
    size = mode.size if mode else spec.size or camera.sensor_resolution
    streams: dict[str, object] = {"main": {"format": "RGB888", "size": size}, "raw": None}
    if spec.lores:
        streams["lores"] = {"format": "YUV420", "size": spec.lores}
    if mode:
        streams["sensor"] = {"output_size": mode.size, "bit_depth": mode.bit_depth}
    for count in _BUFFER_COUNTS:
        try:
            # No display, no encoder; a frame is taken when asked for, not kept from before (`queue`).
            camera.configure(
                camera.create_video_configuration(
                    **streams, buffer_count=count, queue=False, display=None, encode=None
                )
            )
            camera.start()
        except (RuntimeError, OSError, MemoryError) as error:
            if count == _BUFFER_COUNTS[-1] or not _is_memory(error):
                raise
        else:
            return


def _is_memory(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or "allocate" in said or "memory" in said


def _refuse(spec: DeviceSpec, error: Exception) -> NoReturn:
    """Our word for why a camera could not be opened."""
    said = str(error)
    if _is_memory(error):
        advice = _NO_MEMORY
    elif "did not complete" in said or "busy" in said.lower():
        advice = _IN_USE
    else:
        advice = _NO_CAMERA
    raise CameraUnavailable(f"Camera {spec.device} cannot be opened ({said}).", advice) from error
