"""A quota removes the oldest signed-off pictures, never unsigned or overridden ones, and says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alledge.journal import SqliteJournal
from alledge.journal.quota import _remove, enforce_quota
from alledge.journal.reading import JournalReader
from alledge.journal.verification import verify_journal
from tests.edge.journal.made import WALL, field_record, new_journal

PICTURE_BYTES = 30_000
N_FIELDS = 3


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = new_journal(tmp_path)
    yield journal
    journal.close()


def add_slide(journal: SqliteJournal, first: int, *, signed_off: bool = True) -> int:
    """A slide of fields with pictures that no other slide has; its number."""
    slide_id = journal.start_slide(f"S-{first}", WALL)
    for sequence in range(first, first + N_FIELDS):
        picture = sequence.to_bytes(2, "big") * (PICTURE_BYTES // 2)
        journal.append_field(slide_id, field_record(sequence, picture=picture))
    journal.end_slide(slide_id, WALL)
    if signed_off:
        journal.append_event("sign-off", {"slide_id": slide_id, "by": "A. Reader"}, WALL)
    return slide_id


def pictures_left(journal: SqliteJournal, slide_id: int) -> tuple[int, int]:
    """(field pictures, patches) of a slide that are still there."""
    with JournalReader(journal.path) as reader:
        fields = [field_id for field_id, _ in reader.all_fields(slide_id)]
        cells = reader.cells(slide_id)
        return (
            sum(reader.picture(field_id) is not None for field_id in fields),
            sum(cell.patch_png is not None for cell in cells),
        )


ALL_OF_A_SLIDE = (N_FIELDS, 2 * N_FIELDS)


def test_nothing_goes_while_there_is_room(journal: SqliteJournal) -> None:
    slide_id = add_slide(journal, 0)
    report = enforce_quota(journal, 10**9, WALL)
    assert report.is_within
    assert report.removed == ()
    assert pictures_left(journal, slide_id) == ALL_OF_A_SLIDE


def test_the_oldest_signed_off_slide_goes_first_its_fields_before_its_patches(journal: SqliteJournal) -> None:
    old, new = add_slide(journal, 0), add_slide(journal, 10)
    used = enforce_quota(journal, 10**9, WALL).used_bytes
    report = enforce_quota(journal, used - 1, WALL)
    assert report.is_within
    assert pictures_left(journal, old)[0] < N_FIELDS
    assert pictures_left(journal, old)[1] == 2 * N_FIELDS
    assert pictures_left(journal, new) == ALL_OF_A_SLIDE


def test_an_unsigned_slide_keeps_everything_even_if_the_quota_is_not_met(journal: SqliteJournal) -> None:
    unsigned = add_slide(journal, 0, signed_off=False)
    signed = add_slide(journal, 10)
    still_open = journal.start_slide("S-open", WALL)
    journal.append_field(still_open, field_record(20))
    report = enforce_quota(journal, 1, WALL)
    assert not report.is_within
    assert pictures_left(journal, unsigned) == ALL_OF_A_SLIDE
    assert pictures_left(journal, signed) == (0, 0)
    assert pictures_left(journal, still_open) == (0, 2)


def test_a_slide_whose_sign_off_was_withdrawn_keeps_everything(journal: SqliteJournal) -> None:
    slide_id = add_slide(journal, 0)
    journal.append_event("sign-off-withdrawn", {"slide_id": slide_id}, WALL)
    enforce_quota(journal, 1, WALL)
    assert pictures_left(journal, slide_id) == ALL_OF_A_SLIDE


def test_what_a_person_overrode_is_kept_with_the_field_round_it(journal: SqliteJournal) -> None:
    slide_id = add_slide(journal, 0)
    with JournalReader(journal.path) as reader:
        field_id, _ = reader.fields(slide_id)[1]
    journal.append_event("review", {"field_id": field_id, "position": 1, "label": "normal"}, WALL)
    enforce_quota(journal, 1, WALL)
    assert pictures_left(journal, slide_id) == (1, 1)


def test_the_same_picture_on_an_unsigned_slide_stays_there(journal: SqliteJournal) -> None:
    signed, unsigned = add_slide(journal, 0), add_slide(journal, 0, signed_off=False)
    enforce_quota(journal, 1, WALL)
    assert pictures_left(journal, signed) == (0, 0)
    assert pictures_left(journal, unsigned) == ALL_OF_A_SLIDE


def test_a_call_overridden_after_the_plan_was_made_keeps_its_pictures(journal: SqliteJournal) -> None:
    slide_id = add_slide(journal, 0)
    with JournalReader(journal.path) as reader:
        field_id, _ = reader.fields(slide_id)[0]
    planned = [(field_id, -1, 1), (field_id, 0, 1), (field_id, 1, 1)]
    journal.append_event("review", {"field_id": field_id, "position": 1}, WALL)
    assert list(_remove(journal, planned, WALL)) == [(field_id, 0, 1)]


def test_a_removal_is_an_event_and_the_journal_stays_whole(journal: SqliteJournal) -> None:
    add_slide(journal, 0)
    report = enforce_quota(journal, 1, WALL)
    found = verify_journal(journal.path)
    assert found.broken is None
    assert found.n_removed == len(report.removed) == 3 * N_FIELDS
    with JournalReader(journal.path) as reader:
        (event,) = reader.events(kind="pictures-removed")
    assert event.fields()["pictures"] == [list(picture) for picture in report.removed]


def test_a_dry_run_tells_the_same_and_removes_nothing(journal: SqliteJournal) -> None:
    slide_id = add_slide(journal, 0)
    planned = enforce_quota(journal, 1, WALL, dry_run=True)
    assert pictures_left(journal, slide_id) == ALL_OF_A_SLIDE
    assert enforce_quota(journal, 1, WALL) == planned
