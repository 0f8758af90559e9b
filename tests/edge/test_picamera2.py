"""A Raspberry Pi camera: fresh frames, in BGR, with the settings of the calibration, and never for ever."""

import time

import numpy as np
import pytest

from alledge.calibration import CameraControls
from alledge.cameras.picamera2 import open_picamera2
from alledge.cameras.picamera2_source import Picamera2Source
from alledge.cameras.source import borrowed
from alledge.errors import CameraControlsRefused, CameraUnavailable
from tests.edge.fake_picamera2 import CONTROLS, GLOBAL_SHUTTER, HQ_CAMERA, World, open_on, world

__all__ = ["world"]  # a fixture

LOCKED = "0,exposure_us=10000,analogue_gain=1.5,red_gain=1.9,blue_gain=1.4"


@pytest.mark.parametrize("name", ["RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420", "NV12"])
def test_every_format_that_libcamera_may_choose_becomes_the_same_bgr_frame(world: World, name: str) -> None:
    world.main_format, world.scene_bgr = name, (20, 30, 200)
    pixels = open_on(world, "0").capture().pixels
    assert pixels.shape == (1088, 1456, 3)
    assert np.abs(pixels.astype(int) - world.scene_bgr).max() <= 3


def test_what_is_called_rgb_is_asked_for_because_it_is_bgr_in_memory(world: World) -> None:
    open_on(world, "0")
    assert world.opened[0].configured["main"]["format"] == "RGB888"


def test_a_format_that_cannot_be_read_is_refused_and_the_camera_freed(world: World) -> None:
    world.main_format = "SRGGB10"
    with pytest.raises(CameraUnavailable, match="SRGGB10"):
        open_on(world, "0")
    assert world.events[-1] == "close"


# Sensor modes.


@pytest.mark.parametrize(
    ("modes", "spec", "size", "bits"),
    [
        (HQ_CAMERA, "0", (2028, 1520), 12),
        (HQ_CAMERA, "0,size=4056x3040", (4056, 3040), 12),
        (GLOBAL_SHUTTER, "0", (1456, 1088), 10),
    ],
)
def test_the_mode_is_the_smallest_of_the_whole_field_that_resolves_a_cell(
    world: World, modes: list[dict[str, object]], spec: str, size: tuple[int, int], bits: int
) -> None:
    world.modes = modes
    open_on(world, spec)
    assert world.opened[0].asked["sensor"] == {"output_size": size, "bit_depth": bits}
    assert world.opened[0].configured["main"]["size"] == size


def test_a_size_that_the_sensor_lacks_is_refused_with_those_that_it_has(world: World) -> None:
    with pytest.raises(CameraUnavailable, match="1456x1088"):
        open_on(world, "0,size=640x480")


def test_a_camera_without_modes_gives_what_it_is_asked_for(world: World) -> None:
    world.modes = [{"format": "MJPEG"}]
    assert open_on(world, "0,size=800x600").capture().width == 800
    assert open_on(world, "0").capture().width == 1600


# Memory.


def test_a_lent_frame_is_the_cameras_own_memory_and_cannot_be_written(world: World) -> None:
    with open_on(world, "0") as source, source.lend() as frame:
        camera = world.opened[0]
        assert np.shares_memory(frame.pixels, camera.memory("main"))
        assert not frame.pixels.flags.writeable


def test_a_captured_frame_is_a_copy_that_outlives_the_buffer(world: World) -> None:
    with open_on(world, "0") as source:
        frame = source.capture()
        assert not np.shares_memory(frame.pixels, world.opened[0].memory("main"))
        assert frame.pixels.flags.c_contiguous


def test_a_borrowed_frame_is_lent_where_a_camera_can(world: World) -> None:
    with open_on(world, "0") as source, borrowed(source) as frame:
        assert np.shares_memory(frame.pixels, world.opened[0].memory("main"))


def test_every_buffer_goes_back_also_when_the_work_on_it_fails(world: World) -> None:
    source = open_on(world, "0")
    for _ in range(10):
        with pytest.raises(ZeroDivisionError), source.lend():
            raise ZeroDivisionError
    assert world.opened[0].held == 0
    source.capture()


def test_where_memory_for_three_buffers_is_missing_two_must_do(world: World) -> None:
    world.memory_for = 2
    open_on(world, "0").capture()
    assert world.opened[0].asked["buffer_count"] == 2


def test_where_memory_for_two_is_missing_the_error_says_how_to_get_more(world: World) -> None:
    world.memory_for = 1
    with pytest.raises(CameraUnavailable, match="cma-512"):
        open_on(world, "0")
    assert world.events[-1] == "close"


def test_a_second_stream_of_the_same_exposure_can_be_had(world: World) -> None:
    world.scene_bgr = (90, 120, 160)
    with open_on(world, "0,lores=728x544") as source, source.lend_streams() as streams:
        assert streams.lores is not None
        assert streams.lores.shape == (544, 728, 3)  # the padding of its stride is gone
        assert np.abs(streams.lores.astype(int) - world.scene_bgr).max() <= 3
    with open_on(world, "0") as source, source.lend_streams() as streams:
        assert streams.lores is None


# Fresh frames.


def test_a_frame_exposed_before_the_question_is_not_the_answer(world: World) -> None:
    source = open_on(world, "0")
    world.frames_late = 4
    asked_ns = world.now_ns
    frame = source.capture()
    assert frame.sensor_timestamp_ns is not None
    assert frame.exposure_us is not None
    assert frame.sensor_timestamp_ns - 1000 * frame.exposure_us >= asked_ns


def test_a_frame_whose_exposure_began_before_the_question_is_old_although_it_was_read_out_after(
    world: World,
) -> None:
    world.frame_ns = 5_000_000  # shorter than the exposure of 12 ms: the first two frames began before
    source = open_on(world, "0")
    asked_ns = world.now_ns
    assert source.capture().sensor_timestamp_ns == asked_ns + 3 * world.frame_ns


def test_a_sensor_that_repeats_an_old_frame_is_an_error_and_not_an_endless_loop(world: World) -> None:
    source = open_on(world, "0")
    world.stands_still = True
    with pytest.raises(CameraUnavailable, match="old frame"):
        source.capture()
    assert world.opened[0].held == 0


# Settings.


def test_a_camera_opens_locked_to_the_settings_of_its_spec(world: World) -> None:
    frame = open_on(world, LOCKED).capture()
    assert frame.exposure_us == pytest.approx(10_000, abs=29)
    assert (frame.analogue_gain, frame.colour_gains) == (1.5, (1.9, 1.4))


def test_automatic_exposure_is_never_switched_off_by_name(world: World) -> None:
    open_on(world, LOCKED)
    assert "AeEnable" not in world.opened[0].set_at
    assert world.opened[0].in_force["ExposureTime"] == 344 * 29  # and so no old value was frozen


def test_an_exposure_longer_than_a_frame_is_not_cut_short(world: World) -> None:
    assert open_on(world, "0,exposure_us=80000").capture().exposure_us == pytest.approx(80_000, abs=29)


def test_locking_returns_when_the_frames_are_taken_so_and_not_when_it_was_asked(world: World) -> None:
    source = open_on(world, "0")
    before = world.opened[0].frames
    source.lock(CameraControls(exposure_us=5_000))
    assert world.opened[0].frames - before >= world.apply_after
    assert world.opened[0].in_force["ExposureTime"] == 5_000 // 29 * 29


def test_a_camera_that_does_not_take_its_settings_is_refused_and_freed(world: World) -> None:
    world.ignores_exposure = True
    with pytest.raises(CameraControlsRefused, match=r"exposure 12345 us instead of 10000 us"):
        open_on(world, LOCKED)
    assert world.events[-1] == "close"


def test_settings_that_something_else_changes_later_are_noticed_in_the_metadata(world: World) -> None:
    source = open_on(world, LOCKED)
    world.drifts_after = world.opened[0].frames
    with pytest.raises(CameraControlsRefused, match="lost its settings"):
        source.capture()


def test_a_setting_that_the_camera_does_not_offer_is_named(world: World) -> None:
    world.offered = tuple(name for name in CONTROLS if name != "ColourGains")
    with pytest.raises(CameraControlsRefused, match="ColourGains"):
        open_on(world, LOCKED)


# When it hangs.


def test_a_camera_that_hangs_is_told_and_its_job_is_taken_off_the_queue(world: World) -> None:
    source = open_on(world, "0")
    world.hangs = True
    with pytest.raises(CameraUnavailable, match="nothing came in time"):
        source.capture()
    assert world.opened[0].pending_jobs == 0
    source.close()
    assert world.events[-2:] == ["stop", "close"]


def test_a_fault_in_the_librarys_event_thread_is_told(world: World) -> None:
    source = open_on(world, "0")
    world.dies_with = RuntimeError("Camera frontend has timed out")
    with pytest.raises(CameraUnavailable, match="frontend has timed out"):
        source.capture()


def test_closing_a_camera_that_hangs_in_stop_has_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alledge.cameras.picamera2_source._CLOSE_LIMIT_S", 0.1)
    source = open_on(world, "0")
    world.hangs_in_stop = True
    start = time.perf_counter()
    source.close()
    assert time.perf_counter() - start < 1.0


def test_leaving_the_source_frees_the_camera_once(world: World) -> None:
    with open_on(world, "0") as source:
        pass
    source.close()
    assert world.events == ["start", "stop", "close"]


# Opening.


def test_without_picamera2_the_error_says_how_to_install_it() -> None:
    with pytest.raises(CameraUnavailable, match="python3-picamera2"):
        open_picamera2("0")


def test_a_camera_that_is_not_there_is_an_error_and_no_index_error(world: World) -> None:
    with pytest.raises(CameraUnavailable, match="ribbon cable"):
        open_picamera2("3")


def test_a_camera_that_another_program_holds_is_told_apart(world: World) -> None:
    world.is_taken = True
    with pytest.raises(CameraUnavailable, match="Another program has the camera"):
        open_picamera2("0")


@pytest.mark.parametrize(
    "index", ["", "one", "-1", "0;rm", "0,size=x", "0,gain=1", "0,red_gain=1", "0,exposure_us=0"]
)
def test_a_spec_that_is_no_camera_or_no_setting_is_refused(index: str) -> None:
    with pytest.raises(CameraUnavailable, match=r"picamera2:0"):
        open_picamera2(index)


def test_a_source_names_itself_without_its_settings(world: World) -> None:
    source = open_on(world, LOCKED)
    assert isinstance(source, Picamera2Source)
    assert source.capture().source == "picamera2:0"
