"""What persons may write: batches whole or not at all, conflicts seen, a signed slide read-only."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alledge.errors import AllscopeError, SlideUnusable
from alledge.journal import SqliteJournal
from alledge.journal.verification import verify_journal
from alledge.review import Desk, ReviewConflict, SignOffRefused, SlideSigned, Word, undo_of
from alledge.review.desk import WordsMissing
from alledge.review.labels import LabelUnusable
from alledge.strict_json import Json
from tests.edge.journal.made import WALL
from tests.edge.review.made import begin_slide, review_of, words_for

Made = tuple[SqliteJournal, Desk, int]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    journal, desk, slide_id = begin_slide(tmp_path)
    yield journal, desk, slide_id
    journal.close()


def settle(made: Made, who: str = "Ada") -> None:
    """Leave no cell open."""
    journal, desk, slide_id = made
    review = review_of(journal, slide_id)
    waiting = [index for index, cell in enumerate(review.cells) if cell.is_open]
    desk.say(slide_id, words_for(review, waiting, "blast"), who)


def test_several_cells_at_once_are_one_batch(made: Made) -> None:
    journal, desk, slide_id = made
    numbers = desk.say(slide_id, words_for(review_of(journal, slide_id), [0, 1, 2], "monocyte"), "Ada")
    opinions = [cell.opinion for cell in review_of(journal, slide_id).cells[:3]]
    assert [said.event for said in opinions if said] == list(numbers)
    assert {said.batch for said in opinions if said} == {numbers[0]}


def test_undo_takes_back_the_newest_batch_whole_and_then_the_one_before(made: Made) -> None:
    journal, desk, slide_id = made
    desk.say(slide_id, words_for(review_of(journal, slide_id), [0], "normal"), "Ada")
    desk.say(slide_id, words_for(review_of(journal, slide_id), [0, 1, 2], "monocyte"), "Ada")
    for expected in (["normal", "normal", "blast"], ["blast", "normal", "blast"]):
        desk.say(slide_id, undo_of(review_of(journal, slide_id), "Ada"), "Ada")
        assert [cell.label for cell in review_of(journal, slide_id).cells[:3]] == expected
    assert undo_of(review_of(journal, slide_id), "Ada") == []
    assert len(review_of(journal, slide_id).cells[0].history) == 4


def test_a_person_undoes_their_own_words_only(made: Made) -> None:
    journal, desk, slide_id = made
    desk.say(slide_id, words_for(review_of(journal, slide_id), [0], "monocyte"), "Ada")
    assert undo_of(review_of(journal, slide_id), "Ben") == []


def test_who_speaks_later_without_having_seen_the_first_word_gets_a_conflict(made: Made) -> None:
    journal, desk, slide_id = made
    both_saw = review_of(journal, slide_id)
    desk.say(slide_id, words_for(both_saw, [0], "monocyte"), "Ada")
    with pytest.raises(ReviewConflict):
        desk.say(slide_id, words_for(both_saw, [1, 0], "lymphocyte"), "Ben")
    review = review_of(journal, slide_id)
    assert [cell.label for cell in review.cells[:2]] == ["monocyte", "normal"]
    desk.say(slide_id, words_for(review, [0], "lymphocyte"), "Ben")
    assert [word.who for word in review_of(journal, slide_id).cells[0].history] == ["Ada", "Ben"]


@pytest.mark.parametrize("ended", [True, False])
def test_sign_off_is_refused_while_cells_wait_or_the_slide_is_open(tmp_path: Path, ended: bool) -> None:
    made = begin_slide(tmp_path, ended=ended)
    journal, desk, slide_id = made
    with pytest.raises(SignOffRefused, match="2 cells wait" if ended else "still being counted"):
        desk.sign(review_of(journal, slide_id), "Ada")
    settle(made)
    if ended:
        desk.sign(review_of(journal, slide_id), "Ada")
        signed = review_of(journal, slide_id).signed
        assert signed is not None
        assert signed.who == "Ada"


def test_a_slide_without_a_cell_cannot_be_signed(tmp_path: Path) -> None:
    journal, desk, slide_id = begin_slide(tmp_path, 0)
    with pytest.raises(SignOffRefused, match="no cell"):
        desk.sign(review_of(journal, slide_id), "Ada")


def test_a_word_said_while_somebody_reads_before_signing_stops_the_signature(made: Made) -> None:
    journal, desk, slide_id = made
    settle(made)
    read_before = review_of(journal, slide_id)
    desk.say(slide_id, words_for(read_before, [0], "monocyte"), "Ben")
    with pytest.raises(ReviewConflict):
        desk.sign(read_before, "Ada")


def test_a_signed_slide_is_read_only_and_takes_amendments_with_a_reason(made: Made) -> None:
    journal, desk, slide_id = made
    settle(made)
    desk.sign(review_of(journal, slide_id), "Ada")
    signed = review_of(journal, slide_id)
    with pytest.raises(SlideSigned):
        desk.say(slide_id, words_for(signed, [0], "monocyte"), "Ben")
    with pytest.raises(SlideSigned):
        desk.sign(signed, "Ben")
    with pytest.raises(WordsMissing):
        desk.amend(slide_id, (signed.cells[0].field_id, 0), "monocyte", "Ben", "  ")
    desk.amend(slide_id, (signed.cells[0].field_id, 0), "monocyte", "Ben", "Second look.")
    amended = review_of(journal, slide_id)
    assert (amended.cells[0].label, amended.cells[0].amended_label) == ("blast", "monocyte")
    assert [(entry.who, entry.reason) for entry in amended.amendments] == [("Ben", "Second look.")]


def test_a_word_that_another_program_writes_on_a_signed_slide_changes_nothing(made: Made) -> None:
    journal, desk, slide_id = made
    settle(made)
    desk.sign(review_of(journal, slide_id), "Ada")
    before = review_of(journal, slide_id)
    cell = before.cells[0]
    body: dict[str, Json] = {
        "field_id": cell.field_id,
        "position": cell.position,
        "label": "normal",
        "who": "X",
    }
    journal.append_event("review", body, WALL)
    assert [c.label for c in review_of(journal, slide_id).cells] == [c.label for c in before.cells]


def test_a_withdrawn_signature_stays_visible_and_the_slide_can_be_reviewed_again(made: Made) -> None:
    journal, desk, slide_id = made
    settle(made)
    desk.sign(review_of(journal, slide_id), "Ada")
    desk.withdraw(slide_id, "Ada", "Wrong slide.")
    review = review_of(journal, slide_id)
    assert review.signed is None
    assert [(entry.who, entry.reason) for entry in review.withdrawals] == [("Ada", "Wrong slide.")]
    desk.say(slide_id, words_for(review, [0], "monocyte"), "Ada")
    with pytest.raises(SlideUnusable):
        desk.amend(slide_id, (review.cells[0].field_id, 0), "monocyte", "Ben", "Late.")


@pytest.mark.parametrize(
    ("label", "who"),
    [("", "Ada"), ("x" * 41, "Ada"), ("<b>", "Ada"), ("blast\n", "Ada"), ("blast", " "), ("blast", "\x1b")],
)
def test_labels_and_names_that_cannot_be_kept_are_refused(made: Made, label: str, who: str) -> None:
    journal, desk, slide_id = made
    before = review_of(journal, slide_id)
    with pytest.raises((LabelUnusable, WordsMissing)):
        desk.say(slide_id, words_for(before, [0], label), who)
    assert review_of(journal, slide_id).as_of == before.as_of


def test_cells_of_another_slide_are_refused_and_nothing_of_the_batch_is_kept(made: Made) -> None:
    journal, desk, slide_id = made
    before = review_of(journal, slide_id)
    words = [*words_for(before, [0], "blast"), Word(10**6, 0, "blast", None)]
    with pytest.raises(SlideUnusable):
        desk.say(slide_id, words, "Ada")
    assert review_of(journal, slide_id).as_of == before.as_of


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "undo", "sign", "withdraw", "amend"]),
        st.sampled_from(["Ada", "Ben"]),
        st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True),
        st.sampled_from(["blast", "normal", None]),
        st.booleans(),
    ),
    max_size=14,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(acts=ACTS)
def test_whatever_two_persons_do_nothing_said_is_lost_and_a_signed_slide_stands_still(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, str, list[int], str | None, bool]]
) -> None:
    journal, desk, slide_id = begin_slide(tmp_path_factory.mktemp("acts"))
    said, stale = 0, review_of(journal, slide_id)
    for act, who, indices, label, looks_first in acts:
        before = review_of(journal, slide_id)
        seen = before if looks_first else stale
        try:
            if act == "say":
                said += len(desk.say(slide_id, words_for(seen, indices, label), who))
            elif act == "undo":
                said += len(desk.say(slide_id, undo_of(seen, who), who))
            elif act == "sign":
                desk.sign(seen, who)
            elif act == "withdraw":
                desk.withdraw(slide_id, who, "A reason.")
            else:
                place = (seen.cells[0].field_id, seen.cells[0].position)
                desk.amend(slide_id, place, label, who, "A reason.")
        except AllscopeError:
            assert review_of(journal, slide_id).as_of == before.as_of
        stale = before
        now = review_of(journal, slide_id)
        if before.signed is not None and now.signed is not None:
            assert [cell.label for cell in now.cells] == [cell.label for cell in before.cells]
    now = review_of(journal, slide_id)
    assert sum(len(cell.history) for cell in now.cells) == said
    assert now.signed is None or now.n_open == 0
    assert verify_journal(journal.path).broken is None
    journal.close()
