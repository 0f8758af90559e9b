"""Each thing that goes wrong on a Pi is found by name, with the command that mends it; a well one is well."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from alledge.clock import ClockTrust
from alledge.doctor import CHECKS, Check, Level, examine
from alledge.doctor.finding import fine
from alledge.install.files import TARGETS, package_files
from alledge.model_file import pack_model
from tests.edge.doctor.healthy_pi import (
    DATA,
    MODEL,
    PROGRAM,
    PYTHON,
    UNIT_STATE,
    Pi,
    calibrate,
    copy_of,
    healthy_pi,
    process,
    slow,
    status_of,
)
from tests.edge.tiny_model import TinyNetwork, tiny_card, tiny_golden

UNIT = "/etc/systemd/system/alledge.service"
PACKAGE_UNIT = "/usr/lib/systemd/system/alledge.service"
CONFIG = "/etc/allscope/alledge.toml"
SYSFS_THROTTLED = "/sys/devices/platform/soc/soc:firmware/get_throttled"
FAULT, WARNING = Level.FAULT, Level.WARNING


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a healthy Pi, made once."""
    return healthy_pi(tmp_path_factory.mktemp("pi")).root


@pytest.fixture
def pi(template: Path, tmp_path: Path) -> Pi:
    return copy_of(template, tmp_path / "pi")


def unit_state(pi: Pi, old: str, new: str) -> None:
    assert old in UNIT_STATE
    pi.answer("systemctl show -p", out=UNIT_STATE.replace(old, new))


def packaged(pi: Pi, *, keep_unit: bool = False) -> None:
    """The same Pi with the service from the Debian package, and perhaps with an older unit before it."""
    for target in TARGETS.values():
        if not (keep_unit and target in UNIT):
            pi.remove(target)
    for placed in package_files():
        pi.write(placed.target, placed.data)


def interpreter(pi: Pi, **changes: object) -> None:
    pi.interpreter = replace(pi.interpreter, **changes)  # type: ignore[arg-type]


def disk(pi: Pi, **changes: object) -> None:
    pi.disk = replace(pi.disk, **changes)  # type: ignore[arg-type]


def flip_a_bit(pi: Pi, path: str) -> None:
    data = bytearray((pi.root / path.lstrip("/")).read_bytes())
    data[len(data) // 2] ^= 1
    pi.write(path, bytes(data))


def model_with(pi: Pi, **changes: object) -> None:
    card = replace(tiny_card(), phantom=False)
    card = replace(card, **changes)  # type: ignore[arg-type]
    pi.write(MODEL, pack_model(TinyNetwork().build(), card, tiny_golden()))


def tear_the_journal(pi: Pi) -> None:
    file = pi.root / DATA.lstrip("/") / "journal.sqlite3"
    data = bytearray(file.read_bytes())
    data[4096 : 4096 * 3] = os.urandom(4096 * 2)
    file.write_bytes(bytes(data))


def user_is_somebody_else(pi: Pi) -> None:
    pi.replace("/etc/passwd", f"allscope:x:{os.getuid()}:", "allscope:x:49999:")


def nothing_keeps_the_clock(pi: Pi) -> None:
    pi.remove("/run/systemd/timesync/synchronized")
    pi.answer("timedatectl", out="no")


FAULTS: list[tuple[str, str, Level, Callable[[Pi], object], str]] = [
    # check, what is wrong, how bad, how it is made, what mends it
    (
        "camera-found",
        "no camera",
        FAULT,
        lambda p: p.answer("rpicam-hello --list-cameras", out="No cameras available!"),
        "ribbon",
    ),
    (
        "camera-found",
        "a camera too few",
        FAULT,
        lambda p: p.settings('camera = "picamera2:1"'),
        "picamera2:0",
    ),
    (
        "camera-found",
        "no USB microscope",
        FAULT,
        lambda p: p.settings('camera = "v4l2:/dev/video7"'),
        "plug",
    ),
    (
        "camera-two-stacks",
        "pip's beside apt's",
        FAULT,
        lambda p: p.package("rpi-libcamera", "0.5"),
        "uninstall",
    ),
    (
        "camera-two-stacks",
        "built by hand",
        FAULT,
        lambda p: p.write("/usr/local/lib/a/libcamera.so.0.4", ""),
        "rm ",
    ),
    (
        "camera-legacy-stack",
        "start_x",
        FAULT,
        lambda p: p.write("/boot/firmware/config.txt", "start_x=1"),
        "raspi-",
    ),
    (
        "camera-legacy-stack",
        "search off",
        FAULT,
        lambda p: p.replace("/boot/firmware/config.txt", "t=1", "t=0"),
        "sed",
    ),
    (
        "camera-held",
        "a stale process",
        FAULT,
        lambda p: process(p, 99, "python3", 1, "/dev/media0"),
        "sudo kill 99",
    ),
    (
        "camera-memory",
        "little CMA",
        FAULT,
        lambda p: p.replace("/proc/meminfo", "524288", "65536"),
        "cma-512",
    ),
    (
        "camera-permission",
        "not in video",
        FAULT,
        lambda p: p.replace("/etc/group", ",allscope", ""),
        "usermod -aG",
    ),
    ("camera-permission", "no group video", FAULT, lambda p: p.write("/etc/group", "root:x:0:"), "groupadd"),
    (
        "picamera2-import",
        "not installed",
        FAULT,
        lambda p: p.answer(
            f"{PYTHON} -c import picamera2", 1, err="ModuleNotFoundError: No module named 'picamera2'"
        ),
        "apt install python3-picamera2",
    ),
    (
        "numpy-abi",
        "apt's picamera2 under pip's numpy",
        FAULT,
        lambda p: p.answer(
            f"{PYTHON} -c import picamera2",
            1,
            err="ValueError: numpy.dtype size changed, may indicate binary incom",
        ),
        "pip uninstall -y numpy",
    ),
    (
        "venv-hides-apt",
        "an environment of its own",
        FAULT,
        lambda p: p.write("/opt/allscope/pyvenv.cfg", "include-system-site-packages = false"),
        "--system-site-packages",
    ),
    ("libcamera-version", "0.4.0", FAULT, lambda p: p.answer("dpkg-query", out="0.4.0-7"), "backports"),
    ("python-version", "3.9", FAULT, lambda p: interpreter(p, version=(3, 9)), "Bookworm"),
    ("python-version", "3.14", FAULT, lambda p: interpreter(p, version=(3, 14)), "Trixie"),
    ("userland-32-bit", "32 bits", FAULT, lambda p: interpreter(p, bits=32), "64-bit"),
    ("runtime-missing", "no wheel", FAULT, lambda p: p.package("ai-edge-litert", None), "pip install"),
    (
        "runtime-numpy",
        "tflite-runtime with numpy 2",
        FAULT,
        lambda p: interpreter(p, packages={"tflite-runtime": "2.14.0", "numpy": "2.1"}),
        "ai-edge-litert",
    ),
    (
        "opencv-variant",
        "two of them",
        FAULT,
        lambda p: p.package("opencv-python", "4.12"),
        "pip uninstall -y",
    ),
    (
        "opencv-variant",
        "with windows",
        WARNING,
        lambda p: interpreter(p, packages={"opencv-python": "4.12", "ai-edge-litert": "2.1"}),
        "opencv-python-headless",
    ),
    (
        "libraries-load",
        "no libGL",
        FAULT,
        lambda p: p.answer(
            f"{PYTHON} -c import numpy", 1, err="ImportError: libGL.so.1: cannot open shared object"
        ),
        "apt install libgl1",
    ),
    (
        "kernel-version",
        "5.15",
        FAULT,
        lambda p: p.write("/proc/sys/kernel/osrelease", "5.15.84-v8+"),
        "full-upgrade",
    ),
    ("under-voltage", "now", FAULT, lambda p: p.write(SYSFS_THROTTLED, "50001"), "power supply"),
    (
        "under-voltage-past",
        "since the start",
        WARNING,
        lambda p: p.write(SYSFS_THROTTLED, "10000"),
        "power supply",
    ),
    ("throttled", "now", FAULT, lambda p: p.write(SYSFS_THROTTLED, "4"), "fan"),
    ("throttled", "since the start", WARNING, lambda p: p.write(SYSFS_THROTTLED, "40000"), "fan"),
    (
        "temperature",
        "84 degrees",
        FAULT,
        lambda p: p.write("/sys/class/thermal/thermal_zone0/temp", "84000"),
        "fan",
    ),
    (
        "temperature",
        "77 degrees",
        WARNING,
        lambda p: p.write("/sys/class/thermal/thermal_zone0/temp", "77000"),
        "fan",
    ),
    ("memory-total", "512 MB", WARNING, lambda p: p.replace("/proc/meminfo", "3884000", "480000"), "2 GB"),
    (
        "memory-free",
        "100 MB left",
        FAULT,
        lambda p: p.replace("/proc/meminfo", "2900000", "100000"),
        "ps aux",
    ),
    ("clock-synchronised", "1970", FAULT, lambda p: setattr(p, "wall_s", 86_400.0), "set-time"),
    (
        "clock-synchronised",
        "nothing keeps it",
        WARNING,
        nothing_keeps_the_clock,
        "set-ntp",
    ),
    ("clock-battery", "none", WARNING, lambda p: p.remove("/sys/class/rtc"), "RTC"),
    ("hardware-watchdog", "no device", WARNING, lambda p: p.remove("/dev/watchdog"), "dtparam=watchdog=on"),
    (
        "hardware-watchdog",
        "not used",
        WARNING,
        lambda p: p.answer("systemctl show -P RuntimeWatchdogUSec", out="0"),
        "install-service",
    ),
    ("disk-space", "full", FAULT, lambda p: disk(p, free_bytes=5 << 20), "export"),
    ("disk-space", "nearly full", WARNING, lambda p: disk(p, free_bytes=500 << 20), "export"),
    ("disk-inodes", "few entries", FAULT, lambda p: disk(p, free_inodes=7), "du --inodes"),
    ("disk-read-only", "read-only", FAULT, lambda p: disk(p, is_read_only=True), "remount,rw"),
    (
        "card-errors",
        "I/O errors",
        FAULT,
        lambda p: p.answer("dmesg", out="[ 9.1] I/O error, dev mmcblk0, sector 81920 op 0x0:(READ)"),
        "replace the card",
    ),
    (
        "card-errors",
        "ext4",
        FAULT,
        lambda p: p.answer("dmesg", out="EXT4-fs error (device mmcblk0p2)"),
        "back up",
    ),
    ("data-folder", "missing", FAULT, lambda p: p.remove(DATA), "install-service"),
    ("data-folder", "somebody else's", FAULT, user_is_somebody_else, "chown -R"),
    ("data-folder", "open to all", WARNING, lambda p: (p.root / DATA[1:]).chmod(0o755), "chmod 750"),
    ("foreign-files", "root's journal", FAULT, user_is_somebody_else, "chown -R"),
    (
        "swap-on-card",
        "on the card",
        WARNING,
        lambda p: p.write("/proc/swaps", "Filename\n/var/swap file 102396 0 -2\n"),
        "dphys-swapfile",
    ),
    (
        "shared-memory",
        "a small limit",
        FAULT,
        lambda p: p.write("/sys/fs/cgroup/system.slice/alledge.service/memory.max", str(64 << 20)),
        "revert",
    ),
    ("service-installed", "not installed", FAULT, lambda p: p.remove(UNIT), "sudo alledge install-service"),
    (
        "service-outdated",
        "another version",
        WARNING,
        lambda p: p.replace(UNIT, "30s", "60s"),
        "install-service",
    ),
    ("service-outdated", "program gone", FAULT, lambda p: p.remove(PROGRAM), "install-service"),
    ("service-outdated", "somebody else's", WARNING, lambda p: p.write(UNIT, "[Unit]\n"), "move it away"),
    ("service-outdated", "hides the package's", WARNING, lambda p: packaged(p, keep_unit=True), "move"),
    (
        "service-outdated",
        "package changed",
        WARNING,
        lambda p: (packaged(p), p.replace(PACKAGE_UNIT, "30s", "60s")),
        "apt install --reinstall",
    ),
    (
        "data-folder",
        "missing under the package",
        FAULT,
        lambda p: (packaged(p), p.remove(DATA)),
        "apt install --reinstall",
    ),
    (
        "service-enabled",
        "disabled",
        FAULT,
        lambda p: unit_state(p, "enabled", "disabled"),
        "systemctl enable",
    ),
    ("service-enabled", "masked", FAULT, lambda p: unit_state(p, "enabled", "masked"), "unmask"),
    (
        "service-running",
        "failed",
        FAULT,
        lambda p: unit_state(p, "ActiveState=active", "ActiveState=failed"),
        "reset-",
    ),
    ("service-running", "stopped", FAULT, lambda p: unit_state(p, "=active", "=inactive"), "systemctl start"),
    (
        "service-restarts",
        "again and again",
        WARNING,
        lambda p: unit_state(p, "NRestarts=0", "NRestarts=9"),
        "journalctl",
    ),
    ("control-socket", "left behind", WARNING, lambda p: unit_state(p, "=active", "=inactive"), "pgrep"),
    ("control-socket", "missing", FAULT, lambda p: p.remove("/run/allscope/control.sock"), "restart"),
    (
        "service-trouble",
        "its own word",
        FAULT,
        lambda p: p.write(
            "/run/allscope/status.json",
            status_of("troubled", {"what": "The camera hung.", "next": "Check its cable."}),
        ),
        "Check its cable.",
    ),
    (
        "service-version",
        "an old one runs",
        WARNING,
        lambda p: p.write("/run/allscope/status.json", status_of("running", version="0.0.1")),
        "restart",
    ),
    ("settings", "no TOML", FAULT, lambda p: p.settings("camera = picamera2"), "nano"),
    ("settings", "cut short", FAULT, lambda p: p.write(CONFIG, "frames_per_s = 1"), "nano"),
    ("settings", "unknown key", FAULT, lambda p: p.settings('kamera = "picamera2:0"'), "nano"),
    ("camera-spec", "no camera", FAULT, lambda p: p.settings('camera = "webcam"'), "set `camera`"),
    (
        "camera-spec",
        "a wrong setting",
        FAULT,
        lambda p: p.settings('camera = "picamera2:0,gain=2"'),
        "Write",
    ),
    (
        "camera-spec",
        "a phantom",
        WARNING,
        lambda p: p.settings('camera = "phantom:seed=1"'),
        "set `camera`",
    ),
    ("model-missing", "missing", FAULT, lambda p: p.remove(MODEL), "sudo install -o allscope"),
    (
        "model-missing",
        "to be installed, and none was",
        FAULT,
        lambda p: p.write("/etc/allscope/alledge.toml", 'camera = "picamera2:0"\nmodel = "installed"\n'),
        "alledge model install",
    ),
    ("model-damaged", "a flipped bit", FAULT, lambda p: flip_a_bit(p, MODEL), "sudo install"),
    ("model-damaged", "no model at all", FAULT, lambda p: p.write(MODEL, "TFL3?"), "sudo install"),
    ("model-labels", "fitted on a phantom", FAULT, lambda p: model_with(p, phantom=True), "sudo install"),
    (
        "model-labels",
        "nothing is a finding",
        WARNING,
        lambda p: model_with(p, positive_labels=(), threshold=None, review_band=None),
        "sudo install",
    ),
    (
        "calibration-missing",
        "never",
        FAULT,
        lambda p: p.remove(f"{DATA}/calibration.json"),
        "alledge calibrate",
    ),
    (
        "calibration-damaged",
        "edited",
        FAULT,
        lambda p: p.replace(f"{DATA}/calibration.json", "100x oil", "40x"),
        "alledge calibrate",
    ),
    ("calibration-stale", "90 days old", WARNING, lambda p: calibrate(p, age_days=90), "alledge calibrate"),
    (
        "calibration-stale",
        "of another camera",
        FAULT,
        lambda p: calibrate(p, "v4l2:/dev/video0"),
        "alledge calibrate",
    ),
    (
        "calibration-stale",
        "by a wrong clock",
        WARNING,
        lambda p: calibrate(p, trust=ClockTrust.WRONG),
        "calibrate",
    ),
    ("journal-damaged", "overwritten", FAULT, tear_the_journal, "verify-log"),
]


def test_a_healthy_pi_is_well(pi: Pi) -> None:
    assert {name: found for name, found in pi.findings().items() if found.level is not Level.FINE} == {}


def test_a_pi_with_the_debian_package_is_as_well(pi: Pi) -> None:
    packaged(pi)
    assert {name: found for name, found in pi.findings().items() if found.level is not Level.FINE} == {}


@pytest.mark.parametrize(
    ("check", "level", "break_it", "mend"),
    [(check, level, make, mend) for check, _, level, make, mend in FAULTS],
    ids=[f"{check}: {what}" for check, what, *_ in FAULTS],
)
def test_a_fault_is_found_by_name_and_comes_with_what_mends_it(
    pi: Pi, check: str, level: Level, break_it: Callable[[Pi], object], mend: str
) -> None:
    break_it(pi)
    found = pi.finding(check)
    assert found.level is level, found
    assert mend in found.mend


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {check for check, *_ in FAULTS} == {check.name for check in CHECKS}
    assert len({(check, what) for check, what, *_ in FAULTS}) >= 30


def test_no_check_fails_on_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    findings = Pi(tmp_path, is_root=False).findings()
    assert not [found for found in findings.values() if "itself failed" in found.what]


def test_whatever_is_not_fine_says_what_to_do_or_that_it_cannot_be_told(tmp_path: Path) -> None:
    for found in Pi(tmp_path).findings().values():
        assert found.mend or found.level in (Level.FINE, Level.UNKNOWN), found


def test_a_machine_on_which_everything_hangs_is_told_of_in_five_seconds(pi: Pi) -> None:
    start = time.perf_counter()
    examined = examine(replace(pi.probe(), run=slow))
    assert time.perf_counter() - start < 5.0
    assert len(examined) == len(CHECKS)


def test_a_check_that_fails_hides_no_other(pi: Pi) -> None:
    def fails(_probe: object) -> None:
        raise ZeroDivisionError

    checks = (Check("broken", fails), Check("sound", lambda _: fine("yes")))  # type: ignore[arg-type]
    broken, sound = examine(pi.probe(), checks)
    assert "itself failed" in broken.finding.what
    assert sound.finding.what == "yes"


def test_the_firmwares_tool_answers_where_the_kernel_has_no_file(pi: Pi) -> None:
    pi.remove(SYSFS_THROTTLED)
    pi.answer("vcgencmd get_throttled", out="throttled=0x50005")
    assert {pi.finding(name).level for name in ("under-voltage", "throttled")} == {FAULT}


def test_the_services_own_camera_process_is_no_stranger(pi: Pi) -> None:
    assert pi.finding("camera-held").level is Level.FINE
    pi.answer("systemctl show -P MainPID", out="0")
    assert pi.finding("camera-held").mend == "sudo kill 813"
