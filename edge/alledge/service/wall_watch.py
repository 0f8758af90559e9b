"""Does the wall clock go as fast as the monotonic one? When not, somebody set it, and times must say so.

A network that tells a Pi the time makes its clock jump once, by hours or years. Results before and after
carry their trust; a jump is told for a minute, and a clock that cannot be right as long as it cannot.
"""

from typing import Final

from alledge.clock import Clock, ClockTrust
from alledge.service.troubles import Trouble

_JUMP_S: Final = 60.0  # clocks that are being slewed gain or lose half a millisecond a second (adjtime)
_TOLD_FOR_S: Final = 60.0


class WallWatch:
    """Compares the two clocks at each look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s = self._offset()
        self._jumped_s = 0.0
        self._jumped_ns: int | None = None

    def trouble(self) -> Trouble | None:
        """What is wrong with the wall clock now, None when nothing is."""
        offset_s, now_ns = self._offset(), self._clock.monotonic_ns()
        if abs(offset_s - self._offset_s) > _JUMP_S:
            self._jumped_s, self._jumped_ns = offset_s - self._offset_s, now_ns
        self._offset_s = offset_s
        if self._jumped_ns is not None and now_ns - self._jumped_ns < _TOLD_FOR_S * 1e9:
            what = f"The clock of the machine jumped by {self._jumped_s / 86_400:+.1f} days."
            return Trouble("clock-jumped", what, "Nothing goes by it; dates say how far to trust them.")
        if self._clock.wall().trust is ClockTrust.WRONG:
            return Trouble(
                "clock-wrong",
                "The clock of the machine is earlier than results that are stored already.",
                "Connect a network or fit a battery clock; dates are marked as wrong until then.",
            )
        return None

    def _offset(self) -> float:
        return self._clock.wall().unix_s - self._clock.monotonic_ns() / 1e9
