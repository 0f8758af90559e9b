"""The slide on the stage: its number in the journal, its map, and its live differential.

A cell is counted once, with the call of its sharpest patch. The journal keeps every sighting; this keeps
what a person wants to see now.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from alledge.calibration import Calibration
from alledge.card import Card
from alledge.differential import CountedCell, Differential, differential
from alledge.illumination import Illumination
from alledge.journal import CellRecord, StoredField
from alledge.journal.reading import JournalReader
from alledge.pipeline import FieldAnalysis
from alledge.reduced import Halvings
from alledge.slide import (
    NOT_COUNTED,
    FieldView,
    Placement,
    RememberedField,
    Sighting,
    SlideMap,
    restore_map,
    sharpness_of,
)
from alledge.types import Call, Cell, Frame, Verdict

_PLACED = (Verdict.OK, Verdict.OUT_OF_FOCUS)  # a blurred field still tells where the hand moved


class CellMap(Protocol):
    """Where fields lie and who their cells are; see `SlideMap`."""

    def view(self, seen: Halvings, pixel_um: float, illumination: Illumination) -> FieldView:
        """What a field is placed by."""

    def place_view(self, kept: FieldView) -> Placement:
        """Where a field lies."""

    def count(
        self, placement: Placement, cells: Sequence[Cell], pixel_um: float, sharpness: Sequence[float]
    ) -> tuple[Sighting, ...]:
        """Who its cells are."""

    @property
    def withdrawn(self) -> Mapping[int, int]:
        """Cells that turned out to be others: number -> the number that stays."""


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A field looked at: its place, its cells for the journal in order, and what it was placed by."""

    placement: Placement | None = None
    cells: tuple[CellRecord, ...] = ()
    view: FieldView | None = None


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
    _told_withdrawn: set[int] = field(default_factory=set)

    @property
    def n_cells(self) -> int:
        """Cells counted, each once."""
        return len(self._counted)

    def look(self, seen: Halvings, analysis: FieldAnalysis) -> Looked:
        """Place a field and count its new cells."""
        result = analysis.result
        if result.quality.verdict not in _PLACED:
            return Looked()
        pixel_um = result.pixel_size.pixel_um
        view = self.map.view(seen, pixel_um, analysis.illumination)
        placement = self.map.place_view(view)
        if result.quality.verdict is not Verdict.OK:
            return Looked(placement, (), view)
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
        return Looked(placement, records, view)

    def take_withdrawn(self) -> dict[int, int]:
        """Cells that turned out to be others since the last call: number -> the number that stays."""
        new = {cell: stays for cell, stays in self.map.withdrawn.items() if cell not in self._told_withdrawn}
        self._told_withdrawn.update(new)
        return new

    def differential(self, card: Card, target: int) -> Differential:
        """The differential of the cells counted so far."""
        return differential(list(self._counted.values()), card, target)

    def _count(self, sightings: tuple[Sighting, ...], records: tuple[CellRecord, ...]) -> None:
        for sighting, record in zip(sightings, records, strict=True):
            self._take(sighting, record.call)
        for withdrawn in self.map.withdrawn:
            self._counted.pop(withdrawn, None)

    def _take(self, sighting: Sighting | None, call: Call | None) -> None:
        """Take the call of a cell's sharpest patch as the cell's."""
        if sighting is None or call is None:
            return
        if sighting.cell_id != NOT_COUNTED and sighting.is_sharper:
            self._counted[sighting.cell_id] = CountedCell(sighting.cell_id, call)

    @classmethod
    def resume(cls, reader: JournalReader, slide_id: int, views: Mapping[int, FieldView]) -> "SlideSession":
        """The session of an open slide again, from what the journal has of it.

        views: of its fields, as far as they were kept; a field without one is placed by its picture, and
        without either its cells lie where they were told to.

        Raises:
            ValueError: what the journal has does not fit together.
        """
        session = cls(reader.slide(slide_id).identifier, slide_id)
        withdrawn = reader.withdrawn(slide_id)

        def remembered() -> Iterator[RememberedField]:
            for field_id, stored in reader.all_fields(slide_id):
                session.n_fields += stored.result.quality.verdict is Verdict.OK
                for cell in stored.cells:
                    session._take(cell.sighting, cell.call)
                if stored.placement is not None:
                    view = views.get(field_id)
                    yield _remembered(
                        stored, stored.placement, view, reader.picture(field_id) if view is None else None
                    )

        session.map = restore_map(remembered(), withdrawn)
        session._told_withdrawn = set(withdrawn)
        for cell_id in session.map.withdrawn:
            session._counted.pop(cell_id, None)
        return session


def _remembered(
    stored: StoredField, placement: Placement, view: FieldView | None, picture: bytes | None
) -> RememberedField:
    """A stored field as the map wants it; `picture` is a JPEG file."""
    decoded = None if picture is None else cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return RememberedField(
        placement=placement,
        cells=stored.result.cells,
        sightings=tuple(cell.sighting for cell in stored.cells if cell.sighting is not None),
        pixel_um=stored.result.pixel_size.pixel_um,
        pixels=None if decoded is None else np.asarray(decoded, dtype=np.uint8),
        view=view,
    )


@dataclass(frozen=True, slots=True)
class Analyst:
    """The pixel path as the service runs it: model, calibration, and a way to build the network anew."""

    analyse: Callable[[Frame, Halvings], FieldAnalysis]
    mend: Callable[[], None]
    card: Card
    calibration: Calibration | None = None
