"""Asking other programs, with a limit on how long: the one place where commands of the system are run."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a command. status: its exit status; None where it is missing or took too long."""

    status: int | None
    out: str = ""
    err: str = ""


class Runner(Protocol):
    """Runs a command of the system."""

    def __call__(self, command: Sequence[str], limit_s: float) -> Ran:
        """Runs it without a shell; it is killed after `limit_s` seconds. Never raises."""
        ...


def run_program(command: Sequence[str], limit_s: float) -> Ran:
    """Runs a command without a shell and without input; output that is no UTF-8 is shown as it can be."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell; the commands are ours, their arguments checked
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Ran(None, "", str(error))
    return Ran(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace").strip()
