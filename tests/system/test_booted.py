"""The unit that `alledge install-service` installs, under a real systemd as PID 1, and what befalls it there.

Needs root and a folder that `scripts/virtual-camera` has made, named by ALLSCOPE_BOOT_ROOT;
`scripts/boot-trial` runs this and prints how long each thing took. The trials share one machine, in turn.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from alledge.cameras import open_camera
from alledge.install.files import TARGETS
from tests.system.booted.container import Container
from tests.system.booted.device import DATA, PROGRAM, Device
from tests.system.booted.times import Times

ROOT = os.environ.get("ALLSCOPE_BOOT_ROOT", "")
HERE = Path(__file__).parent
# A hand moves a small slide; a field of it takes a second to render, and the first a few.
PHANTOM = "phantom:slide=3,hand=1,width_px=320,height_px=240,pixel_um=0.2,n_lymphocytes=3,n_blasts_l1=2"
CAPTURE_S = 15
WATCHDOG_S = 30.0

pytestmark = [
    pytest.mark.skipif(not ROOT, reason="ALLSCOPE_BOOT_ROOT is not set; see scripts/boot-trial"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine can be booted by root only"),
    pytest.mark.skipif(
        shutil.which("systemd-nspawn") is None,
        reason="systemd-nspawn is not installed (Debian package systemd-container)",
    ),
]


@pytest.fixture(scope="module")
def device(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, model_bytes: bytes, times: Times
) -> Iterator[Device]:
    """A machine that booted with nothing of ours but the program."""
    machine = Container(Path(ROOT), tmp_path_factory.mktemp("booted"))
    try:
        machine.build()
        machine.install(wheel)
        machine.boot()
        yield Device(machine)
    finally:
        machine.destroy()


@pytest.fixture
def counting(device: Device) -> Device:
    """The device with its service at work, whatever the trial before left."""
    if device.unit().active != "active":
        device.tell("reset-failed", "alledge")
        device.tell("start", "alledge")
    device.wait_for_fields()
    return device


def test_install_service_makes_it_a_service_of_this_machine(
    device: Device, model_bytes: bytes, times: Times
) -> None:
    device.machine.run(PROGRAM, "install-service").must_succeed()
    device.machine.inside(f"{DATA}/model.tflite").write_bytes(model_bytes)
    device.use_camera(PHANTOM, capture_s=CAPTURE_S)
    assert device.machine.run("systemctl", "is-enabled", "alledge").out == "enabled"
    assert device.machine.run("stat", "-c", "%U:%a", DATA).out == "allscope:750"


def test_a_model_with_a_flipped_bit_never_gets_ready(device: Device, model_bytes: bytes) -> None:
    file = device.machine.inside(f"{DATA}/model.tflite")
    broken = bytearray(model_bytes)
    broken[len(broken) // 3] ^= 1
    file.write_bytes(broken)
    started = device.machine.run("systemctl", "start", "alledge")
    device.machine.run("systemctl", "stop", "alledge")
    file.write_bytes(model_bytes)
    assert started.status != 0
    shown = device.machine.run("systemctl", "show", "alledge", "-p", "ActiveEnterTimestampMonotonic")
    assert shown.out == "ActiveEnterTimestampMonotonic=0"
    assert "error[model-damaged]" in device.log()
    device.machine.run("systemctl", "reset-failed", "alledge")


def test_it_starts_and_is_ready_after_the_golden_vectors(device: Device, times: Times) -> None:
    began_s = time.monotonic()
    device.tell("start", "alledge")
    ready_s = time.monotonic() - began_s
    times.note("`systemctl start`", ready_s, ready_s + device.wait_for_fields())
    log = device.log()
    assert log.index("self-test passed") < log.index("Started alledge.service")


def test_no_right_comes_back_with_the_system(counting: Device) -> None:
    """What the unit takes away is gone in the process, not only in the file."""
    told = dict(
        line.split(":\t", 1)
        for line in counting.machine.run("cat", f"/proc/{counting.unit().pid}/status").out.splitlines()
        if ":\t" in line
    )
    assert told["NoNewPrivs"] == "1"
    assert told["Seccomp"] == "2"
    assert int(told["CapBnd"], 16) == 0
    assert told["Uid"].split()[0] != "0"


def test_killed_it_comes_back_and_counts(counting: Device, times: Times) -> None:
    before = counting.unit()
    began_s = time.monotonic()
    counting.signal("KILL", before.pid)
    ready_s = counting.wait_for_ready(other_than=before.pid)
    counting.wait_for_fields()
    times.note("SIGKILL of the service", ready_s, time.monotonic() - began_s)
    assert counting.unit().restarts == before.restarts + 1
    assert counting.verify()["broken"] is None


def test_without_its_camera_process_it_takes_another_and_goes_on(counting: Device, times: Times) -> None:
    service, camera = counting.unit().pid, counting.camera_pid()
    began_s = time.monotonic()
    counting.signal("KILL", camera)
    counting.wait(lambda: counting.camera_pid() not in {0, camera}, "another camera process")
    counting.wait_for_fields()
    times.note("SIGKILL of the camera's process", None, time.monotonic() - began_s)
    assert counting.unit().pid == service, counting.log()[-3000:]


def test_standing_still_it_is_replaced_by_the_watchdog(counting: Device, times: Times) -> None:
    before = counting.unit()
    began_s = time.monotonic()
    counting.signal("STOP", before.pid)
    ready_s = counting.wait_for_ready(other_than=before.pid)
    counting.wait_for_fields()
    times.note(f"SIGSTOP of the service, {WATCHDOG_S:.0f} s of watchdog", ready_s, time.monotonic() - began_s)
    assert ready_s < WATCHDOG_S + 15.0
    assert "Watchdog timeout" in counting.log()


def test_a_full_disk_is_told_and_lived_through(counting: Device, times: Times) -> None:
    before = counting.unit()
    filler = counting.machine.inside("/var/filler")
    counting.machine.fill(filler)
    counting.wait(lambda: any(code.startswith("journal-") for code in counting.troubles()), "a full journal")
    began_s = time.monotonic()
    filler.unlink()
    counting.wait_for_fields()
    times.note("disk full, from space again", None, time.monotonic() - began_s)
    counting.wait(lambda: not counting.troubles(), "free of troubles")
    assert counting.unit() == before
    assert counting.verify()["broken"] is None


def test_killed_with_all_of_its_machine_it_counts_after_the_next_boot(counting: Device, times: Times) -> None:
    """Without the loss of memory, which only `test_power_cut` has."""
    head = counting.verify()["head"]
    counting.machine.cut()
    began_s = time.monotonic()
    counting.machine.boot()
    counting.wait_for_ready()
    ready_s = time.monotonic() - began_s
    counting.wait_for_fields()
    times.note("SIGKILL of the machine, boot", ready_s, time.monotonic() - began_s)
    assert counting.verify("--head", head)["broken"] is None


def test_it_stops_within_its_limit_with_all_frames_accounted_for(counting: Device, times: Times) -> None:
    began_s = time.monotonic()
    counting.tell("stop", "alledge")
    times.note("`systemctl stop`, until gone", time.monotonic() - began_s)
    assert time.monotonic() - began_s < 5.0
    assert (counting.unit().active, counting.unit().result) == ("inactive", "success")
    told = re.findall(
        r"captured (\d+) = analysed (\d+) .*?\+ dropped (\d+).*?\+ in flight (\d+)", counting.log()
    )
    captured, *rest = map(int, told[-1])
    assert captured == sum(rest) > 0


def test_libcameras_virtual_camera_works_under_all_restrictions(device: Device, times: Times) -> None:
    """The real picamera2 and libcamera in the service's sandbox; only memory and display are stand-ins."""
    give_virtual_camera(device.machine)
    device.tell("stop", "alledge")
    device.use_camera("picamera2:0,size=1640x1232", capture_s=5)
    began_s = time.monotonic()
    device.tell("start", "alledge")
    ready_s = time.monotonic() - began_s
    device.wait_for_fields(1)
    times.note(
        "`systemctl start`, picamera2 on libcamera's virtual camera", ready_s, time.monotonic() - began_s
    )
    assert not {code for code in device.troubles() if code.startswith("camera-")}
    service, camera = device.unit().pid, device.camera_pid()
    began_s = time.monotonic()
    device.signal("STOP", camera)
    device.wait(lambda: device.camera_pid() not in {0, camera}, "another camera process")
    device.wait_for_fields()
    times.note("SIGSTOP of the camera's process, picamera2, `capture_s` 5", None, time.monotonic() - began_s)
    assert device.unit().pid == service, device.log()[-3000:]
    device.tell("stop", "alledge")
    device.use_camera(PHANTOM, capture_s=CAPTURE_S)


def test_the_page_is_served_to_this_machine_and_its_end_touches_no_counting(
    counting: Device, times: Times
) -> None:
    before = counting.unit().pid
    counting.machine.run(PROGRAM, "install-service", "--page").must_succeed()
    began_s = time.monotonic()
    counting.tell("start", "alledge-page")
    counting.wait(lambda: fetch(counting, "/"), "a page")
    times.note("`systemctl start alledge-page`, until it answers", time.monotonic() - began_s)
    page = counting.unit("alledge-page").pid
    began_s = time.monotonic()
    counting.signal("KILL", page)
    counting.wait(lambda: counting.unit("alledge-page").pid not in {0, page}, "another page")
    counting.wait(lambda: fetch(counting, "/"), "a page again")
    times.note("SIGKILL of the page, until it answers", time.monotonic() - began_s)
    counting.wait_for_fields()
    assert counting.unit().pid == before


def test_the_page_gives_orders_and_writes_persons_words_under_all_restrictions(counting: Device) -> None:
    """Over the control socket, and into the journal."""
    shutil.copy(HERE / "booted" / "visitor.py", counting.machine.inside("/srv/visitor.py"))
    counting.tell("start", "alledge-page")
    counting.wait(lambda: fetch(counting, "/"), "a page")
    before = counting.verify()["n_events"]
    said = json.loads(counting.machine.run("python3", "/srv/visitor.py").must_succeed().out)
    assert (said["paused"]["done"], said["resumed"]["done"]) == (True, True)
    assert said["status"]["ledger"]["captured"] > 0
    assert said["slides"]["slides"]
    assert counting.verify()["n_events"] >= before + 2


def fetch(device: Device, path: str) -> str:
    """What the page answers inside; nothing where it does not."""
    ask = f"urllib.request.urlopen('http://127.0.0.1:8311{path}', timeout=5).read().decode()"
    return device.machine.run("python3", "-c", f"import urllib.request; print({ask})").out


def test_uninstalling_stops_it_and_leaves_what_was_measured(counting: Device) -> None:
    before = counting.verify()
    counting.machine.run(PROGRAM, "uninstall-service").must_succeed()
    assert {counting.unit(name).active for name in ("alledge", "alledge-page")} == {"inactive"}
    assert not [place for place in TARGETS.values() if counting.machine.inside(place).exists()]
    after = counting.verify("--head", before["head"])
    assert after["n_fields"] >= before["n_fields"] > 0
    assert counting.machine.inside("/etc/allscope/alledge.toml").exists()


def give_virtual_camera(machine: Container) -> None:
    """Fields for libcamera's virtual camera, and our stand-ins for what only hardware has."""
    frames = machine.inside("/srv/frames")
    frames.mkdir(exist_ok=True)
    with open_camera("phantom:seed=5,width_px=1640,height_px=1232") as source:
        for index in range(4):
            assert cv2.imwrite(str(frames / f"{index}.jpg"), source.capture().pixels)
    packages = next(machine.inside("/opt/allscope/lib").glob("python3*/site-packages"))
    shutil.copy(HERE / "virtual_camera" / "shim.py", packages / "virtual_camera_shim.py")
    # A service cannot be told to import the shim first: the library itself does so, in this layer only.
    library = packages / "picamera2" / "__init__.py"
    library.write_text(f"{STAND_IN_FOR_A_DISPLAY}{library.read_text()}\nimport virtual_camera_shim\n")


STAND_IN_FOR_A_DISPLAY = """import sys, unittest.mock
sys.modules["pykms"] = unittest.mock.MagicMock()
"""
