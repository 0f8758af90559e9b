"""A slide as persons and the model see it together: every counted cell once, with both their words.

The model's call is never overwritten. A cell is open while the model abstained and no person spoke; a slide
with open cells cannot be signed. After it is signed the words stay as they were, and what is found later is
an amendment: a new entry beside them.
"""

from dataclasses import dataclass

from alledge.clock import WallTime
from alledge.differential import CountedCell
from alledge.journal.reading import SlideSummary
from alledge.review.opinions import Opinion
from alledge.slide.placement import Sighting
from alledge.types import Call, Cell


@dataclass(frozen=True, slots=True)
class SignOff:
    """A person's signature under a slide. event: its number in the journal."""

    who: str
    wall: WallTime
    event: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A signature taken back. sign_off: number of the signature's event."""

    who: str
    wall: WallTime
    event: int
    sign_off: int
    reason: str


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a person found after a slide was signed. label: None for no cell; field and position name one."""

    field_id: int
    position: int
    label: str | None
    who: str
    reason: str
    wall: WallTime
    event: int


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedCell:
    """One counted cell, shown by its sharpest sighting.

    call: the model's, None without a model. opinion: the person's word that stands. history: all words on
    it, the undone and the undos too, oldest first. amendment: the newest after the signature.
    region: part of the slide that the sighting's place belongs to; None where the slide was not tracked.
    """

    field_id: int
    position: int
    cell: Cell
    call: Call | None
    sighting: Sighting | None
    patch_sha256: str
    opinion: Opinion | None
    history: tuple[Opinion, ...] = ()
    amendment: Amendment | None = None
    region: int | None = None

    @property
    def label(self) -> str | None:
        """The person's label where a person spoke, else the model's; amendments do not change it.

        None: no cell, says a person, or there was no model to say anything.
        """
        if self.opinion is not None:
            return self.opinion.label
        return None if self.call is None else self.call.label

    @property
    def amended_label(self) -> str | None:
        """As `label`, with the amendment above all else."""
        return self.label if self.amendment is None else self.amendment.label

    @property
    def is_open(self) -> bool:
        """Whether it waits for a person: nobody spoke, and the model abstained or was not there."""
        return self.opinion is None and (self.call is None or self.call.review)

    @property
    def is_overridden(self) -> bool:
        """Whether a person said something else than the model's likeliest label."""
        return self.opinion is not None and (self.call is None or self.opinion.label != self.call.label)

    @property
    def last_event(self) -> int | None:
        """Number of the newest word on it, to say later what one had seen; None without one."""
        return self.history[-1].event if self.history else None

    @property
    def doubt(self) -> float:
        """1 minus the probability of the called label: 0 is sure. 1 without a call."""
        return 1.0 if self.call is None else 1.0 - self.call.p.get(self.call.label, 0.0)


@dataclass(frozen=True, slots=True)
class SlideReview:
    """A slide with its cells, each once, in the order they were first seen.

    n_open: cells that wait for a person. signed: the signature in force. as_of: number of the journal's
    last event that was looked at. n_withdrawn: cells that turned out to be others; while it is the same,
    cells keep their places and new ones come at the end.
    """

    slide: SlideSummary
    cells: tuple[ReviewedCell, ...]
    n_open: int
    signed: SignOff | None
    amendments: tuple[Amendment, ...]
    withdrawals: tuple[Withdrawal, ...] = ()
    as_of: int = 0
    n_withdrawn: int = 0

    def counted_cells(self, *, amended: bool = False) -> list[CountedCell]:
        """The cells as `alledge.differential` counts them: without those that a person calls no cell.

        A cell without the model's call is left out too. amended: count what was found after the signature.
        """
        counted = []
        for number, cell in enumerate(self.cells):
            spoken = cell.opinion is not None or (amended and cell.amendment is not None)
            label = cell.amended_label if amended else cell.label
            if cell.call is not None and not (spoken and label is None):
                counted.append(CountedCell(number, cell.call, label if spoken else None))
        return counted
