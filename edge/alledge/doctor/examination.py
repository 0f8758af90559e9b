"""All checks at once, within five seconds: what takes longer is not known, and says so.

Each check runs in a thread of its own that nobody waits for, because a dying disk or a hung driver can hold a
question for ever, and that is when a doctor is called.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from alledge.doctor import camera, data, machine, service, software, storage
from alledge.doctor.finding import Check, Finding, Level, fault, unknown
from alledge.doctor.probe import Probe

CHECKS: Final[tuple[Check, ...]] = (
    *camera.CHECKS,
    *software.CHECKS,
    *machine.CHECKS,
    *storage.CHECKS,
    *service.CHECKS,
    *data.CHECKS,
)

LIMIT_S: Final = 4.8


@dataclass(frozen=True, slots=True)
class Examined:
    """What a check found."""

    name: str
    finding: Finding


def examine(probe: Probe, checks: Sequence[Check] = CHECKS, limit_s: float = LIMIT_S) -> tuple[Examined, ...]:
    """Runs all checks, each in its own thread; gives their findings in the order of the checks."""
    found: dict[str, Finding] = {}
    threads = [
        threading.Thread(target=_look, args=(check, probe, found), name=check.name, daemon=True)
        for check in checks
    ]
    until = time.monotonic() + limit_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = unknown(
        "It took too long to look.", "run it again; a disk or a driver that hangs is itself a fault"
    )
    return tuple(Examined(check.name, found.get(check.name, late)) for check in checks)


def has_fault(examined: Sequence[Examined]) -> bool:
    """Whether something does not work."""
    return any(one.finding.level is Level.FAULT for one in examined)


def _look(check: Check, probe: Probe, found: dict[str, Finding]) -> None:
    try:
        found[check.name] = check.look(probe)
    except Exception as error:  # noqa: BLE001 - one check that fails must not hide the others
        found[check.name] = fault(f"This check itself failed ({error!r}).", "tell the makers of allscope")
