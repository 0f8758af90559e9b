"""The files of a report by their format, and the note in the journal that somebody made one.

The note (`report-made`) is written by who makes a report for a person, the page or the command line, never by
making the bytes: it says who, which formats, and the SHA-256 of each file. It is no part of the slide, so the
same report built later is the same file.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from alledge.clock import WallTime
from alledge.journal import Journal
from alledge.report.as_json import report_to_csv, report_to_json
from alledge.report.contents import SlideReport
from alledge.report.fhir import report_to_fhir
from alledge.report.html import to_html
from alledge.report.outline import outline
from alledge.report.pdf import to_pdf
from alledge.review.history import REPORT_MADE
from alledge.strict_json import Json
from alledge.strings import Strings

_MAKERS: Final[Mapping[str, Callable[[SlideReport, Strings], bytes]]] = {
    "pdf": lambda report, strings: to_pdf(outline(report, strings)),
    "html": lambda report, strings: to_html(outline(report, strings)),
    "json": lambda report, _: report_to_json(report),
    "csv": lambda report, _: report_to_csv(report),
    "fhir": lambda report, _: report_to_fhir(report),
}
FORMATS: Final = tuple(_MAKERS)
"""What a report can be made as; `fhir` is JSON."""


def make(report: SlideReport, form: str, strings: Strings) -> bytes:
    """One file of a report. form: one of FORMATS."""
    return _MAKERS[form](report, strings)


def note_made(journal: Journal, slide_id: int, files: Mapping[str, bytes], who: str, wall: WallTime) -> int:
    """Note in the journal that a report was made; the number of the event.

    Args:
        journal: to write into.
        slide_id: of which slide.
        files: what was handed out, by format.
        who: for whom.
        wall: when.

    Raises:
        JournalUnavailable: the medium refuses; nothing is noted.
    """
    sha256: dict[str, Json] = {form: hashlib.sha256(data).hexdigest() for form, data in files.items()}
    formats: list[Json] = [*sorted(files)]
    return journal.append_event(
        REPORT_MADE, {"slide_id": slide_id, "formats": formats, "who": who, "sha256": sha256}, wall
    )
