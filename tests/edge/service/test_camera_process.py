"""Real processes: a camera that hangs, dies, stands still or is stopped never makes anybody wait."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alledge.service.camera_process import CameraProcess, limits_for, policy_for
from alledge.service.ring import Claimed, OverwritePolicy, Phase

PHANTOM = "phantom:seed=1,width=160,height=120,n_red_cells=2"
MOST_FRAME_BYTES = 200 * 200 * 3


@pytest.fixture
def camera(request: pytest.FixtureRequest) -> Iterator[CameraProcess]:
    camera = CameraProcess(request.param, max_frame_bytes=MOST_FRAME_BYTES)
    yield camera
    camera.close()


def next_frame(camera: CameraProcess, limit_s: float = 30.0) -> Claimed:
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        camera.wait(0.2)
        claimed = camera.take()
        if claimed is not None:
            return claimed
    raise AssertionError(f"no frame: {camera.vital_signs()}")


def wait_until(true: object, limit_s: float = 30.0) -> None:
    assert callable(true)
    end_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.mark.parametrize("camera", [PHANTOM], indirect=True)
def test_frames_come_from_another_process_and_go_on_after_it_was_killed(camera: CameraProcess) -> None:
    camera.start()
    assert next_frame(camera).sequence == 1
    camera.release()
    assert camera.pid is not None
    os.kill(camera.pid, signal.SIGKILL)
    wait_until(lambda: not camera.vital_signs().is_running)
    before = camera.captured
    camera.kill()
    camera.start()
    assert next_frame(camera).sequence > before >= 1
    camera.release()


@pytest.mark.parametrize(
    "camera", [f"faulty:{kind},after=1|{PHANTOM}" for kind in ("hang", "stand-still")], indirect=True
)
def test_a_hung_camera_shows_no_heart_beat_and_is_killed_at_once(camera: CameraProcess) -> None:
    camera.start()
    next_frame(camera)
    camera.release()
    wait_until(lambda: camera.vital_signs().phase is Phase.CAPTURING)
    beat_ns = camera.vital_signs().heart_beat_ns
    time.sleep(0.3)
    assert camera.vital_signs().heart_beat_ns == beat_ns
    began_s = time.monotonic()
    camera.kill()
    assert time.monotonic() - began_s < 0.5
    assert not camera.vital_signs().is_running


@pytest.mark.parametrize("camera", [f"faulty:hang-in-stop,after=1|{PHANTOM}"], indirect=True)
def test_a_camera_that_hangs_in_stop_has_said_before_why_it_failed(camera: CameraProcess) -> None:
    camera.start()
    next_frame(camera)
    camera.release()
    wait_until(lambda: camera.vital_signs().failure is not None)
    failure = camera.vital_signs().failure
    assert failure is not None
    assert failure.code == "camera-unavailable"
    began_s = time.monotonic()
    camera.kill()
    assert time.monotonic() - began_s < 0.5


@pytest.mark.parametrize("camera", ["webcam", "file:nowhere"], indirect=True)
def test_a_camera_that_cannot_be_opened_says_why(camera: CameraProcess) -> None:
    camera.start()
    wait_until(lambda: camera.vital_signs().failure is not None)
    failure = camera.vital_signs().failure
    assert failure is not None
    assert failure.code in ("camera-unavailable", "path-unusable")
    assert failure.next_step


def test_the_cameras_process_dies_with_the_service_even_when_it_hangs(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from alledge.service.camera_process import CameraProcess\n"
        f"camera = CameraProcess('faulty:hang|{PHANTOM}', max_frame_bytes=60000)\n"
        "camera.start(); print(camera.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        service.kill()
    wait_until(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def test_cameras_overwrite_and_archives_wait() -> None:
    assert (
        policy_for("picamera2:0") is policy_for("faulty:hang|v4l2:/dev/video0") is OverwritePolicy.NEWEST_WINS
    )
    assert policy_for("phantom:") is policy_for("file:a") is OverwritePolicy.WAIT


def test_a_renderer_that_is_slow_is_not_taken_for_a_camera_that_hangs() -> None:
    assert limits_for("phantom:slide=1", 20.0, 5.0).capture_s == 25.0
    assert limits_for("picamera2:0", 20.0, 5.0).capture_s == 5.0
    assert limits_for("faulty:hang|phantom:", 20.0, 0.5).capture_s == 0.5
