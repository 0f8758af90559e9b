"""A Raspberry Pi with nothing wrong, as files and answers; a test breaks one thing and calls the doctor."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from alledge import __version__
from alledge.calibration import Calibration, CameraControls, Scale, ScaleSource, save_calibration
from alledge.clock import ClockTrust, SystemClock, WallTime
from alledge.doctor import CHECKS, Finding, Probe, examine
from alledge.doctor.probe import Disk, Interpreter, with_settings
from alledge.illumination import Illumination
from alledge.install.files import service_files
from alledge.journal import JOURNAL_NAME, open_journal
from alledge.model_file import pack_model
from alledge.programs import Ran
from tests.edge.tiny_model import TinyNetwork, tiny_card, tiny_golden

NOW_S = 1_795_000_000.0
PROGRAM = "/opt/allscope/bin/alledge"
PYTHON = "/opt/allscope/bin/python"
DATA = "/var/lib/allscope"
MODEL = f"{DATA}/model.tflite"

MEMINFO = "MemTotal: 3884000 kB\nMemAvailable: 2900000 kB\nCmaTotal: 524288 kB\n"
CAMERAS = "Available cameras\n-----------------\n0 : imx477 [4056x3040 12-bit RGGB] (/base/soc/i2c0mux)\n"
UNIT_STATE = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNRestarts=0\nResult=success"


@dataclass
class Pi:
    """root: its files. answers: of commands, by their first words. Tests change either."""

    root: Path
    answers: dict[str, Ran] = field(default_factory=dict)
    interpreter: Interpreter = field(
        default_factory=lambda: Interpreter(
            PYTHON,
            (3, 13),
            64,
            "/opt/allscope",
            True,
            {"ai-edge-litert": "2.1.0", "numpy": "2.2.4", "opencv-python-headless": "4.12.0"},
        )
    )
    disk: Disk = field(default_factory=lambda: Disk(20 << 30, 1_000_000, 2_000_000, False))
    wall_s: float = NOW_S
    is_root: bool = True
    asked: list[str] = field(default_factory=list)

    def write(self, path: str, text: str | bytes) -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def remove(self, path: str) -> None:
        file = self.root / path.lstrip("/")
        shutil.rmtree(file) if file.is_dir() else file.unlink()

    def replace(self, path: str, old: str, new: str) -> None:
        file = self.root / path.lstrip("/")
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def answer(self, command: str, status: int | None = 0, out: str = "", err: str = "") -> None:
        self.answers[command] = Ran(status, out, err)

    def package(self, name: str, version: str | None) -> None:
        packages = {key: value for key, value in self.interpreter.packages.items() if key != name}
        if version:
            packages[name] = version
        self.interpreter = replace(self.interpreter, packages=packages)

    def run(self, command: Sequence[str], limit_s: float) -> Ran:
        assert 0 < limit_s <= 4
        said = " ".join(command)
        self.asked.append(said)
        fitting = [start for start in self.answers if said.startswith(start)]
        return self.answers[max(fitting, key=len)] if fitting else Ran(None, "", "No such file or directory")

    def probe(self) -> Probe:
        return with_settings(
            Probe(
                self.root,
                self.run,
                self.interpreter,
                lambda _path: self.disk,
                lambda: self.wall_s,
                self.is_root,
            )
        )

    def settings(self, line: str) -> None:
        self.write("/etc/allscope/alledge.toml", line + "\n")

    def finding(self, name: str) -> Finding:
        check = next(check for check in CHECKS if check.name == name)
        return check.look(self.probe())

    def findings(self) -> dict[str, Finding]:
        return {one.name: one.finding for one in examine(self.probe(), limit_s=60.0)}


def healthy_pi(root: Path) -> Pi:
    """A Pi 4 with an HQ camera, Trixie, and the service running."""
    pi = _answering(Pi(root))
    for placed in service_files(Path(PROGRAM)):
        pi.write(placed.target, placed.data)
    _files_of_the_system(pi)
    _files_of_the_service(pi)
    return pi


def copy_of(template: Path, root: Path) -> Pi:
    """A healthy Pi with the files of another."""
    shutil.copytree(template, root, symlinks=True)
    return _answering(Pi(root))


def _answering(pi: Pi) -> Pi:
    python = f"{PYTHON} -c"
    pi.answers = {
        "rpicam-hello --list-cameras": Ran(0, CAMERAS),
        "dpkg-query": Ran(0, "0.5.2+rpt20250903-1"),
        f"{python} import picamera2": Ran(0, "0.3.31"),
        f"{python} import numpy": Ran(0),
        "systemctl show -p": Ran(0, UNIT_STATE),
        "systemctl show -P MainPID": Ran(0, "812"),
        "systemctl show -P RuntimeWatchdogUSec": Ran(0, "15s"),
        "timedatectl": Ran(0, "yes"),
        "dmesg": Ran(0, "[    1.0] mmc0: new ultra high speed DDR50 SDXC card"),
    }
    return pi


def _files_of_the_system(pi: Pi) -> None:
    uid = os.getuid()
    pi.write("/etc/group", "root:x:0:\nvideo:x:44:pi,allscope\n")
    pi.write("/etc/passwd", f"root:x:0:0::/root:/bin/sh\nallscope:x:{uid}:{uid}::{DATA}:/usr/sbin/nologin\n")
    pi.write("/proc/meminfo", MEMINFO)
    pi.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 2097148 0 100\n")
    pi.write("/proc/sys/kernel/osrelease", "6.12.47+rpt-rpi-v8")
    pi.write("/boot/firmware/config.txt", "camera_auto_detect=1\ndtoverlay=vc4-kms-v3d,cma-512\n")
    pi.write("/sys/class/thermal/thermal_zone0/temp", "48000")
    pi.write("/sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    pi.write("/sys/devices/platform/soc/soc:firmware/get_throttled", "0")
    pi.write("/sys/class/rtc/rtc0/name", "rpi-rtc")
    pi.write("/dev/watchdog", "")
    pi.write("/run/systemd/timesync/synchronized", "")
    pi.write("/usr/lib/aarch64-linux-gnu/libcamera.so.0.5", "")
    pi.write("/opt/allscope/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = true\n")
    pi.write(PROGRAM, "#!/opt/allscope/bin/python\n")
    process(pi, 812, "alledge", parent=1)
    process(pi, 813, "python", parent=812, opens="/dev/video0")


def _files_of_the_service(pi: Pi) -> None:
    pi.write("/etc/allscope/alledge.toml", f'camera = "picamera2:0"\nmodel = "{MODEL}"\n')
    pi.write(MODEL, pack_model(TinyNetwork().build(), replace(tiny_card(), phantom=False), tiny_golden()))
    calibrate(pi)
    open_journal(pi.root / DATA.lstrip("/") / JOURNAL_NAME, SystemClock()).close()
    (pi.root / DATA.lstrip("/")).chmod(0o750)
    pi.write("/run/allscope/control.sock", "")
    pi.write("/run/allscope/status.json", status_of("running"))


def status_of(state: str, *troubles: dict[str, str], version: str = __version__) -> str:
    return json.dumps({"state": state, "troubles": list(troubles), "software_version": version})


def calibrate(
    pi: Pi, camera: str = "picamera2:0", age_days: float = 3.0, trust: ClockTrust = ClockTrust.SYNCHRONISED
) -> None:
    """Calibrates the microscope, some days ago."""
    calibration = Calibration(
        scale=Scale(0.1, 0.001, ScaleSource.STAGE_MICROMETER, 40),
        illumination=Illumination(np.full((9, 9, 3), 200.0, np.float32), 2028, 1520),
        controls=CameraControls(9994, 1.0, (1.8, 1.5)),
        white=(210.0, 211.0, 212.0),
        focus=1.0,
        objective="100x oil",
        camera=camera,
        software_version=__version__,
        wall=WallTime(NOW_S - age_days * 86_400, trust),
        sha256="",
    )
    save_calibration(calibration, np.full((8, 8, 3), 200, np.uint8), pi.root / DATA.lstrip("/"))


def process(pi: Pi, pid: int, name: str, parent: int, opens: str | None = None) -> None:
    """A process of the Pi, perhaps with a device open."""
    pi.write(f"/proc/{pid}/comm", name)
    pi.write(f"/proc/{pid}/stat", f"{pid} ({name}) S {parent} {pid} {pid} 0")
    folder = pi.root / f"proc/{pid}/fd"
    folder.mkdir(parents=True, exist_ok=True)
    if opens:
        (folder / "7").symlink_to(opens)


def slow(command: Sequence[str], limit_s: float) -> Ran:
    """A machine on which every command hangs."""
    del command
    time.sleep(limit_s)
    return Ran(None)
