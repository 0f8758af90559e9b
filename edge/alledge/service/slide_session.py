"""The slide on the stage: its number in the journal, its map, and its live differential.

A cell is counted once, with the call of its sharpest patch. The journal keeps every sighting; this keeps
what a person wants to see now.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alledge.calibration import Calibration
from alledge.card import Card
from alledge.differential import CountedCell, Differential, differential
from alledge.illumination import Illumination
from alledge.journal import CellRecord
from alledge.pipeline import FieldAnalysis
from alledge.slide import NOT_COUNTED, Placement, Sighting, SlideMap, sharpness_of
from alledge.types import U8, Cell, Frame, Verdict

_PLACED = (Verdict.OK, Verdict.OUT_OF_FOCUS)  # a blurred field still tells where the hand moved


class CellMap(Protocol):
    """Where fields lie and who their cells are; see `SlideMap`."""

    def place(self, pixels: U8, pixel_um: float, illumination: Illumination) -> Placement:
        """Where a field lies."""

    def count(
        self, placement: Placement, cells: Sequence[Cell], pixel_um: float, sharpness: Sequence[float]
    ) -> tuple[Sighting, ...]:
        """Who its cells are."""

    @property
    def withdrawn(self) -> Mapping[int, int]:
        """Cells that turned out to be others: number -> the number that stays."""


@dataclass(slots=True)
class SlideSession:
    """One slide, from the moment it was laid on the stage.

    identifier: as its owner calls it. number: in the journal, None until it is stored.
    """

    identifier: str
    number: int | None = None
    n_fields: int = 0
    map: CellMap = field(default_factory=SlideMap)
    _counted: dict[int, CountedCell] = field(default_factory=dict)

    @property
    def n_cells(self) -> int:
        """Cells counted, each once."""
        return len(self._counted)

    def look(self, frame: Frame, analysis: FieldAnalysis) -> tuple[Placement | None, tuple[CellRecord, ...]]:
        """Place a field and count its new cells; the records for the journal, one a cell, in order."""
        result = analysis.result
        if result.quality.verdict not in _PLACED:
            return None, ()
        pixel_um = result.pixel_size.pixel_um
        placement = self.map.place(frame.pixels, pixel_um, analysis.illumination)
        if result.quality.verdict is not Verdict.OK:
            return placement, ()
        sharpness = [float(value) for value in sharpness_of(analysis.patches)]
        sightings = self.map.count(placement, result.cells, pixel_um, sharpness)
        records = tuple(
            CellRecord(cell, call, sighting, patch)
            for cell, call, sighting, patch in zip(
                result.cells, result.calls, sightings, analysis.patches, strict=True
            )
        )
        self._count(sightings, records)
        self.n_fields += 1
        return placement, records

    def differential(self, card: Card, target: int) -> Differential:
        """The differential of the cells counted so far."""
        return differential(list(self._counted.values()), card, target)

    def _count(self, sightings: tuple[Sighting, ...], records: tuple[CellRecord, ...]) -> None:
        for sighting, record in zip(sightings, records, strict=True):
            if sighting.cell_id != NOT_COUNTED and sighting.is_sharper and record.call is not None:
                self._counted[sighting.cell_id] = CountedCell(sighting.cell_id, record.call)
        for withdrawn in self.map.withdrawn:
            self._counted.pop(withdrawn, None)


@dataclass(frozen=True, slots=True)
class Analyst:
    """The pixel path as the service runs it: model, calibration, and a way to build the network anew."""

    analyse: Callable[[Frame], FieldAnalysis]
    mend: Callable[[], None]
    card: Card
    calibration: Calibration | None = None
