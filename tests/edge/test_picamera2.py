"""The Raspberry Pi camera, against a fake with the habits that picamera2's issue tracker tells of."""

from collections.abc import Mapping

import cv2
import numpy as np
import pytest

from alledge.cameras.picamera2 import Picamera2Source, open_picamera2
from alledge.errors import CameraUnavailable
from alledge.types import U8

RED_BGR = (20, 30, 200)
WIDTH, HEIGHT = 64, 32


class FakeRequest:
    def __init__(self, array: U8, metadata: Mapping[str, object]) -> None:
        self.array, self.metadata, self.released = array, metadata, 0

    def make_array(self, name: str) -> U8:
        assert name == "main"
        return self.array

    def get_metadata(self) -> Mapping[str, object]:
        return self.metadata

    def release(self) -> None:
        self.released += 1


class FakeCamera:
    """Serves requests whose fields a test tampers with before it asks."""

    def __init__(self, pixel_format: str = "RGB888") -> None:
        self.pixel_format = pixel_format
        self.array: U8 = solid(RED_BGR)
        self.timestamps_ns = [1_000_000]
        self.exposure_us: int | None = 10
        self.hangs = False
        self.requests: list[FakeRequest] = []
        self.stopped = self.closed = False

    def camera_configuration(self) -> Mapping[str, Mapping[str, object]]:
        return {"main": {"format": self.pixel_format, "size": (WIDTH, HEIGHT)}}

    def capture_request(self, *, wait: float) -> FakeRequest:
        assert wait > 0, "a capture without a limit can block for ever"
        if self.hangs:
            raise TimeoutError("no request")
        timestamp_ns = self.timestamps_ns.pop(0) if len(self.timestamps_ns) > 1 else self.timestamps_ns[0]
        metadata = {"SensorTimestamp": timestamp_ns, "ExposureTime": self.exposure_us, "AnalogueGain": 1.5}
        self.requests.append(FakeRequest(self.array, metadata | {"ColourGains": (1.9, 1.4)}))
        return self.requests[-1]

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.closed = True


def solid(bgr: tuple[int, int, int]) -> U8:
    return np.full((HEIGHT, WIDTH, 3), bgr, dtype=np.uint8)


def source_of(camera: FakeCamera, now_ns: int = 0) -> Picamera2Source:
    return Picamera2Source(camera, "picamera2:0", clock_ns=lambda: now_ns)


@pytest.mark.parametrize(
    ("pixel_format", "array"),
    [
        ("RGB888", solid(RED_BGR)),
        ("BGR888", cv2.cvtColor(solid(RED_BGR), cv2.COLOR_BGR2RGB)),
        ("XRGB8888", cv2.cvtColor(solid(RED_BGR), cv2.COLOR_BGR2BGRA)),
        ("XBGR8888", cv2.cvtColor(solid(RED_BGR), cv2.COLOR_BGR2RGBA)),
        ("YUV420", cv2.cvtColor(solid(RED_BGR), cv2.COLOR_BGR2YUV_I420)),
    ],
)
def test_every_format_that_libcamera_may_choose_becomes_the_same_bgr_frame(
    pixel_format: str, array: U8
) -> None:
    camera = FakeCamera(pixel_format)
    camera.array = array
    pixels = source_of(camera).capture().pixels
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels.astype(int) - RED_BGR).max() <= 3


def test_a_padded_stride_is_cut_off() -> None:
    camera = FakeCamera()
    camera.array = np.hstack([solid(RED_BGR), np.zeros((HEIGHT, 16, 3), np.uint8)])
    assert source_of(camera).capture().pixels.shape == (HEIGHT, WIDTH, 3)


def test_a_format_that_cannot_be_read_is_refused_before_the_first_frame() -> None:
    with pytest.raises(CameraUnavailable, match="SRGGB10"):
        source_of(FakeCamera("SRGGB10"))


def test_a_frame_exposed_before_the_question_is_not_the_answer() -> None:
    camera = FakeCamera()
    camera.exposure_us = 100
    # Readout began after the question, but the exposure before it: only the third frame is new.
    camera.timestamps_ns = [900_000, 1_050_000, 1_200_000]
    frame = source_of(camera, now_ns=1_000_000).capture()
    assert frame.sensor_timestamp_ns == 1_200_000


def test_a_sensor_that_repeats_an_old_frame_is_an_error_and_not_an_endless_loop() -> None:
    with pytest.raises(CameraUnavailable, match="old frame"):
        source_of(FakeCamera(), now_ns=10**12).capture()


def test_every_request_goes_back_to_the_camera_also_when_the_array_fails() -> None:
    camera = FakeCamera()
    camera.timestamps_ns = [0, 5_000_000]
    camera.array = np.zeros((5, 5), np.uint8)
    camera.pixel_format = "YUV420"
    with pytest.raises(cv2.error):
        source_of(camera, now_ns=1).capture()
    assert [request.released for request in camera.requests] == [1, 1]


def test_a_camera_that_hangs_is_told_within_the_limit() -> None:
    camera = FakeCamera()
    camera.hangs = True
    with pytest.raises(CameraUnavailable, match="gives no frame"):
        source_of(camera).capture()


def test_metadata_travels_with_the_frame() -> None:
    frame = source_of(FakeCamera()).capture()
    assert (frame.exposure_us, frame.analogue_gain, frame.colour_gains) == (10, 1.5, (1.9, 1.4))


def test_leaving_the_source_frees_the_camera() -> None:
    camera = FakeCamera()
    with source_of(camera):
        pass
    assert camera.stopped
    assert camera.closed


def test_without_picamera2_the_error_says_how_to_install_it() -> None:
    with pytest.raises(CameraUnavailable, match="python3-picamera2"):
        open_picamera2("0")


@pytest.mark.parametrize("index", ["", "one", "-1", "0;rm"])
def test_a_camera_number_is_a_number(index: str) -> None:
    with pytest.raises(CameraUnavailable, match="no camera number"):
        open_picamera2(index)
