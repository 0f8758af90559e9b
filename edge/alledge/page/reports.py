"""The report of a slide as the page gives it out, in each format that there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alledge.page.workroom import Workroom
from alledge.report import making
from alledge.report.building import slide_report
from alledge.report.evidence import find_evidence
from alledge.report.html import style_hash
from alledge.strings import Strings


class ReportFormat(StrEnum):
    """How a report can be had."""

    PDF = "pdf"
    HTML = "html"
    CSV = "csv"
    JSON = "json"
    FHIR = "fhir"


@dataclass(frozen=True, slots=True)
class Kind:
    """A format as HTTP knows it. is_shown: the browser shows it, rather than putting it into a file."""

    media_type: str
    ending: str
    is_shown: bool = False


FORMATS: Final[Mapping[ReportFormat, Kind]] = {
    ReportFormat.PDF: Kind("application/pdf", "pdf", is_shown=True),
    ReportFormat.HTML: Kind("text/html; charset=utf-8", "html", is_shown=True),
    ReportFormat.CSV: Kind("text/csv; charset=utf-8", "csv"),
    ReportFormat.JSON: Kind("application/json", "json"),
    ReportFormat.FHIR: Kind("application/fhir+json", "fhir.json"),
}


def make(room: Workroom, slide: int, wanted: ReportFormat, strings: Strings) -> bytes:
    """The bytes of a report. Raises SlideUnusable when there is no such slide."""
    settings = room.settings
    with room.reader() as reader:
        evidence = find_evidence(reader, settings.data, settings.models)
        report = slide_report(reader, slide, evidence, settings.target_cells)
    return making.make(report, wanted.value, strings)


def report_policy() -> str:
    """The content security policy under which a report is shown: its own style and pictures, nothing else."""
    return (
        f"default-src 'none'; style-src {style_hash()}; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
