"""What the service counts for Prometheus: sums that only grow, so that any window's mean and rate can be had.

Only stored fields count, and a cell counts where it is seen first: what is counted here and what is in the
journal cannot differ. Nothing here knows of Prometheus; the service counts whether or not anybody reads.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alledge.illumination import Illumination
from alledge.journal import CellRecord
from alledge.slide import NOT_COUNTED, Sighting
from alledge.types import FieldResult, Verdict

LATENCY_BOUNDS_S: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram: a Pi takes 0.1 to 0.5 s, a disk that waits takes seconds."""

FIRST, AGAIN, UNCOUNTED = "first", "again", "not counted"
SEEN: Final = (FIRST, AGAIN, UNCOUNTED)
"""How a cell was met: for the first time on its slide, again, or cut by the border and not known yet."""


def how_met(sighting: Sighting | None) -> str:
    """One of `SEEN`; a cell that was not tracked is not counted."""
    if sighting is None or sighting.cell_id == NOT_COUNTED:
        return UNCOUNTED
    return FIRST if sighting.is_new else AGAIN


@dataclass(slots=True)
class Mean:
    """A sum and how many went into it."""

    total: float = 0.0
    n: int = 0
    last: float | None = None

    def add(self, value: float) -> None:
        """Take one more value."""
        self.total, self.n, self.last = self.total + value, self.n + 1, value


@dataclass(slots=True)
class Tally:
    """Counts over all fields stored since the service started.

    latency_counts: fields by the first bound that they kept, the last for those that kept none; seconds from
    exposure to stored result. focus, brightness: of good fields. red_share, blue_share: of the light through
    the empty plasma of good fields, each 1/3 under a neutral lamp; a lamp that ages moves them.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, bool]] = field(default_factory=Counter)
    latency_counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    latency_sum_s: float = 0.0
    focus: Mean = field(default_factory=Mean)
    brightness: Mean = field(default_factory=Mean)
    red_share: Mean = field(default_factory=Mean)
    blue_share: Mean = field(default_factory=Mean)

    def stored(
        self, result: FieldResult, cells: Sequence[CellRecord], light: Illumination, latency_s: float
    ) -> None:
        """Count one field that is durable."""
        self.verdicts[result.quality.verdict] += 1
        slowest = float(max(latency_s, 0.0))
        self.latency_counts[int(np.searchsorted(LATENCY_BOUNDS_S, slowest))] += 1
        self.latency_sum_s += slowest
        if result.quality.verdict is Verdict.OK:
            self._good_field(result, light)
        for cell in cells:
            self._cell(cell)

    def _good_field(self, result: FieldResult, light: Illumination) -> None:
        self.focus.add(result.quality.focus)
        self.brightness.add(result.quality.brightness)
        blue, green, red = (float(level) for level in light.background.reshape(-1, 3).mean(axis=0))
        whole = blue + green + red
        if whole > 0 and not light.masked:
            self.red_share.add(red / whole)
            self.blue_share.add(blue / whole)

    def _cell(self, cell: CellRecord) -> None:
        how = how_met(cell.sighting)
        self.seen[how] += 1
        if how == FIRST and cell.call is not None:
            self.calls[cell.call.label, cell.call.review] += 1
