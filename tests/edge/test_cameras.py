"""Cameras by SPEC: what each gives, and what each says when it cannot."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from alledge.cameras import open_camera
from alledge.cameras.file import FileSource, ImagesSkipped, WholeImages
from alledge.cameras.v4l2 import V4l2Source, open_v4l2
from alledge.errors import CameraFinished, CameraUnavailable, FolderEmpty, ImageUnreadable, PathUnusable
from alledge.images import encode_image
from alledge.types import U8


class FakeCapture:
    """A USB camera whose frames count up, as `cv2.VideoCapture` would serve them."""

    def __init__(self, n_frames: int) -> None:
        self.n_frames, self.served, self.released = n_frames, 0, False

    def read(self) -> tuple[bool, U8]:
        self.served += 1
        return self.served <= self.n_frames, np.full((4, 6, 3), self.served, np.uint8)

    def get(self, prop: int) -> float:
        return 0.0

    def set(self, prop: int, value: float) -> bool:
        return False

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize("spec", ["", "webcam", "usb:0", "picamera2", "file"])
def test_a_spec_of_no_known_kind_is_refused_with_examples(spec: str) -> None:
    with pytest.raises(CameraUnavailable, match=r"v4l2:/dev/video0"):
        open_camera(spec)


def test_a_folder_serves_its_images_in_order_and_then_says_so(tmp_path: Path) -> None:
    for i, name in enumerate(["b.png", "a.png"]):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), i, np.uint8))
    with open_camera(f"file:{tmp_path}") as source:
        assert [Path(source.capture().source).name for _ in range(2)] == ["a.png", "b.png"]
        with pytest.raises(CameraUnavailable, match="alledge scan"):
            source.capture()


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("not a picture")
    with (
        open_camera(f"file:{tmp_path / 'notes.jpg'}") as source,
        pytest.raises(ImageUnreadable, match="notes"),
    ):
        source.capture()


def test_an_empty_folder_and_a_missing_path_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FolderEmpty):
        open_camera(f"file:{tmp_path}")
    with pytest.raises(PathUnusable):
        open_camera("file:")


def test_the_phantom_camera_gives_a_new_field_each_time_and_the_same_for_the_same_seed() -> None:
    spec = "phantom:seed=5,width_px=640,height_px=480"
    with open_camera(spec) as source:
        first, second = source.capture(), source.capture()
    with open_camera(spec) as source:
        again = source.capture()
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, second.pixels)
    assert second.source == "phantom:seed=6"


def test_a_usb_camera_gives_no_frame_that_was_buffered_before_the_question() -> None:
    capture = FakeCapture(n_frames=100)
    with V4l2Source(capture, "/dev/video0", clock_ns=lambda: 7) as source:
        frame = source.capture()
    assert frame.pixels[0, 0, 0] > 1
    assert frame.sensor_timestamp_ns == 7
    assert capture.released


def test_a_usb_camera_that_was_pulled_out_is_told() -> None:
    with pytest.raises(CameraUnavailable, match="gives no frame"):
        V4l2Source(FakeCapture(n_frames=2), "/dev/video0").capture()


@pytest.mark.parametrize(
    "device", ["/dev/video9999", "/etc/passwd", "/dev/video0/../sda", "http://example.org/x"]
)
def test_only_video_devices_are_opened(device: str) -> None:
    with pytest.raises(CameraUnavailable):
        open_v4l2(device)


def test_a_damaged_image_is_left_out_of_an_archive_and_told_at_its_end(tmp_path: Path) -> None:
    for name in ("1.png", "3.png"):
        (tmp_path / name).write_bytes(encode_image(np.full((4, 4, 3), 9, np.uint8), ".png"))
    (tmp_path / "2.png").write_bytes(b"half")
    archive = WholeImages(FileSource(str(tmp_path)))
    assert [Path(archive.capture().source).name for _ in range(2)] == ["1.png", "3.png"]
    with pytest.raises(ImagesSkipped, match=r"One image was left out: .*2\.png"):
        archive.capture()


def test_an_archive_of_whole_images_ends_as_any_camera_does(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(encode_image(np.full((4, 4, 3), 9, np.uint8), ".png"))
    archive = WholeImages(FileSource(str(tmp_path)))
    archive.capture()
    with pytest.raises(CameraFinished) as caught:
        archive.capture()
    assert caught.value.code == "camera-finished"
