"""A machine of its own to try the service on: Debian in a container, systemd as its PID 1, on a small disk.

The root is one that `scripts/virtual-camera` made and is never written to: a layer on a file system of its
own, small enough to be filled, lies over it.
"""

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

BOOT_S = 60.0
DISK_MIB = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command inside said."""

    status: int
    out: str
    err: str

    def must_succeed(self) -> "Answer":
        assert self.status == 0, f"exit {self.status}\n{self.out}\n{self.err}"
        return self


def on_host(*command: object) -> str:
    """A command that must succeed, on this machine."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout


@dataclass
class Container:
    """One machine, from `build` to `destroy`; what it writes lies below `folder`."""

    base: Path
    folder: Path
    disk_mib: int = DISK_MIB
    _leader: int = 0
    _nspawn: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def tree(self) -> Path:
        """Its root, as seen from here."""
        return self.folder / "tree"

    @property
    def leader(self) -> int:
        """The first of its processes, as seen from here."""
        return self._leader

    def build(self) -> None:
        disk, layer = self.folder / "disk.img", self.folder / "disk"
        self.tree.mkdir(parents=True)
        layer.mkdir()
        with disk.open("wb") as file:
            file.truncate(self.disk_mib << 20)
        on_host("mkfs.ext4", "-q", "-m", 0, disk)
        on_host("mount", "-o", "loop", disk, layer)
        for name in ("upper", "work"):
            (layer / name).mkdir()
        layers = f"lowerdir={self.base},upperdir={layer / 'upper'},workdir={layer / 'work'}"
        on_host("mount", "-t", "overlay", "overlay", "-o", layers, self.tree)

    def install(self, wheel: Path) -> None:
        """Puts allscope into the virtual environment of the root, as pip does on a device."""
        shutil.copy(wheel, self.tree / "srv" / wheel.name)
        pip = ["/opt/allscope/bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        on_host("chroot", self.tree, *pip, "--disable-pip-version-check", f"/srv/{wheel.name}")

    def boot(self) -> float:
        """Starts the machine; gives the seconds until systemd called it running."""
        began_s = time.monotonic()
        command = ["systemd-nspawn", "-q", "-D", str(self.tree), "--boot", "--register=no", "--keep-unit"]
        with (self.folder / "console.log").open("ab") as console:
            self._nspawn = subprocess.Popen(
                [*command, "--console=pipe"], stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        while time.monotonic() - began_s < BOOT_S:
            assert self._nspawn.poll() is None, (self.folder / "console.log").read_text()[-2000:]
            self._leader = int((children.read_text().split() or ["0"])[0])
            if self._leader and self.run("systemctl", "is-system-running").out in {"running", "degraded"}:
                return time.monotonic() - began_s
            time.sleep(0.1)
        raise AssertionError(f"it never booted: {(self.folder / 'console.log').read_text()[-2000:]}")

    def run(self, *command: object, limit_s: float = 120.0) -> Answer:
        """A command inside, as root."""
        enter = ["nsenter", "-t", str(self._leader), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin"]
        words = [*enter, "LC_ALL=C.UTF-8", *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=limit_s)
        return Answer(done.returncode, done.stdout.strip(), done.stderr.strip())

    def inside(self, path: str) -> Path:
        """A file of the running machine, its /run included."""
        return Path(f"/proc/{self._leader}/root") / path.lstrip("/")

    def fill(self, file: Path) -> None:
        """Writes to `file` until not a byte more goes onto the disk."""
        with file.open("wb", buffering=0) as opened:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        opened.write(bytes(size))

    def cut(self) -> None:
        """Ends it as the power does: no process inside hears of it."""
        os.kill(self._leader, 9)  # the first of a PID namespace takes all others with it
        self._ended()

    def power_off(self) -> None:
        """Ends it in order."""
        self.run("systemctl", "poweroff")
        self._ended()

    def destroy(self) -> None:
        """Leaves nothing behind, whatever state it was in."""
        if self._nspawn is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader or self._nspawn.pid, 9)
            self._ended()
        for mount in (self.tree, self.folder / "disk"):
            if mount.is_mount():
                on_host("umount", mount)

    def _ended(self) -> None:
        assert self._nspawn is not None
        self._nspawn.wait(timeout=30.0)
        self._nspawn = None
