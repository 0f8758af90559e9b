"""The blocks of a report drawn on pages: text, tables and charts as vectors, pictures as they are.

One function a kind of block. Each leaves the pen at the left margin below what it drew, and goes to the next
page before it would draw across the foot.
"""

from collections.abc import Mapping
from typing import Final

from fpdf import XPos, YPos

from alledge.report.blocks import (
    Banner,
    Bar,
    Bars,
    Block,
    CellPicture,
    Cells,
    Facts,
    FieldPicture,
    Fields,
    Figure,
    Figures,
    Heading,
    Paragraph,
    Table,
    Tone,
)
from alledge.report.pdf_page import Pages
from alledge.report.pdf_pictures import draw_jpeg, draw_patch
from alledge.report.pdf_table import draw_table

_GREY: Final = 70
_BLUE: Final = (157, 183, 213)
_ORANGE: Final = (224, 138, 60)
_TONES: Final[Mapping[Tone, tuple[tuple[int, int, int], tuple[int, int, int]]]] = {
    Tone.DONE: ((29, 107, 58), (240, 248, 242)),
    Tone.OPEN: ((138, 90, 0), (255, 248, 232)),
    Tone.WARNING: ((156, 31, 31), (253, 241, 240)),
}
_PATCH_MM: Final = 18.0
_PATCH_GAP_MM: Final = 2.25
_FIELD_MM: Final = 87.5
_FIELD_GAP_MM: Final = 5.0
_BAR_MM: Final = 6.0
_AXIS_MM: Final = (42.0, 115.0)  # where the chart's axis begins, from the margin, and how long it is


def draw(pages: Pages, block: Block) -> None:
    """Draw one block below what was drawn before."""
    match block:
        case Heading():
            _heading(pages, block)
        case Paragraph():
            _paragraph(pages, block)
        case Banner():
            _banner(pages, block)
        case Figures():
            _figures(pages, block)
        case Table():
            draw_table(pages, block)
        case Facts():
            _facts(pages, block)
        case Bars():
            _bars(pages, block)
        case Cells():
            _cells(pages, block)
        case Fields():
            _fields(pages, block)


def _heading(pages: Pages, block: Heading) -> None:
    pages.need(10 + block.keep_mm)
    pages.ln(3)
    pages.start_section(pages.latin(block.text))
    pages.set_font("Helvetica", "B", 12)
    _write(pages, block.text, 6)
    pages.ln(0.5)


def _paragraph(pages: Pages, block: Paragraph) -> None:
    pages.set_font("Helvetica", "", 9)
    _write(pages, block.text, 4.2)
    pages.ln(1)


def _write(pages: Pages, text: str, line_mm: float) -> None:
    pages.multi_cell(0, line_mm, pages.latin(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _banner(pages: Pages, block: Banner) -> None:
    edge, ground = _TONES[block.tone]
    width = pages.epw - 8
    pages.set_font("Helvetica", "", 9)
    lines = pages.lines(block.text, width)
    height = 6 + 4.2 * len(lines) + 3
    pages.need(height + 2)
    x, y = pages.l_margin, pages.get_y()
    pages.set_fill_color(*ground)
    pages.set_draw_color(*edge)
    pages.set_line_width(0.3)
    if block.tone is Tone.OPEN:
        pages.set_dash_pattern(dash=1.5, gap=1)
    pages.rect(x, y, pages.epw, height, style="DF")
    pages.set_dash_pattern()
    pages.set_fill_color(*edge)
    pages.rect(x, y, 2.5, height, style="F")
    pages.set_xy(x + 5, y + 1.5)
    pages.set_font("Helvetica", "B", 11)
    pages.cell(width, 5.5, pages.latin(block.title))
    pages.set_font("Helvetica", "", 9)
    for k, line in enumerate(lines):
        pages.set_xy(x + 5, y + 7 + 4.2 * k)
        pages.cell(width, 4.2, line)
    pages.set_xy(x, y + height + 2)


def _figures(pages: Pages, block: Figures) -> None:
    n, gap, height = len(block.figures), 3.0, 24.0
    pages.need(height + 3)
    y, width = pages.get_y() + 1, (pages.epw - gap * (n - 1)) / n
    for k, figure in enumerate(block.figures):
        _figure(pages, figure, pages.l_margin + k * (width + gap), y, width, height)
    pages.set_xy(pages.l_margin, y + height + 1)


def _figure(pages: Pages, figure: Figure, x: float, y: float, width: float, height: float) -> None:
    pages.set_draw_color(150)
    pages.set_line_width(0.2)
    pages.rect(x, y, width, height)
    pages.set_text_color(_GREY)
    pages.set_font("Helvetica", "", 8.5)
    pages.set_xy(x + 2.5, y + 1.5)
    pages.cell(width - 5, 4, pages.fitted(figure.title, width - 5))
    pages.set_font("Helvetica", "", 7.5)
    for k, line in enumerate(pages.lines(figure.detail, width - 5)[:2]):
        pages.set_xy(x + 2.5, y + 15.5 + 3.4 * k)
        pages.cell(width - 5, 3.4, line)
    pages.set_text_color(0)
    pages.set_font("Helvetica", "B", 22)
    pages.set_xy(x + 2.5, y + 6)
    pages.cell(width - 5, 9, pages.latin(figure.value))


def _facts(pages: Pages, block: Facts) -> None:
    name_mm = 48.0
    for name, value in block.rows:
        pages.set_font("Helvetica", "", 9)
        lines = pages.lines(value, pages.epw - name_mm) or [""]
        pages.need(4.4 * min(len(lines), 4))
        pages.set_text_color(_GREY)
        pages.cell(name_mm, 4.4, pages.fitted(name, name_mm - 2))
        pages.set_text_color(0)
        for line in lines:
            pages.set_x(pages.l_margin + name_mm)
            pages.cell(pages.epw - name_mm, 4.4, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pages.ln(1)


def _bars(pages: Pages, block: Bars) -> None:
    start, length = pages.l_margin + _AXIS_MM[0], _AXIS_MM[1]
    height = _BAR_MM * len(block.bars)
    pages.need(min(height + 14, 150))
    y = pages.get_y() + 1
    pages.set_draw_color(200)
    pages.set_line_width(0.2)
    pages.set_font("Helvetica", "", 7.5)
    for at, text in block.ticks:
        x = start + length * at
        pages.line(x, y, x, y + height)
        pages.set_xy(x - 10, y + height + 0.5)
        pages.cell(20, 3.5, pages.latin(text), align="C")
    for k, bar in enumerate(block.bars):
        _bar(pages, bar, start, length, y + k * _BAR_MM)
    pages.set_xy(pages.l_margin, y + height + 4.5)
    pages.set_font("Helvetica", "", 8)
    _write(pages, block.caption, 3.8)
    pages.ln(1)


def _bar(pages: Pages, bar: Bar, start: float, length: float, y: float) -> None:
    """The share as a bar, its interval as a line with two ends above it."""
    pages.set_font("Helvetica", "", 8.5)
    pages.set_xy(pages.l_margin, y)
    pages.cell(_AXIS_MM[0] - 2, _BAR_MM, pages.fitted(bar.label, _AXIS_MM[0] - 3), align="R")
    pages.set_fill_color(*(_ORANGE if bar.is_positive else _BLUE))
    pages.set_draw_color(30)
    pages.set_line_width(0.2)
    pages.rect(start, y + 1, length * bar.share, _BAR_MM - 2, style="DF")
    low, high, middle = start + length * bar.low, start + length * bar.high, y + _BAR_MM / 2
    pages.set_line_width(0.45)
    pages.line(low, middle, high, middle)
    for x in (low, high):
        pages.line(x, middle - 1, x, middle + 1)
    pages.set_xy(start + length + 3, y)
    pages.cell(18, _BAR_MM, pages.latin(bar.text), align="R")


def _cells(pages: Pages, block: Cells) -> None:
    step = _PATCH_MM + _PATCH_GAP_MM
    a_row = max(1, int((pages.epw + _PATCH_GAP_MM) / step))
    n_lines = max((len(cell.lines) for cell in block.cells), default=0)
    height = _PATCH_MM + 3.2 * n_lines + 2.5
    pages.need(height + 7)
    pages.set_font("Helvetica", "B", 9.5)
    _write(pages, block.title, 5)
    for first in range(0, len(block.cells), a_row):
        pages.need(height)
        y = pages.get_y() + 0.5
        for k, cell in enumerate(block.cells[first : first + a_row]):
            _cell(pages, cell, pages.l_margin + k * step, y)
        pages.set_xy(pages.l_margin, y + height)


def _cell(pages: Pages, cell: CellPicture, x: float, y: float) -> None:
    draw_patch(pages, cell.patch_png, cell.missing, x, y, _PATCH_MM)
    pages.set_font("Helvetica", "", 7.5)
    for k, line in enumerate(cell.lines):
        pages.set_xy(x - 1, y + _PATCH_MM + 0.4 + 3.2 * k)
        pages.cell(_PATCH_MM + 2, 3.2, pages.fitted(line, _PATCH_MM + 2), align="C")


def _fields(pages: Pages, block: Fields) -> None:
    """Two fields a row; those without a picture on a line each."""
    shown = [picture for picture in block.pictures if picture.jpeg is not None]
    for first in range(0, len(shown), 2):
        pair = shown[first : first + 2]
        height = max(_FIELD_MM / picture.width_px * picture.height_px for picture in pair) + 9
        pages.need(height)
        y = pages.get_y() + 0.5
        for k, picture in enumerate(pair):
            _field(pages, picture, pages.l_margin + k * (_FIELD_MM + _FIELD_GAP_MM), y)
        pages.set_xy(pages.l_margin, y + height)
    for picture in block.pictures:
        if picture.jpeg is None:
            _paragraph(pages, Paragraph(", ".join((*picture.lines, picture.missing))))


def _field(pages: Pages, picture: FieldPicture, x: float, y: float) -> None:
    """The field with a box around each cell, and its figures below it."""
    scale = _FIELD_MM / picture.width_px
    height = scale * picture.height_px
    draw_jpeg(pages, picture.jpeg or b"", x, y, _FIELD_MM, height)
    pages.set_draw_color(20)
    pages.set_line_width(0.25)
    for x0, y0, x1, y1 in picture.boxes:
        pages.rect(x + scale * x0, y + scale * y0, scale * (x1 - x0), scale * (y1 - y0))
    pages.set_font("Helvetica", "", 8.5)
    pages.set_xy(x, y + height + 0.8)
    pages.cell(_FIELD_MM, 4.2, pages.fitted(", ".join(picture.lines), _FIELD_MM))
