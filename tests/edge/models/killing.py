"""`python -m tests.edge.models.killing DEED DATA STICK`: a process killed at each of its writes in turn.

A fork of this process does the deed on a fresh copy of DATA, counts every event of Python's audit hooks that
opens a file for writing, renames, removes, makes a folder or changes an owner, and kills itself with SIGKILL
at the n-th. The parent then looks at what serves. It ends when a fork gets through. One line of JSON a kill.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from alledge.models.serving import begin_service, confirm, fall_back
from tests.edge.models.forge import Device

WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chown", "os.chmod", "os.symlink", "os.link"}
WRITES |= {"os.truncate", "shutil.rmtree"}


def install(device: Device, stick: Path) -> None:
    device.install(stick)


def start(device: Device, _stick: Path) -> None:
    begin_service(device.data, "installed")


def prove(device: Device, _stick: Path) -> None:
    confirm(device.data)


def go_back(device: Device, _stick: Path) -> None:
    fall_back(device.data, "it crashed")


DEEDS: dict[str, Callable[[Device, Path], None]] = {
    "install": install,
    "start": start,
    "confirm": prove,
    "fall_back": go_back,
}


def kill_at(n: int) -> None:
    """From now on, die at the n-th write."""
    left = [n]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
        if opens or event in WRITES:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def killed(deed: str, data: Path, stick: Path, n: int) -> bool:
    """Do a deed in a fork that dies at its n-th write; False when it got through alive."""
    child = os.fork()
    if child == 0:
        kill_at(n)
        DEEDS[deed](Device(data), stick)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return True
    assert os.WEXITSTATUS(status) == 0, status
    return False


def main(deed: str, base: Path, stick: Path) -> None:
    data = base.with_name("tried")
    for n in range(1, 1000):
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(base, data, symlinks=True)
        was_killed = killed(deed, data, stick, n)
        device = Device(data)
        state = device.store.load()
        told = {
            "n": n,
            "serving": state.serving.version if state.serving else None,
            "good": state.good.version if state.good else None,
            "starts": state.starts,
            "bytes": len(device.serves()),
        }
        again = Device(data)
        DEEDS["install" if deed == "install" else "start"](again, stick)
        again_state = again.store.load()
        told["after"] = again_state.serving.version if again_state.serving else None
        sys.stdout.write(json.dumps(told) + "\n")
        if not was_killed:
            return
    raise SystemExit("it never got through")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
