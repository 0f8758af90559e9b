"""A clock that only moves when it is told to, and whose wall time can jump by ten years."""

from typing import Final

from alledge.clock import SOFTWARE_BUILT_UNIX_S, SystemClock, WallTime

TEN_YEARS_S: Final = 10 * 365.25 * 86_400.0
_STARTED_NS: Final = 10**12
_STARTED_UNIX_S: Final = SOFTWARE_BUILT_UNIX_S + 300 * 86_400.0


class SimulatedClock:
    """Monotonic and wall time of a simulation. jump_s: how far the wall clock is off."""

    def __init__(self) -> None:
        self._now_ns = _STARTED_NS
        self.jump_s = 0.0
        self._judge = SystemClock(wall_s=self._wall_s, is_synchronised=lambda: False)
        self._judge.note_stored(self._judge.wall())

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ns += round(seconds * 1e9)

    def monotonic_ns(self) -> int:
        """Nanoseconds since long ago."""
        return self._now_ns

    def wall(self) -> WallTime:
        """Time of day, with the trust that the real clock would give it."""
        return self._judge.wall()

    def _wall_s(self) -> float:
        return _STARTED_UNIX_S + (self._now_ns - _STARTED_NS) / 1e9 + self.jump_s
