"""A picamera2 that misbehaves as the real one does, for what the virtual camera of libcamera cannot show.

Sensor modes, stride padding, DRM's names, settings that come late and are cut by the frame's duration, a
queue that is starved by requests nobody gives back, calls that hang: a test sets a field, and sees what ours
makes of it. What it imitates is told beside each, with the issue of raspberrypi/picamera2 it was seen in.
"""

import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from alledge.cameras.picamera2 import open_picamera2
from alledge.cameras.picamera2_source import Picamera2Source
from alledge.types import U8

STRIDE_BYTES = 64  # rows are padded to it
LINE_US = 29  # exposure is a whole number of lines
CONTROLS = ("ExposureTime", "AnalogueGain", "ColourGains", "FrameDurationLimits", "AeEnable", "AwbEnable")


def _modes(
    bits: int, *told: tuple[tuple[int, int], tuple[int, int, int, int], float]
) -> list[dict[str, object]]:
    return [{"bit_depth": bits, "size": size, "crop_limits": crop, "fps": fps} for size, crop, fps in told]


HQ_CAMERA = [
    *_modes(10, ((1332, 990), (696, 528, 2664, 1980), 120.05)),
    *_modes(
        12,
        ((2028, 1080), (0, 440, 4056, 2160), 50.03),
        ((2028, 1520), (0, 0, 4056, 3040), 40.01),
        ((4056, 3040), (0, 0, 4056, 3040), 10.0),
    ),
]
"""What `sensor_modes` tells of an IMX477."""

GLOBAL_SHUTTER = _modes(10, ((1456, 1088), (0, 0, 1456, 1088), 60.38))
"""What `sensor_modes` tells of an IMX296."""


@dataclass
class World:
    """The hardware behind the library, and what was done to it. Tests set its fields."""

    modes: list[dict[str, object]] = field(default_factory=lambda: GLOBAL_SHUTTER)
    scene_bgr: tuple[int, int, int] = (20, 30, 200)
    main_format: str | None = None  # what libcamera gives instead of what was asked for
    frame_ns: int = 33_000_000
    frames_late: int = 0  # age of the frame that a first request gets, in frames
    apply_after: int = 8  # frames until settings are in force (issue 1287)
    ignores_exposure: bool = False
    drifts_after: int | None = None  # frames until something else sets the exposure again
    stands_still: bool = False  # the sensor repeats one timestamp
    hangs: bool = False
    hangs_in_stop: bool = False
    dies_with: Exception | None = None
    memory_for: int = 8  # buffers that CMA has room for (972)
    is_taken: bool = False  # another process has the camera (627)
    n_cameras: int = 1
    offered: tuple[str, ...] = CONTROLS

    now_ns: int = 10**9
    events: list[str] = field(default_factory=list)
    opened: list["FakePicamera2"] = field(default_factory=list)


class FakeRequest:
    """Holds a buffer until it is released."""

    def __init__(self, camera: "FakePicamera2", metadata: Mapping[str, object]) -> None:
        self.camera, self.metadata, self.released = camera, metadata, 0

    def get_metadata(self) -> Mapping[str, object]:
        return self.metadata

    def release(self) -> None:
        self.released += 1
        assert self.released == 1, "released twice"
        self.camera.held -= 1


class FakePicamera2:
    """The class; `world` is set by the fixture."""

    world: World

    def __init__(self, index: int) -> None:
        if index >= self.world.n_cameras:
            raise IndexError("list index out of range")  # what the library does without a camera
        if self.world.is_taken:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.sensor_modes = self.world.modes
        self.sensor_resolution = (1600, 1200)
        self.camera_controls = dict.fromkeys(self.world.offered)
        self.configured: dict[str, dict[str, object]] = {}
        self.asked: dict[str, object] = {}
        self.held = self.frames = 0
        self.buffers: dict[tuple[int, str], U8] = {}
        self.pending_jobs = 0
        self.set_at: dict[str, tuple[int, object]] = {}
        self.in_force: dict[str, object] = {
            "ExposureTime": 12_345,
            "AnalogueGain": 2.0,
            "ColourGains": (3.0, 3.0),
        }
        self.frame_limit_us = 33_333
        self.world.opened.append(self)

    # Configuring.

    def create_video_configuration(self, **asked: object) -> dict[str, object]:
        return asked

    def configure(self, asked: dict[str, object]) -> None:
        if int(str(asked["buffer_count"])) > self.world.memory_for:
            raise RuntimeError("failed to allocate capture buffers for stream 0")
        self.asked = asked
        for name in ("main", "lores"):
            told = asked.get(name)
            if isinstance(told, dict):
                size = tuple(int(side) // 2 * 2 for side in told["size"])
                chosen = self.world.main_format if name == "main" else None
                self.configured[name] = {"format": chosen or told["format"], "size": size}

    def camera_configuration(self) -> Mapping[str, object]:
        return self.configured

    def start(self) -> None:
        self.world.events.append("start")

    def set_controls(self, controls: Mapping[str, object]) -> None:
        for name, value in controls.items():
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
            self.set_at[name] = (self.frames + self.world.apply_after, value)

    # Capturing.

    def capture_request(self, *, wait: float) -> FakeRequest:
        assert 0 < wait <= 10, "a capture without a limit can block for ever (1090)"
        starved = self.held >= int(str(self.asked["buffer_count"]))
        if self.world.hangs or starved:
            self.pending_jobs += 1
            raise TimeoutError("starved: every buffer is held" if starved else "")
        if self.world.dies_with:
            raise self.world.dies_with
        self._expose()
        self.held += 1
        late_ns = self.world.frames_late * self.world.frame_ns
        self.world.frames_late = 0
        stamp = 1 if self.world.stands_still else self.world.now_ns - late_ns
        told = {name: value for name, value in self.in_force.items() if name in self.world.offered}
        return FakeRequest(self, {"SensorTimestamp": stamp, **told})

    def _expose(self) -> None:
        """One frame passes; settings that were asked for long enough ago come into force."""
        self.frames += 1
        self.world.now_ns += self.world.frame_ns
        for name, (frame, value) in list(self.set_at.items()):
            if self.frames >= frame:
                self.set_at.pop(name)
                self._apply(name, value)
        if self.world.drifts_after is not None and self.frames > self.world.drifts_after:
            self.in_force["ExposureTime"] = 31_000

    def _apply(self, name: str, value: object) -> None:
        if name == "FrameDurationLimits":
            assert isinstance(value, tuple)
            self.frame_limit_us = int(value[1])
        elif name == "AeEnable":
            self.set_at.clear()  # old values are frozen (933)
        elif name == "ExposureTime":
            if not self.world.ignores_exposure:
                lines = min(int(str(value)), self.frame_limit_us) // LINE_US
                self.in_force[name] = lines * LINE_US
        else:
            self.in_force[name] = value

    # Ending.

    def cancel_all_and_flush(self) -> None:
        self.pending_jobs = 0
        self.world.events.append("flush")

    def stop(self) -> None:
        if self.world.hangs_in_stop:
            import time

            time.sleep(30)
        assert not self.pending_jobs, "stop waits for ever behind a job that was given up (883)"
        self.world.events.append("stop")

    def close(self) -> None:
        self.world.events.append("close")

    def memory(self, stream: str) -> U8:
        """The stream's buffer with its padding, as the sensor filled it."""
        told = self.configured[stream]
        size = told["size"]
        assert isinstance(size, tuple)
        key = (self.frames, stream)
        if key not in self.buffers:
            self.buffers[key] = _in_memory(str(told["format"]), size, self.world.scene_bgr)
        return self.buffers[key]


@contextmanager
def mapped_array(request: FakeRequest, stream: str, *, write: bool) -> Iterator[types.SimpleNamespace]:
    """MappedArray: the buffer itself; RGB and NV12 are cut to the width, YUV420 is not (645)."""
    assert not request.released, "the buffer is the camera's again"
    assert not write, "nobody may write into the camera's memory"
    told = request.camera.configured[stream]
    array = request.camera.memory(stream)
    size = told["size"]
    assert isinstance(size, tuple)
    yield types.SimpleNamespace(array=array if told["format"] == "YUV420" else array[:, : size[0]])


def _in_memory(name: str, size: tuple[int, int], bgr: tuple[int, int, int]) -> U8:
    """A plain picture of one colour in a libcamera format, rows padded with rubbish."""
    width, height = size
    picture = np.full((height, width, 3), bgr, np.uint8)
    if name in ("YUV420", "NV12"):
        padded = cv2.copyMakeBorder(picture, 0, 0, 0, -width % STRIDE_BYTES, cv2.BORDER_REPLICATE)
        i420 = np.asarray(cv2.cvtColor(padded, cv2.COLOR_BGR2YUV_I420), np.uint8)
        return i420 if name == "YUV420" else _nv12(i420, height)
    pixels = {
        "RGB888": picture,
        "BGR888": picture[..., ::-1],
        "XRGB8888": cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA),
        "XBGR8888": cv2.cvtColor(picture, cv2.COLOR_BGR2RGBA),
    }.get(name, picture)
    return np.asarray(cv2.copyMakeBorder(pixels, 0, 0, 0, 16, cv2.BORDER_CONSTANT), np.uint8)


def _nv12(i420: U8, height: int) -> U8:
    """The chroma of I420, planes one after the other, as NV12 has it: blue and red in turn."""
    chroma = i420[height:].reshape(2, -1)
    return np.vstack([i420[:height], chroma.T.reshape(height // 2, -1)])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """The hardware; `import picamera2` gives the fake."""
    built = World()
    library = types.ModuleType("picamera2")
    camera_class = type("Picamera2", (FakePicamera2,), {"world": built})
    library.Picamera2, library.MappedArray = camera_class, mapped_array  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", library)
    return built


def open_on(world: World, spec: str) -> Picamera2Source:
    """Opens a camera of that world, on its clock."""
    return open_picamera2(spec, clock_ns=lambda: world.now_ns)
