"""The files of a report: whole, the same at every making, and honest about what they are for."""

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from alledge.clock import ClockTrust, WallTime
from alledge.journal.records import encode_patch
from alledge.report.contents import SlideReport
from alledge.report.html import style_hash
from alledge.report.latin import to_latin, visible
from alledge.report.making import FORMATS, make, note_made
from alledge.strings import Strings
from tests.edge.journal.made import patch_of
from tests.edge.report.made import a_journal, counted_slide, report_of, reviewed_slide, wall

EN, DE = Strings.load("en"), Strings.load("de")
WORDS = "Research use only. Not for diagnosis."


@pytest.fixture
def report(tmp_path: Path) -> SlideReport:
    with a_journal(tmp_path) as journal:
        return report_of(journal, reviewed_slide(journal)[0])


def pages_of(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


def identified(report: SlideReport, identifier: str) -> SlideReport:
    return replace(report, slide=replace(report.slide, identifier=identifier))


def test_every_page_says_what_it_is_for_and_which_it_is(report: SlideReport) -> None:
    pages = pages_of(make(report, "pdf", EN))
    assert len(pages) > 1
    for number, text in enumerate(pages, start=1):
        assert WORDS in text
        assert f"Page {number} of {len(pages)}" in text


@pytest.mark.parametrize("form", FORMATS)
def test_every_file_says_that_it_is_for_research_only(report: SlideReport, form: str) -> None:
    assert WORDS.encode() in make(report, form, EN)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_data_give_the_same_bytes_after_others_wrote_to_the_journal(
    form: str, tmp_path: Path
) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        first = make(report_of(journal, slide_id), form, EN)
        note_made(journal, slide_id, {form: first}, "Dr A", wall(60))
        counted_slide(journal, "another", first=70)
        assert make(report_of(journal, slide_id), form, EN) == first


MAKE_ANEW = """
import sys
from pathlib import Path
from tests.edge.report.made import evidence
from alledge.journal.reading import JournalReader
from alledge.report.building import slide_report
from alledge.report.making import make
from alledge.strings import Strings
with JournalReader(Path(sys.argv[1])) as reader:
    told = slide_report(reader, int(sys.argv[2]), evidence())
for form in ("pdf", "html", "fhir"):
    Path(sys.argv[3], form).write_bytes(make(told, form, Strings.load("en")))
"""


def test_another_process_another_day_zone_and_hash_seed_make_the_same_bytes(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        told = report_of(journal, slide_id)
        root = Path(__file__).parents[3]
        subprocess.run(
            [sys.executable, "-c", MAKE_ANEW, str(journal.path), str(slide_id), str(tmp_path)],
            env={
                "PYTHONHASHSEED": "77",
                "TZ": "Asia/Tokyo",
                "LANG": "C",
                "PYTHONPATH": f"{root}:{root}/edge",
            },
            check=True,
            cwd=root,
        )
    for form in ("pdf", "html", "fhir"):
        assert (tmp_path / form).read_bytes() == make(told, form, EN)


def test_making_a_report_is_noted_with_the_hash_of_each_file(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        number = note_made(journal, slide_id, {"pdf": b"P", "html": b"H"}, "Dr A", wall(60))
        told = report_of(journal, slide_id)
        assert told.as_of.count < number == journal.head().count
        with journal.reading() as connection:
            (text,) = connection.execute("SELECT body FROM events WHERE number = ?", (number,)).fetchone()
    body = json.loads(text)
    assert (body["slide_id"], body["formats"], body["who"]) == (slide_id, ["html", "pdf"], "Dr A")
    assert body["sha256"]["pdf"] == hashlib.sha256(b"P").hexdigest()


def test_the_pdf_holds_the_journals_pictures_unchanged_and_no_date_of_its_making(report: SlideReport) -> None:
    pdf = make(report, "pdf", EN)
    idat = re.search(rb"IDAT(.*?)....IEND", encode_patch(patch_of(1, 0)), re.DOTALL)
    assert idat is not None
    assert idat[1][:200] in pdf
    field = report.worst_fields[0].jpeg
    assert field is not None
    assert field in pdf
    dated = PdfReader(io.BytesIO(pdf)).metadata
    assert dated is not None
    assert dated.creation_date is not None
    assert dated.creation_date.timestamp() == int(report.as_of_wall.unix_s)
    assert dated.producer == "allscope"


def test_pictures_in_the_pdf_can_be_read_by_others(report: SlideReport) -> None:
    images = [image for page in PdfReader(io.BytesIO(make(report, "pdf", EN))).pages for image in page.images]
    patches = [image.image for image in images if image.image is not None and image.image.size == (50, 50)]
    assert len(patches) >= 9
    assert bytes(patch_of(1, 3).tobytes()) in {patch.convert("RGB").tobytes() for patch in patches}


def test_a_wrong_clock_dates_no_document(report: SlideReport) -> None:
    wrong = replace(report, as_of_wall=WallTime(1e18, ClockTrust.WRONG))
    dated = PdfReader(io.BytesIO(make(wrong, "pdf", EN))).metadata
    assert dated is not None
    assert dated.creation_date is not None
    assert dated.creation_date.timestamp() == 0


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.styled = False
        self.without_alt = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.styled = self.styled or "style" in told or any(name.startswith("on") for name in told)
        self.without_alt += tag == "img" and "alt" not in told


def test_the_html_is_one_file_that_loads_nothing_and_runs_nothing(report: SlideReport) -> None:
    text = make(report, "html", EN).decode()
    seen = Seen()
    seen.feed(text)
    assert "script" not in seen.tags
    assert not seen.styled
    assert seen.without_alt == 0
    assert seen.links
    assert all(link.startswith("data:image/") for link in seen.links)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style_hash().startswith("'sha256-")
    assert hashlib.sha256(style.encode()).digest() == base64.b64decode(style_hash()[8:-1])


def test_what_people_typed_is_text_and_never_markup(report: SlideReport) -> None:
    text = make(identified(report, "<script>alert(1)</script>&amp;"), "html", EN).decode()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("strings", [EN, DE], ids=["en", "de"])
def test_html_and_pdf_say_the_same_in_both_languages(report: SlideReport, strings: Strings) -> None:
    text = make(report, "html", strings).decode()
    pdf = " ".join(pages_of(make(report, "pdf", strings)))
    for name in ("counts.title", "words.title", "model.title", "banner.open"):
        assert strings[f"report.{name}"] in text
        assert strings[f"report.{name}"] in pdf
    assert report.as_of.hash in text
    assert report.as_of.hash in pdf.replace("\n", "")


def test_german_numbers_have_a_comma(report: SlideReport) -> None:
    assert "72,7 %" in make(report, "html", DE).decode()
    assert "72.7 %" in make(report, "html", EN).decode()


def test_an_identifier_of_any_letters_is_shown_and_told_where_the_fonts_lack_them(
    report: SlideReport,
) -> None:
    odd = identified(report, "Żółć-\U0001f52c-\u202eabc")
    pdf = " ".join(pages_of(make(odd, "pdf", EN)))
    assert "[U+017B]" in pdf
    assert "[U+202E]" in pdf
    assert EN["report.journal-part.glyphs"][:40] in pdf
    text = make(odd, "html", EN).decode()
    assert "Żółć-\U0001f52c-[U+202E]abc" in text


def test_a_plain_report_says_nothing_of_missing_letters(report: SlideReport) -> None:
    assert "[U+" not in " ".join(pages_of(make(report, "pdf", EN)))


@given(st.text(max_size=60))
def test_any_text_can_be_written_in_latin_and_stays_readable(text: str) -> None:
    to_latin(text).encode("latin-1")
    assert all(character.isprintable() or character == "\xa0" for character in to_latin(text))
    assert "\u202e" not in visible(text)


def test_a_long_identifier_and_thousands_of_overrides_still_make_pages(report: SlideReport) -> None:
    words = replace(report.words, overridden=report.words.overridden * 150)
    long = identified(replace(report, words=words), "x" * 400)
    assert len(pages_of(make(long, "pdf", EN))) > 5


def test_a_slide_without_any_field_has_a_report_too(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        empty = report_of(journal, journal.start_slide("", wall(0)))
    for form in FORMATS:
        assert make(empty, form, EN)


def test_pictures_that_were_removed_are_said_to_be_gone(report: SlideReport) -> None:
    gone = tuple(
        replace(group, shown=tuple(replace(cell, png=None) for cell in group.shown))
        for group in report.classes
    )
    told = replace(report, classes=gone)
    assert EN["report.removed"] in make(told, "html", EN).decode()
    assert "picture no" in " ".join(pages_of(make(told, "pdf", EN)))


def test_csv_has_a_line_a_cell_and_no_formula(report: SlideReport) -> None:
    table = make(identified(report, "=1+1"), "csv", EN).decode().splitlines()
    assert len(table) == 1 + report.n_cells
    assert all(line.startswith("'=1+1,") for line in table[1:])


def test_json_tells_counts_words_and_where_it_stands_in_the_journal(report: SlideReport) -> None:
    told = json.loads(make(report, "json", EN))
    assert told["journal"]["hash"] == report.as_of.hash
    assert sum(label["n"] for label in told["labels"]) == 11
    assert told["overrides"][0]["from"] == "blast"
    assert told["overrides"][0]["to"] == "lymphocyte"
    assert told["research_use_only"] is True
