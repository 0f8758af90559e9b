"""The ring between two processes: newest wins, one copy, nothing torn, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alledge.service.ring import SLOTS, Damage, FrameRing, Phase, create_ring_memory
from alledge.types import Frame

SHAPE = (48, 64, 3)
FRAME_BYTES = 48 * 64 * 3


def a_frame(value: int, **about: object) -> Frame:
    return Frame(np.full(SHAPE, value % 256, np.uint8), f"frame {value}", **about)  # type: ignore[arg-type]


@pytest.fixture
def handle() -> int:
    return create_ring_memory(FRAME_BYTES)


@pytest.fixture
def ring(handle: int) -> FrameRing:
    return FrameRing(handle)


def test_a_frame_comes_out_as_it_went_in_with_all_that_is_known_of_it(ring: FrameRing) -> None:
    given = a_frame(7, sensor_timestamp_ns=123, exposure_us=9000, analogue_gain=1.5, colour_gains=(1.2, 2.1))
    ring.write(given, asked_ns=99)
    claimed = ring.take()
    assert claimed is not None
    assert np.array_equal(claimed.frame.pixels, given.pixels)
    assert (claimed.sequence, claimed.asked_ns, claimed.damage) == (1, 99, Damage.NONE)
    told = claimed.frame
    assert (told.source, told.sensor_timestamp_ns, told.exposure_us) == ("frame 7", 123, 9000)
    assert (told.analogue_gain, told.colour_gains) == (1.5, (1.2, 2.1))


def test_what_a_camera_does_not_tell_stays_unknown(ring: FrameRing) -> None:
    ring.write(a_frame(1), 0)
    claimed = ring.take()
    assert claimed is not None
    told = claimed.frame
    assert told.sensor_timestamp_ns is told.exposure_us is told.analogue_gain is told.colour_gains is None


def test_the_newest_wins_and_is_taken_once(ring: FrameRing) -> None:
    for value in range(1, 6):
        ring.write(a_frame(value), 0)
    claimed = ring.take()
    assert claimed is not None
    assert claimed.sequence == ring.captured == 5
    ring.release()
    assert ring.take() is None


def test_a_held_frame_is_never_overwritten_however_many_follow(ring: FrameRing) -> None:
    ring.write(a_frame(1), 0)
    claimed = ring.take()
    assert claimed is not None
    for value in range(2, 30):
        ring.write(a_frame(value), 0)
    assert ring.is_intact(claimed)
    assert (claimed.frame.pixels == 1).all()
    ring.release()
    newest = ring.take()
    assert newest is not None
    assert newest.sequence == 29


def test_the_pixels_are_not_copied_when_taken_and_cannot_be_written_to(handle: int, ring: FrameRing) -> None:
    ring.write(a_frame(1), 0)
    claimed = ring.take()
    assert claimed is not None
    assert not claimed.frame.pixels.flags.owndata
    assert not claimed.frame.pixels.flags.writeable
    os.pwrite(handle, bytes([200]) * (SLOTS * FRAME_BYTES), 4096)
    assert (claimed.frame.pixels == 200).any(), "a view of the shared memory, not a copy"


def test_pixels_that_were_damaged_on_the_way_are_named(handle: int, ring: FrameRing) -> None:
    ring.write(a_frame(1), 0)
    os.pwrite(handle, bytes(FRAME_BYTES // 2), 4096 + 4096 + FRAME_BYTES // 2)
    claimed = ring.take()
    assert claimed is not None
    assert claimed.damage is Damage.TORN


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros(SHAPE, np.uint16),
        np.zeros((480, 640, 3), np.uint8),
        np.zeros((0, 64, 3), np.uint8),
    ],
    ids=["grey", "four planes", "16 bit", "too large", "empty"],
)
def test_what_does_not_fit_is_counted_and_named_but_never_read(ring: FrameRing, pixels: np.ndarray) -> None:
    ring.write(Frame(pixels, "odd"), 0)
    claimed = ring.take()
    assert claimed is not None
    assert (claimed.damage, claimed.sequence, claimed.frame.pixels.size) == (Damage.UNFIT, 1, 0)


def test_numbers_go_on_when_the_cameras_process_is_replaced(handle: int, ring: FrameRing) -> None:
    ring.write(a_frame(1), 0)
    ring.begin_anew(0)
    assert ring.take() is None, "what the old process handed over and nobody took is gone"
    successor = FrameRing(handle)
    assert successor.write(a_frame(2), 0) == 2
    claimed = ring.take()
    assert claimed is not None
    assert claimed.frame.source == "frame 2"


def test_a_frame_that_was_begun_counts_as_captured_even_if_the_writer_died(ring: FrameRing) -> None:
    with pytest.raises(AttributeError):
        ring.write(Frame(None, "dies while it copies"), 0)  # type: ignore[arg-type]
    assert (ring.captured, ring.published) == (1, 0)
    ring.beat(Phase.CAPTURING, 5)
    assert (ring.phase, ring.heart_beat_ns) == (Phase.CAPTURING, 5)


WRITER = """
import sys, numpy as np
from alledge.service.ring import FrameRing
from alledge.types import Frame
ring = FrameRing(int(sys.argv[1]))
pixels = np.empty((480, 640, 3), np.uint8)
n = 0
while True:
    n += 1
    pixels[:] = n % 251
    ring.write(Frame(pixels, f"{n}", n), n)
"""


def test_a_racing_writer_never_gives_the_reader_parts_of_two_frames(tmp_path: Path) -> None:
    handle = create_ring_memory(480 * 640 * 3)
    ring = FrameRing(handle)
    command = [sys.executable, "-c", WRITER, str(handle)]
    with subprocess.Popen(command, pass_fds=(handle,)) as writer:
        taken, last, deadline = 0, 0, time.monotonic() + 30.0
        while taken < 150 and time.monotonic() < deadline:
            claimed = ring.take()
            if claimed is None:
                continue
            values = np.unique(claimed.frame.pixels)
            assert ring.is_intact(claimed)
            assert claimed.damage is Damage.NONE
            assert values.tolist() == [int(claimed.frame.source) % 251], "whole, and of the frame it says"
            assert claimed.sequence > last
            last, taken = claimed.sequence, taken + 1
            ring.release()
        writer.send_signal(signal.SIGKILL)
    assert taken == 150
    os.close(handle)


def test_the_memory_has_no_name_that_could_be_left_behind() -> None:
    before = set(Path("/dev/shm").iterdir())
    handle = create_ring_memory(FRAME_BYTES)
    FrameRing(handle).write(a_frame(1), 0)
    assert set(Path("/dev/shm").iterdir()) <= before
    assert "memfd:" in str(Path(f"/proc/self/fd/{handle}").readlink())
    os.close(handle)
