"""The camera's process copies each frame once, from the camera's own memory where it lends it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from alledge.cameras.source import ClosesOnExit
from alledge.errors import CameraFinished
from alledge.service.camera_child import CameraJob, serve
from alledge.service.ring import FrameRing, OverwritePolicy, create_ring_memory
from alledge.service.run import camera_spec
from alledge.types import Frame
from tests.edge.service.tiny_service import scenery


class LendingCamera(ClosesOnExit):
    """Lends one buffer again and again, and takes it back spoilt."""

    def __init__(self, ring: FrameRing) -> None:
        self.ring, self.buffer, self.published = ring, np.zeros((4, 6, 3), np.uint8), list[int]()

    def capture(self) -> Frame:
        raise AssertionError("a copy was asked for where the camera lends")

    @contextmanager
    def lend(self) -> Iterator[Frame]:
        if len(self.published) == 3:
            raise CameraFinished("Enough.", "Stop.")
        self.buffer[:] = 10 + len(self.published)
        yield Frame(self.buffer, "lent", sensor_timestamp_ns=1)
        self.published.append(self.ring.published)
        self.buffer[:] = 255


@pytest.fixture
def bell() -> Iterator[int]:
    bell = os.eventfd(0, os.EFD_NONBLOCK)
    yield bell
    os.close(bell)


def test_a_frame_is_in_the_ring_before_its_memory_goes_back_to_the_camera(bell: int) -> None:
    handle = create_ring_memory(4 * 6 * 3)
    ring = FrameRing(handle)
    camera = LendingCamera(ring)
    job = CameraJob("lent", handle, bell, os.getpid(), OverwritePolicy.NEWEST_WINS, 0.0)
    with pytest.raises(CameraFinished):
        serve(camera, ring, bell, job)
    assert camera.published == [1, 2, 3], "handed over while it was lent"
    claimed = ring.take()
    assert claimed is not None
    assert (claimed.frame.pixels == 12).all(), "a copy, though the camera has its memory back"


def test_a_calibrated_camera_is_locked_by_its_spec_and_others_are_left_alone() -> None:
    calibration = scenery().calibration
    assert camera_spec("picamera2:0", None) == "picamera2:0"
    assert camera_spec("phantom:seed=1", calibration) == "phantom:seed=1"
    assert camera_spec("picamera2:0", calibration) == (
        "picamera2:0,size=320x240,exposure_us=10000,analogue_gain=1.0,red_gain=1.5,blue_gain=1.5"
    )
