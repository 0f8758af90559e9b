"""What a report of one slide says, as data: no words, no layout, nothing that was not in the journal.

HTML, PDF, JSON, CSV and FHIR are made from this and from nothing else, so they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alledge.calibration import ScaleSource
from alledge.card import Card
from alledge.clock import ClockTrust, WallTime
from alledge.differential import Differential, Share
from alledge.journal import Head, StoredField
from alledge.journal.reading import SlideSummary
from alledge.review import Amendment, ReviewedCell, SignOff, Withdrawal
from alledge.strings import Strings
from alledge.types import PixelSizeSource, Verdict

RESEARCH_WORDS: Final = Strings.load("en")["research-use-only"]
"""What every file made for a program says of its use, in English whatever the language of the page."""


@dataclass(frozen=True, slots=True)
class LabelCount:
    """Cells of one label, the model's and the persons' apart.

    n_by_model: counted on the model's call, as nobody said anything else. n_by_person: on a person's word.
    n_likeliest: cells of which the model itself thinks so, whatever was said later, those that wait included.
    share: of all cells with a label; None where there is none.
    """

    label: str
    is_positive: bool
    n_by_model: int
    n_by_person: int
    n_likeliest: int
    share: Share | None

    @property
    def n(self) -> int:
        """Cells counted under this label."""
        return self.n_by_model + self.n_by_person


@dataclass(frozen=True, slots=True, eq=False)
class ShownCell:
    """A cell with its picture. png: 50 x 50 RGB; None when a quota removed it or it is not as it was."""

    cell: ReviewedCell
    png: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class ClassCells:
    """Cells that stand for their class. label: None for those that wait for a person. n: in the class."""

    label: str | None
    n: int
    shown: tuple[ShownCell, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of a measure."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassMorphology:
    """What the cells of one class measure. measures: by the name in `alledge.types.Cell`, units in it."""

    label: str
    n: int
    measures: Mapping[str, Spread]


@dataclass(frozen=True, slots=True, eq=False)
class ShownField:
    """A field with its picture. jpeg: None when none was kept, a quota removed it, or it was altered."""

    field_id: int
    stored: StoredField
    jpeg: bytes | None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model that called cells of the slide. card: None where it is not at hand."""

    name: str
    sha256: str
    n_fields: int
    card: Card | None


@dataclass(frozen=True, slots=True)
class CalibrationFacts:
    """What a report tells of a calibration. focus: 1 / um in best focus, None where not measured."""

    sha256: str
    made: WallTime
    objective: str
    camera: str
    pixel_um: float
    standard_error_um: float
    measured_on: ScaleSource
    focus: float | None


@dataclass(frozen=True, slots=True)
class CalibrationUse:
    """A calibration that fields were judged with. sha256: None for fields without one.

    facts: None where the calibration itself is not at hand.
    """

    sha256: str | None
    n_fields: int
    facts: CalibrationFacts | None


@dataclass(frozen=True, slots=True)
class PixelSizes:
    """Micrometres a pixel, over the fields, and how they are known."""

    low_um: float
    high_um: float
    sources: tuple[PixelSizeSource, ...]


@dataclass(frozen=True, slots=True)
class FieldLedger:
    """Where the fields of a slide went. refused: fields without calls, by the reason, most first.

    troubles: how often each trouble began while the slide lay there, by its code.
    """

    n_fields: int
    n_judged: int
    refused: Mapping[Verdict, int]
    troubles: Mapping[str, int]
    first: WallTime | None
    last: WallTime | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Everything that the results of a slide rest on."""

    models: tuple[ModelUse, ...]
    calibrations: tuple[CalibrationUse, ...]
    software: Mapping[str, int]
    clock: Mapping[ClockTrust, int]
    pixel_sizes: PixelSizes | None
    hottest_c: float | None
    had_under_voltage: bool
    was_throttled: bool
    notes: tuple[str, ...]
    is_phantom: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What persons did to a slide. overridden: cells on which a person said otherwise, in that order.

    confirmed: cells on which a person said what the model says, by who. n_taken_back: words undone.
    """

    overridden: tuple[ShownCell, ...]
    confirmed: Mapping[str, int]
    n_taken_back: int


@dataclass(frozen=True, slots=True, eq=False)
class SlideReport:
    """One slide as its report tells it.

    as_of: the last event that concerns the slide, its number and hash. as_of_wall: when that was.
    journal_id: of the journal, random, made when it began.
    cells: every counted cell. counts: by label, the card's labels first.
    told: with intervals; None without a card or without cells.
    amended: the same with what was found after the signature; None without amendments.
    n_excluded: found by the machine, and no cell by a person's word. n_open: cells that wait.
    amended_cells: those that amendments speak of. target: cells that make the differential complete.
    """

    slide: SlideSummary
    journal_id: str
    as_of: Head
    as_of_wall: WallTime
    counts: tuple[LabelCount, ...]
    cells: tuple[ReviewedCell, ...]
    told: Differential | None
    amended: Differential | None
    n_excluded: int
    n_open: int
    classes: tuple[ClassCells, ...]
    morphology: tuple[ClassMorphology, ...]
    words: Words
    amended_cells: tuple[ShownCell, ...]
    worst_fields: tuple[ShownField, ...]
    ledger: FieldLedger
    origin: Origin
    card: Card | None
    signed: SignOff | None
    withdrawals: tuple[Withdrawal, ...]
    amendments: tuple[Amendment, ...]
    target: int

    @property
    def n_cells(self) -> int:
        """Cells counted, those that wait and those that are no cells included."""
        return len(self.cells)

    @property
    def n_called(self) -> int:
        """Cells that are counted under a label."""
        return sum(count.n for count in self.counts)
