"""Slides made for tests of the review: tracked cells of which some wait for a person."""

from dataclasses import replace
from pathlib import Path

from alledge.clock import SystemClock
from alledge.journal import FieldRecord, SqliteJournal
from alledge.journal.reading import JournalReader
from alledge.review import Desk, SlideReview, Word, read_review
from alledge.slide.placement import Sighting
from alledge.types import Call
from tests.edge.journal.made import WALL, field_record, new_journal

SURE = Call("blast", {"normal": 0.05, "blast": 0.95}, review=False)
NORMAL = Call("normal", {"normal": 0.8, "blast": 0.2}, review=False)
UNSURE = Call("blast", {"normal": 0.45, "blast": 0.55}, review=True, reason="close to the threshold")
CALLS = (SURE, NORMAL, UNSURE)


def tracked(sequence: int, cells: list[tuple[int, Call, bool, bool]]) -> FieldRecord:
    """A field of cells given as (cell_id, call, is_new, is_sharper)."""
    record = field_record(sequence, len(cells))
    made = tuple(
        replace(stored, call=call, sighting=Sighting(cell_id, 10.0, 4.0, is_new, is_sharper, 0.5))
        for stored, (cell_id, call, is_new, is_sharper) in zip(record.cells, cells, strict=True)
    )
    return replace(
        record, cells=made, result=replace(record.result, calls=tuple(call for _, call, _, _ in cells))
    )


def begin_slide(folder: Path, n_fields: int = 2, *, ended: bool = True) -> tuple[SqliteJournal, Desk, int]:
    """(journal, desk, slide): each field has a sure blast, a sure normal cell and one that waits."""
    journal = new_journal(folder)
    slide_id = journal.start_slide("S-1", WALL)
    for sequence in range(n_fields):
        first = 3 * sequence + 1
        cells = [(first + i, call, True, True) for i, call in enumerate(CALLS)]
        journal.append_field(slide_id, tracked(sequence, cells))
    if ended:
        journal.end_slide(slide_id, WALL)
    return journal, Desk(journal, SystemClock()), slide_id


def review_of(journal: SqliteJournal, slide_id: int) -> SlideReview:
    with JournalReader(journal.path) as reader:
        return read_review(reader, slide_id)


def words_for(review: SlideReview, indices: list[int], label: str | None) -> list[Word]:
    """Words on some cells by one who has seen the slide as `review` shows it."""
    cells = [review.cells[index] for index in indices]
    return [Word(cell.field_id, cell.position, label, cell.last_event) for cell in cells]
