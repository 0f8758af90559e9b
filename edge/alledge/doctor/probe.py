"""The only way from a check to the machine: files below a root, commands, and a few facts about ourselves.

Tests give a folder as root and a function that answers commands, and so put any fault of a Pi on any machine.
"""

import os
import platform
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Final

from alledge.errors import ConfigUnusable
from alledge.programs import Ran, Runner, run_program
from alledge.service.config import CONFIG_FILE, Config, parse_config

COMMAND_LIMIT_S: Final = 4.0
_LARGEST_FILE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """Room on the disk that holds a path."""

    free_bytes: int
    free_inodes: int
    inodes: int
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that we run in. bits: of its addresses. packages: distributions and their versions."""

    program: str
    version: tuple[int, int]
    bits: int
    prefix: str
    is_venv: bool
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Probe:
    """A machine to look at.

    root: where its files lie. run: runs its commands. disk: tells the room at a path, None where it cannot.
    wall_s: its wall clock. is_root: whether we may see everything. settings: of the service; config_error:
    why the file of settings cannot be used, None where it can or is missing.
    """

    root: Path
    run: Runner
    interpreter: Interpreter
    disk: Callable[[Path], Disk | None]
    wall_s: Callable[[], float]
    is_root: bool
    settings: Config = field(default_factory=Config)
    config_error: str | None = None

    def at(self, path: str | Path) -> Path:
        """A path of the machine as a path that can be opened."""
        return self.root / str(path).lstrip("/")

    def text(self, path: str | Path) -> str | None:
        """A small text file without the white space round it; None where it is missing or may not be read."""
        data = self.data(path)
        return None if data is None else data.decode("utf-8", errors="replace").strip("\n\0 ")

    def data(self, path: str | Path) -> bytes | None:
        """A small file, word for word; None where it is missing or may not be read."""
        try:
            with self.at(path).open("rb") as file:
                return file.read(_LARGEST_FILE)
        except OSError:
            return None

    def has(self, path: str | Path) -> bool:
        """Whether something is there; what may not be asked for counts as missing."""
        try:
            return self.at(path).exists()
        except OSError:
            return False

    def names(self, pattern: str) -> list[str]:
        """Paths of the machine that match a pattern, in order."""
        try:
            return sorted(
                "/" + str(path.relative_to(self.root)) for path in self.root.glob(pattern.lstrip("/"))
            )
        except OSError:
            return []

    def ask(self, *command: str, limit_s: float = COMMAND_LIMIT_S) -> Ran:
        """Runs a command."""
        return self.run(command, limit_s)

    def meminfo_mb(self, key: str) -> float | None:
        """A line of /proc/meminfo in MiB, None where it has none."""
        for line in (self.text("/proc/meminfo") or "").splitlines():
            name, _, value = line.partition(":")
            if name == key and value.split()[:1]:
                return int(value.split()[0]) / 1024
        return None


def probe_of_this_machine(config_file: Path = CONFIG_FILE, data: Path | None = None) -> Probe:
    """The machine that we run on, with the settings of its service."""
    probe = Probe(
        root=Path("/"),
        run=run_program,
        interpreter=this_interpreter(),
        disk=disk_at,
        wall_s=time.time,
        is_root=os.geteuid() == 0,
    )
    return with_settings(probe, config_file, data)


def with_settings(probe: Probe, config_file: Path = CONFIG_FILE, data: Path | None = None) -> Probe:
    """The probe with the service's settings, or with the reason why they cannot be used."""
    told, settings, error = probe.data(config_file), probe.settings, None
    if told is not None:
        try:
            settings = parse_config(told, str(config_file))
        except ConfigUnusable as refused:
            error = refused.what_happened
    if data is not None:
        settings = replace(settings, data=str(data))
    return replace(probe, settings=settings, config_error=error)


def this_interpreter() -> Interpreter:
    """The Python that we run in."""
    return Interpreter(
        program=sys.executable,
        version=(sys.version_info.major, sys.version_info.minor),
        bits=8 * struct.calcsize("P"),
        prefix=sys.prefix,
        is_venv=sys.prefix != sys.base_prefix,
        packages=_versions(_PACKAGES),
    )


def disk_at(path: Path) -> Disk | None:
    """Room at a path, or at the nearest folder above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        told = os.statvfs(path)
    except OSError:
        return None
    read_only = bool(told.f_flag & os.ST_RDONLY)
    return Disk(told.f_bavail * told.f_frsize, told.f_favail, told.f_files, read_only)


def machine_name() -> str:
    """The processor's name as the kernel tells it: aarch64, x86_64, armv7l."""
    return platform.machine()


_PACKAGES: Final = (
    "ai-edge-litert",
    "tflite-runtime",
    "numpy",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
    "picamera2",
    "rpi-libcamera",
    "allscope",
)


def _versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of the distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
