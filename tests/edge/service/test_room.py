"""Room on the disk: only what may go goes, a part at a time, and what cannot be helped is said."""

from pathlib import Path

import pytest

from alledge.clock import SystemClock
from alledge.journal import SqliteJournal, open_journal
from alledge.journal.projection import REVIEW, SIGN_OFF
from alledge.journal.reading import JournalReader
from alledge.service import room as room_module
from alledge.service.room import LEAST_FREE_BYTES, QuotaRoom
from tests.edge.journal.made import WALL, field_record

S = 1_000_000_000
PICTURE = bytes(range(256)) * 400  # 100 kB
PLENTY = 10 * LEAST_FREE_BYTES


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    return open_journal(tmp_path / "journal.sqlite3", SystemClock())


def a_slide(journal: SqliteJournal, n_fields: int, *, is_signed: bool) -> tuple[int, list[int]]:
    slide = journal.start_slide("S", WALL)
    fields = [journal.append_field(slide, field_record(n, 1, PICTURE)) for n in range(n_fields)]
    journal.end_slide(slide, WALL)
    if is_signed:
        journal.append_event(SIGN_OFF, {"slide_id": slide, "who": "A"}, WALL)
    return slide, fields


def kept(journal: SqliteJournal, fields: list[int]) -> list[bool]:
    with JournalReader(journal.path) as reader:
        return [reader.picture(field) is not None for field in fields]


def test_a_journal_within_its_limit_keeps_everything(journal: SqliteJournal) -> None:
    _, fields = a_slide(journal, 4, is_signed=True)
    assert QuotaRoom(journal, 10**9, lambda: PLENTY).tend(0, WALL) is None
    assert all(kept(journal, fields))


def test_signed_off_pictures_go_oldest_first_and_unsigned_ones_stay(journal: SqliteJournal) -> None:
    _, old = a_slide(journal, 4, is_signed=True)
    _, new = a_slide(journal, 4, is_signed=False)
    assert QuotaRoom(journal, 700_000, lambda: PLENTY).tend(0, WALL) is None
    assert kept(journal, old) == sorted(kept(journal, old)), "the oldest first"
    assert not all(kept(journal, old))
    assert all(kept(journal, new))


def test_what_a_person_looked_at_stays(journal: SqliteJournal) -> None:
    _, fields = a_slide(journal, 3, is_signed=True)
    journal.append_event(REVIEW, {"field_id": fields[0], "position": 0, "label": "blast", "who": "A"}, WALL)
    QuotaRoom(journal, 10_000, lambda: PLENTY).tend(0, WALL)
    assert kept(journal, fields) == [True, False, False]


def test_when_nothing_may_go_that_is_said_and_nothing_goes(journal: SqliteJournal) -> None:
    _, fields = a_slide(journal, 3, is_signed=False)
    trouble = QuotaRoom(journal, 10_000, lambda: PLENTY).tend(0, WALL)
    assert trouble is not None
    assert trouble.code == "journal-over-limit"
    assert all(kept(journal, fields))


def test_a_disk_that_runs_short_has_room_made_within_the_limit(journal: SqliteJournal) -> None:
    _, signed = a_slide(journal, 4, is_signed=True)
    room = QuotaRoom(journal, 10**9, lambda: LEAST_FREE_BYTES - 150_000)
    assert room.tend(0, WALL) is None
    assert not all(kept(journal, signed))


def test_a_disk_that_runs_short_with_nothing_to_remove_is_told(journal: SqliteJournal) -> None:
    a_slide(journal, 1, is_signed=False)
    trouble = QuotaRoom(journal, 10**9, lambda: 0).tend(0, WALL)
    assert trouble is not None
    assert trouble.code == "disk-low"


def test_a_part_is_removed_at_a_time_until_it_is_enough(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "AT_ONCE_BYTES", 150_000)
    _, fields = a_slide(journal, 8, is_signed=True)
    room, left = QuotaRoom(journal, 200_000, lambda: PLENTY), []
    for second in range(10):
        assert room.tend(second * S, WALL) is None
        left.append(sum(kept(journal, fields)))
    assert left[0] >= 6
    assert left == sorted(left, reverse=True)
    assert left[-1] <= 1


def test_it_looks_once_a_minute_and_when_a_slide_has_ended(journal: SqliteJournal) -> None:
    looks = []
    room = QuotaRoom(journal, 10**9, lambda: looks.append(1) or PLENTY)
    for second in range(121):
        room.tend(second * S, WALL)
    assert len(looks) == 3
    room.ask()
    room.tend(121 * S, WALL)
    assert len(looks) == 4
