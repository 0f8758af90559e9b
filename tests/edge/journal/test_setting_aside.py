"""A damaged journal steps aside whole, and a withdrawn cell is counted no more."""

from pathlib import Path

import pytest

from alledge.clock import SystemClock
from alledge.errors import SlideUnusable
from alledge.journal import open_journal
from alledge.journal.projection import ROWS_MISSING, WITHDRAWN
from alledge.journal.reading import JournalReader
from alledge.journal.setting_aside import set_aside, was_ours
from alledge.journal.verification import verify_journal
from tests.edge.journal.made import WALL, field_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def test_all_parts_move_but_the_head_and_the_next_journal_says_that_rows_are_missing(path: Path) -> None:
    journal = open_journal(path, SystemClock())
    journal.append_field(journal.start_slide("S", WALL), field_record(1, 2))
    before = {part: path.with_name(path.name + part).read_bytes() for part in ("", "-wal")}
    aside = set_aside(path)
    assert aside.name == "journal.sqlite3.damaged-1"
    assert {part: aside.with_name(aside.name + part).read_bytes() for part in before} == before
    assert was_ours(path)
    open_journal(path, SystemClock()).close()
    with JournalReader(path) as reader:
        (told,) = reader.events(kind=ROWS_MISSING)
    assert told.fields()["expected_count"] == 3


def test_a_second_one_gets_a_name_of_its_own(path: Path) -> None:
    for number in (1, 2):
        open_journal(path, SystemClock()).close()
        assert set_aside(path).name.endswith(f"damaged-{number}")


def test_a_file_beside_which_no_head_was_noted_was_never_ours(path: Path) -> None:
    path.write_bytes(b"somebody else's")
    assert not was_ours(path)


def test_a_withdrawn_cell_is_counted_no_more_and_the_journal_stays_whole(path: Path) -> None:
    journal = open_journal(path, SystemClock())
    slide = journal.start_slide("S", WALL)
    journal.append_field(slide, field_record(1, 3))
    with JournalReader(path) as reader:
        numbers = [cell.stored.sighting.cell_id for cell in reader.cells(slide) if cell.stored.sighting]
        n_before = reader.slide(slide).n_cells
    pair = [numbers[2], numbers[0]]
    journal.append_event(WITHDRAWN, {"slide_id": slide, "cells": [pair]}, WALL)
    with JournalReader(path) as reader:
        assert reader.withdrawn(slide) == {pair[0]: pair[1]}
        assert reader.slide(slide).n_cells == n_before - 1
        assert len(reader.cells(slide, counted_only=True)) == n_before - 1
    assert verify_journal(path).broken is None


def test_chains_of_withdrawals_lead_to_the_cell_that_stays(path: Path) -> None:
    journal = open_journal(path, SystemClock())
    slide = journal.start_slide("S", WALL)
    for pair in ([9, 5], [5, 2]):
        journal.append_event(WITHDRAWN, {"slide_id": slide, "cells": [pair]}, WALL)
    with JournalReader(path) as reader:
        assert reader.withdrawn(slide) == {9: 2, 5: 2}


def test_cells_of_a_slide_that_is_not_there_cannot_be_withdrawn(path: Path) -> None:
    with pytest.raises(SlideUnusable):
        open_journal(path, SystemClock()).append_event(WITHDRAWN, {"slide_id": 7, "cells": []}, WALL)
