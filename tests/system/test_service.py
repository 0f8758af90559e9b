"""`alledge run` as a real process: what it says, what it stores, and that nothing on earth makes it hang."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from alledge.journal import JOURNAL_NAME
from alledge.journal.reading import JournalReader
from tests.system.processes import run_command
from tests.system.running_service import (
    CAMERA,
    PATIENCE_S,
    STOPPED_WITHIN_S,
    Start,
    codes,
    model_file,
    start,
)

__all__ = ["model_file", "start"]


def fields_stored(folder: Path) -> int:
    with JournalReader(folder / JOURNAL_NAME) as reader:
        return sum(sum(1 for _ in reader.all_fields(slide.slide_id)) for slide in reader.slides())


def must_verify(folder: Path) -> None:
    run_command("alledge", "verify-log", "--data", folder).must_succeed()


def test_it_stores_fields_tells_them_and_stops_at_once_when_asked(start: Start) -> None:
    service = start()
    status = service.wait_for_fields(3)
    assert status["model"]["name"] == "tiny"
    assert status["slide"]["identifier"] == "A 17"
    assert status["last_field"]["number"] > 0
    returncode, said, took_s = service.stop()
    assert returncode == 0, said
    assert took_s < STOPPED_WITHIN_S
    captured, analysed, dropped, in_flight = map(
        int,
        re.search(r"captured (\d+) = analysed (\d+) .*dropped (\d+).* in flight (\d+)", said).groups(),  # type: ignore[union-attr]
    )
    assert captured == analysed + dropped
    assert in_flight == 0
    assert fields_stored(service.folder) == analysed >= 3
    must_verify(service.folder)


def test_an_archive_is_served_whole_and_its_end_is_no_trouble(start: Start, tmp_path: Path) -> None:
    from alledge.images import encode_image
    from alledge.phantom import parse_phantom_spec, render_field

    archive = tmp_path / "archive"
    archive.mkdir()
    for seed in range(4):
        pixels = render_field(parse_phantom_spec(CAMERA.replace("seed=1", f"seed={seed}"))).pixels
        (archive / f"{seed}.png").write_bytes(encode_image(pixels, ".png"))
    service = start(f"file:{archive}")
    status = service.wait_for_fields(4)
    assert status["ledger"]["captured"] == 4
    time.sleep(1.0)
    assert codes(service.status()) == set()
    assert service.stop()[0] == 0
    assert fields_stored(service.folder) == 4


def test_a_damaged_image_does_not_keep_an_archive_from_its_end(start: Start, tmp_path: Path) -> None:
    from alledge.images import encode_image
    from alledge.phantom import parse_phantom_spec, render_field

    archive = tmp_path / "Bilder vom Montag, Müller"
    archive.mkdir()
    for seed in range(3):
        pixels = render_field(parse_phantom_spec(CAMERA.replace("seed=1", f"seed={seed}"))).pixels
        (archive / f"{seed} ä.png").write_bytes(encode_image(pixels, ".png"))
    half = archive / "1 ä.png"
    half.write_bytes(half.read_bytes()[:2000])
    service = start(f"file:{archive}")
    status = service.wait_for_trouble("images-skipped")
    assert status["ledger"]["analysed"] == 2
    time.sleep(1.0)
    assert service.status()["ledger"]["captured"] == 2, "it does not begin anew"
    _, said, _ = service.stop()
    assert said.count("1 ä.png is no usable image") == 1


def test_orders_are_obeyed(start: Start) -> None:
    service = start()
    service.wait_for_fields(1)
    assert service.tell("pause")["done"]
    service.wait(lambda status: "paused" in status["ledger"]["dropped"], "paused")
    assert service.tell("resume")["done"]
    assert service.tell("new-slide", "B 18")["done"]
    service.wait(lambda status: status["slide"]["identifier"] == "B 18" and status["slide"]["number"], "B 18")
    run_command("alledge", "tell", "dance", "--runtime", service.folder).must_refuse("control-refused")
    service.tell("stop")
    service.process.communicate(timeout=20.0)
    assert service.process.returncode == 0
    run_command("alledge", "tell", "status", "--runtime", service.folder).must_refuse("service-unreachable")
    with JournalReader(service.folder / JOURNAL_NAME) as reader:
        assert {slide.identifier for slide in reader.slides()} == {"A 17", "B 18"}


@pytest.mark.parametrize(
    ("kind", "code"), [("hang", "camera-hung"), ("stand-still", "camera-hung"), ("die", "camera-died")]
)
def test_a_camera_that_fails_is_replaced_and_work_goes_on(start: Start, kind: str, code: str) -> None:
    service = start(f"faulty:{kind},after=2|{CAMERA}")
    service.wait_for_trouble(code)
    before = service.status()["ledger"]["analysed"]
    service.wait_for_fields(before + 1)
    returncode, said, took_s = service.stop()
    assert (returncode, took_s < STOPPED_WITHIN_S) == (0, True), said


def test_a_stop_does_not_wait_for_a_camera_that_hangs(start: Start) -> None:
    service = start(f"faulty:hang-in-stop,after=1|{CAMERA}")
    service.wait_for_fields(1)
    returncode, said, took_s = service.stop()
    assert (returncode, took_s < STOPPED_WITHIN_S) == (0, True), said


def test_a_dead_camera_is_told_and_feeds_the_watchdog_as_a_known_reason(start: Start, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(PATIENCE_S)
        service = start("v4l2:/dev/video99", NOTIFY_SOCKET=address, WATCHDOG_USEC="30000000")
        assert systemd.recv(500).startswith(b"READY=1")
        service.wait_for_trouble("camera-unavailable")
        heard = {systemd.recv(500) for _ in range(20)}
        assert b"WATCHDOG=1" in heard
        assert service.stop()[0] == 0


def test_kill_9_in_a_loop_loses_nothing_that_was_acknowledged(start: Start) -> None:
    acknowledged = 0
    for _ in range(4):
        service = start()
        number = service.wait_for_fields(2)["last_field"]["number"]
        service.process.kill()
        service.process.communicate()
        with JournalReader(service.folder / JOURNAL_NAME) as reader:
            assert reader.head().count >= number > acknowledged
        acknowledged = number
        must_verify(service.folder)
    assert not any("allscope" in name.name for name in Path("/dev/shm").iterdir())


def test_two_services_never_share_a_data_folder(start: Start) -> None:
    service = start()
    service.wait_for_fields(1)
    second = start()
    _, err = second.process.communicate(timeout=PATIENCE_S)
    assert second.process.returncode == 2
    assert "error[already-running]" in err


def test_a_full_disk_is_told_and_results_wait_until_there_is_room(start: Start, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        service = start(data=small, runtime=tmp_path / "run")
        service.wait_for_fields(1)
        ballast = small / "ballast"
        with ballast.open("wb") as file:
            while True:
                try:
                    file.write(bytes(65_536))
                    file.flush()
                except OSError:
                    break
        end_s = time.monotonic() + PATIENCE_S
        while "journal-full" not in codes(service.tell("status")):  # the status file is full as well
            assert time.monotonic() < end_s
        ballast.unlink()
        before = service.tell("status")["ledger"]["analysed"]
        service.wait(lambda status: status["ledger"]["analysed"] > before + 1, "recovered")
        assert service.stop()[0] == 0
        must_verify(small)
    finally:
        service.process.kill()
        service.process.communicate()
        subprocess.run(["umount", "-l", str(small)], check=True)
