"""Tables on pages: texts broken into lines, a row never across two pages, the head again on each page."""

from typing import Final

from fpdf import XPos, YPos

from alledge.report.blocks import Align, Column, Row, Table
from alledge.report.pdf_page import Pages
from alledge.report.pdf_pictures import draw_patch

_LINE_MM: Final = 3.9
_PATCH_MM: Final = 11.0
_GAP_MM: Final = 2.0
_SIZE_PT: Final = 8.5


def draw_table(pages: Pages, table: Table) -> None:
    """Draw a table over the whole width of the page."""
    widths = _widths(pages, table)
    _head(pages, table, widths)
    for row in table.rows:
        pages.set_font("Helvetica", "B" if row.is_total else "", _SIZE_PT)
        lines = [pages.lines(text, width - _GAP_MM) for text, width in zip(row.cells, widths, strict=True)]
        height = max(len(each) for each in lines) * _LINE_MM + 1.4
        if table.pictures_title is not None:
            height = max(height, _PATCH_MM + 1)
        if pages.need(height):
            _head(pages, table, widths)
        pages.set_font("Helvetica", "B" if row.is_total else "", _SIZE_PT)
        _row(pages, table, row, widths, lines, height)
    pages.ln(2)


def _widths(pages: Pages, table: Table) -> list[float]:
    """Of the columns of text, in mm."""
    left = pages.epw - _indent(table)
    total = sum(column.weight for column in table.columns)
    return [left * column.weight / total for column in table.columns]


def _indent(table: Table) -> float:
    return 0.0 if table.pictures_title is None else _PATCH_MM + _GAP_MM


def _head(pages: Pages, table: Table, widths: list[float]) -> None:
    pages.set_font("Helvetica", "B", _SIZE_PT)
    titles = [pages.lines(c.title, width - _GAP_MM) for c, width in zip(table.columns, widths, strict=True)]
    height = max(len(each) for each in titles) * _LINE_MM + 1.4
    pages.need(height + 12)
    pages.set_font("Helvetica", "B", _SIZE_PT)
    y = pages.get_y()
    if table.pictures_title is not None:
        pages.set_xy(pages.l_margin, y + 0.7)
        pages.cell(_PATCH_MM, _LINE_MM, pages.fitted(table.pictures_title, _PATCH_MM))
    _texts(pages, table.columns, titles, widths, pages.l_margin + _indent(table), y + 0.7)
    _rule(pages, y + height, 0.4, 70)


def _row(
    pages: Pages, table: Table, row: Row, widths: list[float], lines: list[list[str]], height: float
) -> None:
    y = pages.get_y()
    if row.is_total:
        _rule(pages, y, 0.4, 70)
    if table.pictures_title is not None:
        draw_patch(pages, row.patch_png, "-", pages.l_margin, y + 0.5, _PATCH_MM)
        pages.set_font("Helvetica", "", _SIZE_PT)
    top = y + (height - max(len(each) for each in lines) * _LINE_MM) / 2
    _texts(pages, table.columns, lines, widths, pages.l_margin + _indent(table), top)
    _rule(pages, y + height, 0.15, 200)


def _texts(
    pages: Pages,
    columns: tuple[Column, ...],
    lines: list[list[str]],
    widths: list[float],
    x: float,
    y: float,
) -> None:
    for column, told, width in zip(columns, lines, widths, strict=True):
        for k, line in enumerate(told):
            pages.set_xy(x, y + k * _LINE_MM)
            align = "R" if column.align is Align.RIGHT else "L"
            pages.cell(width - _GAP_MM, _LINE_MM, line, align=align, new_x=XPos.LMARGIN, new_y=YPos.TOP)
        x += width


def _rule(pages: Pages, y: float, width_mm: float, grey: int) -> None:
    pages.set_draw_color(grey)
    pages.set_line_width(width_mm)
    pages.line(pages.l_margin, y, pages.w - pages.r_margin, y)
    pages.set_xy(pages.l_margin, y)
