"""A machine whose power can be cut: emulated whole, so that what was not yet on its disk is lost with it."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.booted.container import on_host

IMAGE_GIB = 3
PATIENCE_S = 240.0  # nothing of it runs on the processor itself

REPORTER = """[Unit]
Description=tells what is durable
[Service]
User=allscope
ExecStart=/opt/allscope/bin/python /srv/reporter.py
StandardOutput=tty
TTYPath=/dev/ttyS1
[Install]
WantedBy=multi-user.target
"""


@dataclass
class VirtualMachine:
    """One machine on a disk image; its second serial line is heard line by line."""

    base: Path
    folder: Path
    _qemu: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _boots: int = 0

    @property
    def image(self) -> Path:
        return self.folder / "disk.img"

    def build(self, tree: Path) -> None:
        """A disk from a root as it lies there."""
        on_host("mke2fs", "-q", "-t", "ext4", "-d", tree, self.image, f"{IMAGE_GIB}G")

    def boot(self, *words: str) -> None:
        """Starts it; `words` are added to the kernel's command line."""
        self._boots += 1
        kernel = {name: next((self.base / "boot").glob(f"{name}-*")) for name in ("vmlinuz", "initrd.img")}
        console = f"file:{self.folder / 'console.log'}"
        self._qemu = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-cpu", "max", "-m", "1024", "-display", "none", "-no-reboot"),
                *("-kernel", str(kernel["vmlinuz"]), "-initrd", str(kernel["initrd.img"])),
                *("-append", " ".join(["root=/dev/vda rw console=ttyS0 quiet", *words])),
                *("-drive", f"file={self.image},if=virtio,format=raw"),
                *("-serial", console, "-serial", f"file:{self._line}", "-nic", "none"),
            ],
            stdin=subprocess.DEVNULL,
        )

    def told(self) -> list[dict[str, Any]]:
        """All whole lines that it told since it was started."""
        lines = self._line.read_text(errors="replace").split("\n")[:-1] if self._line.exists() else []
        found = []
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return found

    def wait(self, true: Callable[[list[dict[str, Any]]], object], what: str) -> float:
        """Seconds until what it told makes something true."""
        began_s = time.monotonic()
        while not true(self.told()):
            assert self._qemu is not None
            assert self._qemu.poll() is None, "it went off by itself"
            assert time.monotonic() - began_s < PATIENCE_S, (
                f"never {what}: {self.told()[-3:]}; {self.folder / 'console.log'} says why"
            )
            time.sleep(0.1)
        return time.monotonic() - began_s

    def cut(self) -> None:
        """Takes the power away."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait(timeout=30.0)
            self._qemu = None

    @property
    def _line(self) -> Path:
        return self.folder / f"told-{self._boots}.log"
