"""Two clocks: a monotonic one that control goes by, and a wall clock that is shown with how far to trust it.

A Raspberry Pi has no battery clock. After a power cut it wakes in the past, or wherever the last shut-down
left it, until a network tells it the time; and a person may set it wrong by ten years. So no interval,
deadline or order of ours rests on wall time, and every wall time that is stored carries its trust.
"""

import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

SOFTWARE_BUILT_UNIX_S: Final = 1_767_225_600.0  # 2026-01-01T00:00:00Z: no clock earlier than this is right
TIME_SYNC_MARK: Final = Path("/run/systemd/timesync/synchronized")  # made by systemd-timesyncd(8) on success
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES: Final = 512  # struct timex is 208 bytes on 64-bit Linux; zero `modes` asks and changes nothing


class ClockTrust(StrEnum):
    """How far the wall clock can be believed.

    WRONG: earlier than the last stored time, or than the software itself.
    """

    SYNCHRONISED = "synchronised"
    UNKNOWN = "unknown"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class WallTime:
    """Seconds since 1970-01-01T00:00:00Z by the wall clock, and how far to believe them."""

    unix_s: float
    trust: ClockTrust

    @property
    def iso(self) -> str:
        """The time in UTC to the millisecond, as 2026-11-23T08:30:00.125Z."""
        try:
            moment = datetime.fromtimestamp(self.unix_s, UTC)
        except (OverflowError, ValueError, OSError):
            return "out of range"
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock(Protocol):
    """What time it is: for control (`monotonic_ns`), and for people (`wall`)."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never jump nor run backwards; the clock of sensor timestamps."""

    def wall(self) -> WallTime:
        """Time of day, with its trust."""


class SystemClock:
    """The clocks of this machine.

    earliest: the last wall time that was stored, where one was; see `note_stored`.
    wall_s, is_synchronised: where seconds and synchronisation come from; tests put their own.
    """

    def __init__(
        self,
        earliest: WallTime | None = None,
        wall_s: Callable[[], float] = time.time,
        is_synchronised: Callable[[], bool] | None = None,
    ) -> None:
        self._wall_s = wall_s
        self._is_synchronised = is_synchronised or kernel_is_synchronised
        self._synchronised_floor_s = SOFTWARE_BUILT_UNIX_S
        self._floor_s = SOFTWARE_BUILT_UNIX_S
        if earliest is not None:
            self.note_stored(earliest)

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def wall(self) -> WallTime:
        """The wall clock now. A synchronised clock may correct an untrusted time that was stored before."""
        now_s = self._wall_s()
        if self._is_synchronised():
            trust = ClockTrust.WRONG if now_s < self._synchronised_floor_s else ClockTrust.SYNCHRONISED
        else:
            trust = ClockTrust.WRONG if now_s < self._floor_s else ClockTrust.UNKNOWN
        return WallTime(now_s, trust)

    def note_stored(self, wall: WallTime) -> None:
        """Take a time that was stored as the earliest that can be right from now on."""
        if wall.trust is ClockTrust.WRONG:
            return
        if wall.trust is ClockTrust.SYNCHRONISED:
            self._synchronised_floor_s = max(self._synchronised_floor_s, wall.unix_s)
            self._floor_s = self._synchronised_floor_s
        self._floor_s = max(self._floor_s, wall.unix_s)


def kernel_is_synchronised(mark: Path = TIME_SYNC_MARK) -> bool:
    """Whether something disciplines the wall clock: timesyncd's mark, or the kernel's own word.

    Setting the clock by hand takes the kernel's word back (adjtimex(2)), so that is asked first; the mark
    answers where a sandbox forbids the question.
    """
    state = _kernel_state()
    return mark.exists() if state is None else state != _TIME_ERROR


def _kernel_state() -> int | None:
    """What adjtimex(2) says, None where it may not be asked."""
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(buffer))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else state


def boot_id() -> str:
    """This boot of the machine, since monotonic times of two boots do not compare; "" where unknown."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if os.access(path, os.R_OK) else ""
