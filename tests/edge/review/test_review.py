"""A slide as it is read back: each cell once, by its sharpest sighting, with both words on it."""

from pathlib import Path

import pytest

from alledge.errors import SlideUnusable
from alledge.journal.projection import WITHDRAWN
from alledge.journal.reading import JournalReader
from alledge.review import Word
from alledge.review.reading import ReviewFollower
from tests.edge.journal.made import WALL
from tests.edge.review.made import NORMAL, SURE, UNSURE, begin_slide, review_of, tracked, words_for


def test_each_cell_comes_once_in_the_order_seen_and_uncalled_ones_wait(tmp_path: Path) -> None:
    journal, _, slide_id = begin_slide(tmp_path)
    review = review_of(journal, slide_id)
    assert [cell.label for cell in review.cells] == ["blast", "normal", "blast"] * 2
    assert [cell.is_open for cell in review.cells] == [False, False, True] * 2
    assert (review.n_open, review.signed, review.amendments) == (2, None, ())


def test_the_sharpest_sighting_shows_a_cell_and_words_on_any_sighting_count(tmp_path: Path) -> None:
    journal, desk, _ = begin_slide(tmp_path, 1)
    slide_id = journal.start_slide("S-2", WALL)
    first = journal.append_field(slide_id, tracked(7, [(1, UNSURE, True, True)]))
    desk.say(slide_id, [Word(first, 0, "monocyte", None)], "Ada")
    second = journal.append_field(slide_id, tracked(8, [(1, SURE, False, True), (2, NORMAL, True, True)]))
    journal.append_field(slide_id, tracked(9, [(1, NORMAL, False, False)]))
    shown = review_of(journal, slide_id).cells
    assert [(cell.field_id, cell.position) for cell in shown] == [(second, 0), (second, 1)]
    assert (shown[0].label, shown[0].call, shown[0].is_overridden) == ("monocyte", SURE, True)


def test_a_cell_cut_by_the_border_is_not_counted(tmp_path: Path) -> None:
    journal, _, _ = begin_slide(tmp_path, 1)
    slide_id = journal.start_slide("S-2", WALL)
    journal.append_field(slide_id, tracked(7, [(0, SURE, False, False), (1, SURE, True, True)]))
    assert [cell.position for cell in review_of(journal, slide_id).cells] == [1]


def test_the_call_of_the_model_is_kept_beside_the_word_of_a_person(tmp_path: Path) -> None:
    journal, desk, slide_id = begin_slide(tmp_path)
    desk.say(slide_id, words_for(review_of(journal, slide_id), [0], "lymphocyte"), "Ada")
    cell = review_of(journal, slide_id).cells[0]
    assert cell.call == SURE
    assert cell.opinion is not None
    assert (cell.label, cell.opinion.who) == ("lymphocyte", "Ada")


def test_what_a_person_calls_no_cell_is_not_counted(tmp_path: Path) -> None:
    journal, desk, slide_id = begin_slide(tmp_path)
    desk.say(slide_id, words_for(review_of(journal, slide_id), [2], None), "Ada")
    review = review_of(journal, slide_id)
    assert len(review.counted_cells()) == len(review.cells) - 1
    assert review.n_open == 1


def test_a_review_that_is_followed_is_the_one_that_is_read_at_once(tmp_path: Path) -> None:
    journal, desk, slide_id = begin_slide(tmp_path, 1, ended=False)
    follower = ReviewFollower(slide_id)
    with JournalReader(journal.path) as reader:
        for sequence in range(1, 5):
            journal.append_field(slide_id, tracked(sequence, [(10 + sequence, UNSURE, True, True)]))
            followed = follower.catch_up(reader)
            desk.say(slide_id, words_for(followed, [len(followed.cells) - 1], "monocyte"), "Ada")
            followed, fresh = follower.catch_up(reader), review_of(journal, slide_id)
            assert [c.history for c in followed.cells] == [c.history for c in fresh.cells]
            assert (followed.n_open, followed.slide, followed.as_of) == (
                fresh.n_open,
                fresh.slide,
                fresh.as_of,
            )
            assert follower.catch_up(reader) is followed


def test_cells_that_turned_out_to_be_one_are_counted_once_and_share_what_was_said(tmp_path: Path) -> None:
    journal, desk, slide_id = begin_slide(tmp_path)
    follower = ReviewFollower(slide_id)
    with JournalReader(journal.path) as reader:
        before = follower.catch_up(reader)
        desk.say(slide_id, words_for(before, [5], "monocyte"), "Ada")
        journal.append_event(WITHDRAWN, {"slide_id": slide_id, "cells": [[6, 3], [5, 2]]}, WALL)
        followed, fresh = follower.catch_up(reader), review_of(journal, slide_id)
    assert len(before.cells) == 6
    assert len(fresh.cells) == fresh.slide.n_cells == 4
    assert [cell.label for cell in fresh.cells if cell.opinion is not None] == ["monocyte"]
    assert [c.history for c in followed.cells] == [c.history for c in fresh.cells]
    desk.say(slide_id, words_for(fresh, [2], "blast"), "Ben")
    assert review_of(journal, slide_id).cells[2].label == "blast"


def test_a_slide_that_is_not_there_is_refused_by_number(tmp_path: Path) -> None:
    journal, _, _ = begin_slide(tmp_path)
    with pytest.raises(SlideUnusable, match="no slide 999"):
        review_of(journal, 999)
