"""The service on such a machine as its owner sees it: systemctl, status.json, the journal's own word."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.system.booted.container import Container

PATIENCE_S = 120.0  # for a busy workstation; what must be quick is asserted to be quick
PROGRAM = "/opt/allscope/bin/alledge"
DATA = "/var/lib/allscope"


@dataclass(frozen=True, slots=True)
class Unit:
    """What systemd says of a service."""

    active: str
    result: str
    pid: int
    restarts: int


@dataclass(frozen=True, slots=True)
class Device:
    """A machine with the service on it."""

    machine: Container
    program: str = PROGRAM

    def unit(self, name: str = "alledge") -> Unit:
        shown = self.machine.run(
            "systemctl", "show", name, "-p", "ActiveState,Result,MainPID,NRestarts"
        ).must_succeed()
        told = dict(line.partition("=")[::2] for line in shown.out.splitlines())
        return Unit(told["ActiveState"], told["Result"], int(told["MainPID"]), int(told["NRestarts"]))

    def status(self) -> dict[str, Any]:
        """What the service says of itself; nothing stored and no trouble before it says anything."""
        try:
            told = json.loads(self.machine.inside("/run/allscope/status.json").read_text())
        except OSError:
            return {"ledger": {"analysed": 0}, "troubles": [], "slide": {"fields": 0}}
        assert isinstance(told, dict)
        return told

    def use_camera(self, spec: str, capture_s: float) -> None:
        """Names a camera as a user does: in the settings."""
        file = self.machine.inside("/etc/allscope/alledge.toml")
        kept = [line for line in file.read_text().splitlines() if not re.match("camera|capture_s", line)]
        file.write_text("\n".join([*kept, f'camera = "{spec}"', f"capture_s = {capture_s}", ""]))

    def camera_pid(self) -> int:
        """The camera's process, a child of the service; 0 while there is none."""
        pid = self.unit().pid
        children = self.machine.run("cat", f"/proc/{pid}/task/{pid}/children").out.split()
        return int(children[0]) if children else 0

    def signal(self, name: str, pid: int) -> None:
        self.machine.run("sh", "-c", f"kill -{name} {pid}").must_succeed()

    def tell(self, *words: str) -> None:
        self.machine.run("systemctl", *words).must_succeed()

    def wait(self, true: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> float:
        """Seconds until something is so."""
        began_s = time.monotonic()
        while not true():
            waited_s = time.monotonic() - began_s
            assert waited_s < patience_s, f"never {what}: {self.unit()} {self.status()} {self.log()[-2500:]}"
            time.sleep(0.05)
        return time.monotonic() - began_s

    def wait_for_ready(self, other_than: int = 0) -> float:
        """Seconds until the service is READY, in another process than the one named."""

        def ready() -> bool:
            unit = self.unit()
            return unit.active == "active" and unit.pid not in {0, other_than}

        return self.wait(ready, "READY")

    def wait_for_fields(self, n: int = 1) -> float:
        """Seconds until so many more fields are stored than now."""
        wanted = int(self.status()["slide"]["fields"]) + n
        return self.wait(lambda: self.status()["slide"]["fields"] >= wanted, f"{n} fields")

    def verify(self, *arguments: str) -> dict[str, Any]:
        """The journal's own word; fails where it does not verify."""
        done = self.machine.run(
            "runuser", "-u", "allscope", "--", self.program, "verify-log", "--json", *arguments
        ).must_succeed()
        told = json.loads(done.out)
        assert isinstance(told, dict)
        return told

    def troubles(self) -> set[str]:
        return {str(trouble["code"]) for trouble in self.status()["troubles"]}

    def log(self) -> str:
        return self.machine.run(
            "journalctl", "-b", "-u", "alledge", "-o", "short-monotonic", "--no-pager"
        ).out
