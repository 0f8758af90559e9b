"""The report of a slide as the page gives it out, in each format that there is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alledge.page.workroom import Workroom
from alledge.report.building import slide_report
from alledge.report.contents import SlideReport
from alledge.report.evidence import find_evidence
from alledge.report.html import style_hash, to_html
from alledge.report.outline import outline
from alledge.report.pdf import to_pdf
from alledge.strings import Strings


class ReportFormat(StrEnum):
    """How a report can be had."""

    PDF = "pdf"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: its media type, how its bytes are made, and whether a browser shows it."""

    media_type: str
    make: Callable[[SlideReport, Strings], bytes]
    is_shown: bool = False


FORMATS: Final[Mapping[ReportFormat, Kind]] = {
    ReportFormat.PDF: Kind("application/pdf", lambda report, s: to_pdf(outline(report, s)), is_shown=True),
    ReportFormat.HTML: Kind(
        "text/html; charset=utf-8", lambda report, s: to_html(outline(report, s)), is_shown=True
    ),
}


def make(room: Workroom, slide: int, wanted: ReportFormat, strings: Strings) -> bytes:
    """The bytes of a report. Raises SlideUnusable when there is no such slide."""
    settings = room.settings
    with room.reader() as reader:
        evidence = find_evidence(reader, settings.data, settings.models)
        report = slide_report(reader, slide, evidence, settings.target_cells)
    return FORMATS[wanted].make(report, strings)


def report_policy() -> str:
    """The content security policy under which a report is shown: its own style and pictures, nothing else."""
    return (
        f"default-src 'none'; style-src {style_hash()}; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
