"""Where every frame went: captured = analysed + dropped (a reason for each) + in flight, at every instant.

A service that silently skips frames looks healthy while it is blind. So each captured frame has a number,
and each number is settled once: by the result that was stored for it, or by the reason why there is none.
The numbers are counted in memory that the camera process shares (see `ring`), so nothing is lost with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class DropReason(StrEnum):
    """Why a captured frame has no result of its own."""

    SUPERSEDED = "superseded"  # a newer frame came before this one was looked at: newest wins
    UNCHANGED = "unchanged"  # the stage stands still; this view has its result already
    STALE = "stale"  # the sensor exposed it before it was asked for, or before the one before
    FROZEN = "frozen"  # the camera handed out the same exposure again
    TORN = "torn"  # parts of two frames, or overwritten while it was read
    WRONG_SHAPE = "wrong shape"  # not the size that this camera delivers, or larger than a slot
    CAMERA_RESTART = "camera restart"  # the camera process ended while it handed the frame over
    PAUSED = "paused"  # a person asked for a pause
    STORAGE_FULL = "storage full"  # results wait for the disk, and no more can be kept in memory
    CLASSIFIER_FAILED = "classifier failed"  # the network gave no answer, or failed its golden patch
    ANALYSIS_FAILED = "analysis failed"  # the pixel path refused the frame with an error of its own
    SLIDE_ENDED = "slide ended"  # somebody ended the slide while its field was looked at
    STOPPED = "stopped"  # the service was stopped before the frame's turn


@dataclass(frozen=True, slots=True)
class LedgerState:
    """The ledger at one instant. refused: of the analysed, those whose quality allows no calls."""

    captured: int
    analysed: int
    refused: int
    dropped: Mapping[DropReason, int]
    in_flight: int

    @property
    def adds_up(self) -> bool:
        """Whether every captured frame is accounted for."""
        return self.captured == self.analysed + sum(self.dropped.values()) + self.in_flight


class Ledger:
    """Settles frame numbers 1, 2, 3, ... each exactly once.

    In flight are the frames that were captured and are not settled yet; each is known by its number.
    """

    def __init__(self) -> None:
        self._captured = 0
        self._analysed = 0
        self._refused = 0
        self._dropped: dict[DropReason, int] = {}
        self._open: set[int] = set()

    def capture_through(self, sequence: int) -> None:
        """Note that frames up to `sequence` were captured. Numbers never run backwards.

        Raises:
            ValueError: a number smaller than one before; somebody else writes to the ring.
        """
        if sequence < self._captured:
            raise ValueError(f"frame numbers ran backwards from {self._captured} to {sequence}")
        self._open.update(range(self._captured + 1, sequence + 1))
        self._captured = sequence

    def settle_analysed(self, sequence: int, *, refused: bool) -> None:
        """Note that the result of a frame is stored. Raises ValueError when it is not in flight."""
        self._close(sequence)
        self._analysed += 1
        self._refused += refused

    def settle_dropped(self, sequence: int, reason: DropReason) -> None:
        """Note why a frame has no result. Raises ValueError when it is not in flight."""
        self._close(sequence)
        self._dropped[reason] = self._dropped.get(reason, 0) + 1

    def settle_older(self, sequence: int, reason: DropReason, spared: frozenset[int] = frozenset()) -> None:
        """Drop what is in flight before `sequence`, but for the `spared` (results that wait for storage)."""
        for older in sorted(number for number in self._open if number < sequence and number not in spared):
            self.settle_dropped(older, reason)

    def state(self) -> LedgerState:
        """The ledger now."""
        return LedgerState(
            self._captured, self._analysed, self._refused, dict(self._dropped), len(self._open)
        )

    def _close(self, sequence: int) -> None:
        if sequence not in self._open:
            raise ValueError(f"frame {sequence} is not in flight")
        self._open.remove(sequence)
