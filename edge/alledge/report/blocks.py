"""What a report looks like, told once: headings, tables, bars and pictures, in order.

HTML and PDF are two ways to draw the same blocks, so neither can say what the other does not. Every text is
final: numbers are rounded, words translated, nothing is computed any more when a block is drawn.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Tone(StrEnum):
    """How much a banner must be seen; each has a border of its own, and its words say it too."""

    DONE = "done"
    OPEN = "open"
    WARNING = "warning"


class Align(StrEnum):
    """Of a column; numbers stand to the right."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Heading:
    """Begins a section. keep_mm: height of what must stand below it on the same page."""

    text: str
    keep_mm: float = 20.0


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Banner:
    """A framed statement that nobody should overlook."""

    title: str
    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Figure:
    """One large number. value: as shown. detail: what it rests on."""

    title: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Large numbers side by side, three at most."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. weight: of its width, beside the other columns' weights."""

    title: str
    weight: float
    align: Align = Align.LEFT


@dataclass(frozen=True, slots=True)
class Row:
    """One row. cells: a text a column. patch_png: a picture in front, None without."""

    cells: tuple[str, ...]
    patch_png: bytes | None = None
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. pictures_title: of the column of pictures in front; None where there is none."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    pictures_title: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values, a line each."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: a share with its interval, all from 0 to 1. text: the same in figures."""

    label: str
    share: float
    low: float
    high: float
    text: str
    is_positive: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar chart on a scale from 0 to 1; `ticks` are its marks with their words."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    caption: str


@dataclass(frozen=True, slots=True)
class CellPicture:
    """One cell's patch. patch_png: None when it was removed; `missing` then says so. lines: under it."""

    patch_png: bytes | None
    missing: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """Patches of one class in a row or more."""

    title: str
    cells: tuple[CellPicture, ...]


@dataclass(frozen=True, slots=True)
class FieldPicture:
    """A whole field. jpeg: None when none was kept. lines: under it, the first its name.

    width_px, height_px: of the field. boxes: (x0, y0, x1, y1) of its cells, in pixels.
    """

    jpeg: bytes | None
    missing: str
    lines: tuple[str, ...]
    width_px: int
    height_px: int
    boxes: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """Whole fields, two side by side."""

    pictures: tuple[FieldPicture, ...]


Block: TypeAlias = Heading | Paragraph | Banner | Figures | Table | Facts | Bars | Cells | Fields


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report, ready to be drawn.

    language: as in HTML, "en". title: of the document. running_title, running_foot: on every page, as
    `footnote` ("research use only ..."); "{page}" and "{pages}" of `page_words` are put in by who draws.
    glyph_words: a sentence for a drawing whose fonts lack characters.
    unix_s: the journal's time that stands for the document's date; None where none could be believed.
    """

    language: str
    title: str
    running_title: str
    footnote: str
    page_words: str
    journal_words: str
    glyph_words: str
    unix_s: float | None
    blocks: tuple[Block, ...]
