"""What a check can say: it is fine, it may become a fault, it is one, or nobody can tell from here."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from alledge.doctor.probe import Probe


class Level(StrEnum):
    """How bad it is."""

    FINE = "fine"
    WARNING = "warning"
    FAULT = "fault"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. mend: the command, or the act, that mends it; "" where nothing is to be done."""

    level: Level
    what: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Something that can be wrong: its name, and the function that looks."""

    name: str
    look: Callable[[Probe], Finding]


def fine(what: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.FINE, what)


def warning(what: str, mend: str) -> Finding:
    """It works, but not well or not for long."""
    return Finding(Level.WARNING, what, mend)


def fault(what: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAULT, what, mend)


def unknown(why: str, mend: str = "") -> Finding:
    """It cannot be told from here."""
    return Finding(Level.UNKNOWN, why, mend)
