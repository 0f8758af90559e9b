"""A stop returns within half a second whatever hangs, as real processes and by the clock."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alledge.journal import JOURNAL_NAME
from tests.system.processes import run_command
from tests.system.running_service import (
    CAMERA,
    PATIENCE_S,
    STOPPED_WITHIN_S,
    Service,
    Start,
    model_file,
    start,
)

__all__ = ["model_file", "start"]


def camera_of(service: Service) -> int:
    """Process of the camera."""
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def wait_until(true: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def must_be_gone(pid: int) -> None:
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or state_of(pid) in "ZX")


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def must_stop(service: Service) -> None:
    returncode, said, took_s = service.stop()
    assert (returncode, took_s < STOPPED_WITHIN_S) == (0, True), f"{took_s:.2f} s: {said}"


@pytest.mark.parametrize("kind", ["hang", "hang-in-stop", "stand-still", "die"])
def test_with_a_camera_that_fails(start: Start, kind: str) -> None:
    service = start(f"faulty:{kind},after=1|{CAMERA}")
    service.wait_for_fields(1)
    time.sleep(0.3)  # it is in its fault now, and not noticed yet
    must_stop(service)


def test_with_a_camera_that_was_stopped_by_a_signal(start: Start) -> None:
    service = start()
    service.wait_for_fields(1)
    camera = camera_of(service)
    os.kill(camera, signal.SIGSTOP)
    must_stop(service)
    must_be_gone(camera)


def test_with_a_camera_that_never_opens(start: Start) -> None:
    service = start("v4l2:/dev/video99")
    service.wait_for_trouble("camera-unavailable")
    must_stop(service)


def test_with_a_journal_that_another_process_holds(start: Start) -> None:
    service = start()
    service.wait_for_fields(1)
    with sqlite3.connect(service.folder / JOURNAL_NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(0.5)  # the loop waits for the lock now
        must_stop(service)
        other.execute("ROLLBACK")
    other.close()
    run_command("alledge", "verify-log", "--data", service.folder).must_succeed()


def test_as_soon_as_it_is_ready(start: Start) -> None:
    service = start()
    service.wait(lambda status: status["slide"]["number"], "a slide")
    must_stop(service)


def test_asked_twice_with_both_signals(start: Start) -> None:
    service = start()
    service.wait_for_fields(1)
    service.process.send_signal(signal.SIGINT)
    must_stop(service)
