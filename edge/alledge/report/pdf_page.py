"""The pages of a PDF report: what stands on every one of them, and letters that the built-in fonts have."""

from datetime import UTC, datetime
from typing import Final

from fpdf import FPDF

from alledge.report.blocks import Document
from alledge.report.latin import is_latin, to_latin

MARGIN_MM: Final = 15.0
_FOOT_MM: Final = 16.0
_PAGE_MM: Final = 22.0
_GREY: Final = 70
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Pages(FPDF):
    """A4 pages, each with what the report is of, what it is for, and which page it is.

    has_gaps: whether a character was written as its number, because the fonts lack it.
    """

    def __init__(self, document: Document) -> None:
        super().__init__(format="A4", unit="mm")
        self.has_gaps = False
        self._document = document
        self.set_compression(False)
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, _FOOT_MM + 4)
        self.set_title(to_latin(document.title))
        self.set_subject(to_latin(document.footnote))
        self.set_producer("allscope")
        self.set_creator("allscope")
        self.set_lang(document.language)
        self.set_creation_date(_date(document.unix_s))
        self.c_margin = 0.0

    def latin(self, text: str) -> str:
        """The text as the fonts can show it."""
        self.has_gaps = self.has_gaps or not is_latin(text)
        return to_latin(text)

    def fitted(self, text: str, width_mm: float) -> str:
        """As much of a text as fits on one line, for places where it is not told for the first time."""
        latin = self.latin(text)
        if self.get_string_width(latin) <= width_mm:
            return latin
        while latin and self.get_string_width(f"{latin}...") > width_mm:
            latin = latin[:-1]
        return f"{latin}..."

    def lines(self, text: str, width_mm: float) -> list[str]:
        """The text as it breaks into lines of a width, in the font that is set."""
        told = self.multi_cell(width_mm, 1, self.latin(text), align="L", dry_run=True, output="LINES")
        return [str(line) for line in told] if isinstance(told, list) else []

    def room_mm(self) -> float:
        """What is left of the page."""
        return float(self.page_break_trigger - self.get_y())

    def need(self, height_mm: float) -> bool:
        """Go to the next page where less than that is left; whether that was so."""
        if self.room_mm() >= height_mm:
            return False
        self.add_page()
        return True

    def header(self) -> None:
        """What the report is of, and the journal's hash."""
        self.set_text_color(_GREY)
        self.set_font("Helvetica", "", 8)
        self.set_y(8)
        self.cell(self.epw / 2, 4, self.fitted(self._document.running_title, self.epw / 2 - 2))
        self.cell(self.epw / 2, 4, self.latin(self._document.journal_words), align="R")
        self.set_y(MARGIN_MM)
        self.set_text_color(0)

    def footer(self) -> None:
        """What the report is for, and which page this is."""
        self.set_y(3 - _FOOT_MM)
        self.set_draw_color(150)
        self.set_line_width(0.2)
        self.line(self.l_margin, self.get_y() - 1.5, self.w - self.r_margin, self.get_y() - 1.5)
        self.set_font("Helvetica", "B", 9)
        self.cell(self.epw / 2, 5, self.latin(self._document.footnote))
        self.set_font("Helvetica", "", 8)
        words = self._document.page_words.format(page=self.page_no(), pages="{nb}")
        self.set_x(
            self.w - self.r_margin - _PAGE_MM
        )  # not set flush right: fpdf2 counts "{nb}", not the number
        self.cell(_PAGE_MM, 5, self.latin(words))


def _date(unix_s: float | None) -> datetime:
    """A date that a PDF can hold; the epoch where the journal's clock cannot be believed."""
    try:
        return _EPOCH if unix_s is None else datetime.fromtimestamp(int(unix_s), UTC)
    except (OverflowError, ValueError, OSError):
        return _EPOCH
