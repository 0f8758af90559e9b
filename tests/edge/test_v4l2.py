"""A USB microscope: frames by the driver's clock, automatics off where offered, MJPG where it must be."""

import cv2
import numpy as np
import pytest

from alledge.calibration import CameraControls
from alledge.cameras.device_spec import DeviceSpec
from alledge.cameras.v4l2 import V4l2Source, set_format
from alledge.errors import CameraUnavailable
from alledge.types import U8

FRAME_NS = 100_000_000
FULL = frozenset(
    {
        cv2.CAP_PROP_AUTO_EXPOSURE,
        cv2.CAP_PROP_EXPOSURE,
        cv2.CAP_PROP_GAIN,
        cv2.CAP_PROP_AUTO_WB,
        cv2.CAP_PROP_WB_TEMPERATURE,
    }
)
CONTROLS = CameraControls(exposure_us=12_000, analogue_gain=3.0, colour_gains=(1.5, 1.5))


class FakeUsbCamera:
    """A UVC camera behind `cv2.VideoCapture`, with four frames in its driver's queue."""

    def __init__(self, offered: frozenset[int] = FULL, yuyv_fps: float = 15.0) -> None:
        self.offered, self.yuyv_fps = offered, yuyv_fps
        self.now_ns = 50 * 10**9
        self.waiting = [self.now_ns - (n + 1) * FRAME_NS for n in (3, 2, 1, 0)]
        self.tells_time, self.clock_offset_ns, self.stands_still = True, 0, False
        self.values: dict[int, float] = {cv2.CAP_PROP_AUTO_EXPOSURE: 3.0, cv2.CAP_PROP_AUTO_WB: 1.0}
        self.stamp_ns = 0

    def read(self) -> tuple[bool, U8]:
        if self.waiting:
            self.stamp_ns = self.waiting[0] if self.stands_still else self.waiting.pop(0)
        else:
            self.now_ns += FRAME_NS
            self.stamp_ns = self.now_ns
        return True, np.zeros((4, 6, 3), np.uint8)

    def get(self, prop: int) -> float:
        if prop == cv2.CAP_PROP_POS_MSEC:
            return (self.stamp_ns + self.clock_offset_ns) / 1e6 if self.tells_time else 0.0
        if prop == cv2.CAP_PROP_FPS:
            is_yuyv = self.values.get(cv2.CAP_PROP_FOURCC) == cv2.VideoWriter.fourcc(*"YUYV")
            return self.yuyv_fps if is_yuyv else 30.0
        return self.values.get(prop, -1.0) if prop in self.offered or prop in self.values else -1.0

    def set(self, prop: int, value: float) -> bool:
        format_of_frames = (cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        if prop not in self.offered and prop not in (*format_of_frames, cv2.CAP_PROP_BUFFERSIZE):
            return False
        self.values[prop] = value
        return True

    def release(self) -> None:
        self.values.clear()


def source_of(camera: FakeUsbCamera) -> V4l2Source:
    return V4l2Source(camera, "/dev/video0", clock_ns=lambda: camera.now_ns)


def test_a_frame_that_the_driver_had_buffered_is_told_by_its_timestamp() -> None:
    camera = FakeUsbCamera()
    asked_ns = camera.now_ns
    assert source_of(camera).capture().sensor_timestamp_ns == asked_ns + FRAME_NS
    assert (
        source_of(camera).capture().sensor_timestamp_ns == asked_ns + 2 * FRAME_NS
    )  # nothing is thrown away


@pytest.mark.parametrize("offset_ns", [10**18, -(10**18)])
def test_a_timestamp_of_another_clock_is_not_believed(offset_ns: int) -> None:
    camera = FakeUsbCamera()
    camera.clock_offset_ns = offset_ns
    assert source_of(camera).capture().sensor_timestamp_ns == camera.now_ns


def test_without_timestamps_as_many_frames_are_dropped_as_a_driver_may_hold() -> None:
    camera = FakeUsbCamera()
    camera.tells_time = False
    source_of(camera).capture()
    assert not camera.waiting


def test_a_driver_that_repeats_an_old_frame_is_an_error_and_not_an_endless_loop() -> None:
    camera = FakeUsbCamera()
    camera.stands_still = True
    with pytest.raises(CameraUnavailable, match="old frames"):
        source_of(camera).capture()


def test_a_locked_camera_sets_nothing_by_itself_and_tells_what_it_was_set_to() -> None:
    camera = FakeUsbCamera()
    source = source_of(camera)
    source.lock(CONTROLS)
    frame = source.capture()
    assert (frame.exposure_us, frame.analogue_gain) == (12_000, 3.0)
    assert camera.values[cv2.CAP_PROP_AUTO_WB] == 0.0
    assert camera.values[cv2.CAP_PROP_WB_TEMPERATURE] > 0


def test_a_camera_that_offers_nothing_claims_nothing() -> None:
    camera = FakeUsbCamera(offered=frozenset())
    source = source_of(camera)
    source.lock(CONTROLS)
    frame = source.capture()
    assert (frame.exposure_us, frame.analogue_gain, frame.colour_gains) == (None, None, None)


def test_an_automatic_exposure_is_not_told_as_if_it_were_fixed() -> None:
    camera = FakeUsbCamera()
    camera.values[cv2.CAP_PROP_EXPOSURE] = 156.0
    assert source_of(camera).capture().exposure_us is None


@pytest.mark.parametrize(("yuyv_fps", "chosen"), [(15.0, "YUYV"), (2.0, "MJPG")])
def test_frames_are_compressed_only_where_usb_is_too_slow_without(yuyv_fps: float, chosen: str) -> None:
    camera = FakeUsbCamera(yuyv_fps=yuyv_fps)
    set_format(camera, DeviceSpec("/dev/video0", (1280, 960)))
    assert camera.values[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*chosen)
    assert camera.values[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert camera.values[cv2.CAP_PROP_BUFFERSIZE] == 1
