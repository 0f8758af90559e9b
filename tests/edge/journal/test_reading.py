"""What the page and the report read: pages of slides, fields and cells, as they were stored."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alledge.errors import PathUnusable, SlideUnusable
from alledge.journal import CellRecord, FieldRecord, SqliteJournal
from alledge.journal.reading import CellView, JournalReader
from alledge.types import Call
from tests.edge.journal.made import WALL, field_record, new_journal

N_FIELDS, N_CELLS = 4, 3


def with_calls(record: FieldRecord, calls: tuple[Call, ...]) -> FieldRecord:
    cells = tuple(
        CellRecord(
            cell.cell,
            call,
            cell.sighting and replace(cell.sighting, is_new=call.label == "blast"),
            cell.patch,
        )
        for cell, call in zip(record.cells, calls, strict=True)
    )
    return replace(record, result=replace(record.result, calls=calls), cells=cells)


CALLS = (
    Call("blast", {"blast": 0.9, "normal": 0.1}, review=False),
    Call("normal", {"blast": 0.2, "normal": 0.8}, review=False),
    Call("blast", {"blast": 0.6, "normal": 0.4}, review=True, reason="close to the threshold"),
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = new_journal(tmp_path)
    for name in ("S-1", "S-2"):
        slide_id = journal.start_slide(name, WALL)
        for sequence in range(N_FIELDS):
            journal.append_field(slide_id, with_calls(field_record(sequence, N_CELLS), CALLS))
    yield journal
    journal.close()


@pytest.fixture
def reader(journal: SqliteJournal) -> Iterator[JournalReader]:
    with JournalReader(journal.path) as reader:
        yield reader


def test_slides_come_newest_first_a_page_at_a_time(reader: JournalReader) -> None:
    (newest,) = reader.slides(limit=1)
    (oldest,) = reader.slides(before=newest.slide_id)
    assert (newest.identifier, oldest.identifier) == ("S-2", "S-1")
    assert reader.slides(before=oldest.slide_id) == ()


def test_a_slide_is_summed_up_each_cell_counted_once(reader: JournalReader, journal: SqliteJournal) -> None:
    slide = reader.slides()[1]
    assert (slide.n_fields, slide.n_cells, slide.n_review) == (N_FIELDS, 2 * N_FIELDS, N_FIELDS)
    assert (slide.started, slide.ended, slide.signed_off_by, slide.n_overridden) == (WALL, None, None, 0)
    field_id = reader.fields(slide.slide_id)[0][0]
    number = journal.append_event("review", {"field_id": field_id, "position": 0}, WALL)
    journal.end_slide(slide.slide_id, WALL)
    sign_off = journal.append_event("sign-off", {"slide_id": slide.slide_id}, WALL)
    after = reader.slide(slide.slide_id)
    assert (after.ended, after.signed_off_by, after.n_overridden) == (WALL, sign_off, 1)
    assert reader.cells(slide.slide_id)[0].overridden_by == number


def test_the_pages_of_a_slides_cells_are_all_of_them(reader: JournalReader) -> None:
    slide_id = reader.slides()[0].slide_id
    whole = reader.cells(slide_id)
    paged: list[CellView] = []
    after = (0, -1)
    while page := reader.cells(slide_id, after, limit=5):
        paged += page
        after = (page[-1].field_id, page[-1].position)
    assert paged == list(whole)
    assert len(whole) == N_FIELDS * N_CELLS


def test_cells_can_be_chosen_by_label_by_review_and_by_being_counted(reader: JournalReader) -> None:
    slide_id = reader.slides()[0].slide_id
    assert len(reader.cells(slide_id, label="normal")) == N_FIELDS
    assert {cell.position for cell in reader.cells(slide_id, review=True)} == {2}
    assert {cell.position for cell in reader.cells(slide_id, review=False)} == {0, 1}
    assert {cell.position for cell in reader.cells(slide_id, counted_only=True)} == {0, 2}


def test_fields_of_a_slide_can_be_read_from_any_of_them_on(reader: JournalReader) -> None:
    slide_id = reader.slides()[0].slide_id
    all_fields = list(reader.all_fields(slide_id))
    assert reader.fields(slide_id, after=all_fields[1][0]) == tuple(all_fields[2:])


def test_events_can_be_followed_from_another_process(reader: JournalReader, journal: SqliteJournal) -> None:
    head = reader.head()
    number = journal.append_event("fault", {"code": "camera-stale"}, WALL)
    (event,) = reader.events(after=head.count)
    assert (event.number, event.kind, event.fields()["code"]) == (number, "fault", "camera-stale")
    assert reader.last_wall() == WALL


def test_what_is_not_there_is_named(reader: JournalReader, tmp_path: Path) -> None:
    with pytest.raises(SlideUnusable, match="no slide 99"):
        reader.slide(99)
    assert reader.picture(99) is None
    with pytest.raises(PathUnusable):
        JournalReader(tmp_path / "nowhere.sqlite3")
