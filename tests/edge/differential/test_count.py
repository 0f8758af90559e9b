"""The differential: every cell in one place, none dropped, and what is missing said in words."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.card import Card
from alledge.differential import CountedCell, Differential, differential, differential_to_dict
from alledge.differential.count import NO_CELL, NO_GAIN, NO_POSITIVE_LABEL, NO_RATES
from alledge.types import Call
from tests.edge.tiny_model import tiny_card

RATE = {"value": 0.9, "ci95": [0.85, 0.94], "n": 200, "n_groups": 8}
CARD = replace(tiny_card(), metrics={"sensitivity": RATE, "specificity": RATE})


def cells(normal: int = 0, blast: int = 0, review: int = 0, label: str = "blast") -> list[CountedCell]:
    calls = [Call("normal", {}, False)] * normal + [Call("blast", {}, False)] * blast
    calls += [Call(label, {}, True, "close to the threshold")] * review
    return [CountedCell(number, call) for number, call in enumerate(calls)]


def count(*found: CountedCell, card: Card = CARD, target: int = 100) -> Differential:
    return differential(found, card, target)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_every_cell_is_in_exactly_one_place(normal, blast, review):
    found = count(*cells(normal, blast, review))
    assert found.counts == {"normal": normal, "blast": blast}
    assert found.n_review == review
    assert found.n_called + found.n_review == found.n_cells == normal + blast + review


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_cells_for_review_stay_in_sight_as_two_bounds(normal, blast, review):
    found = count(*cells(normal, blast, review))
    if found.n_cells == 0:
        assert found.if_review_none is None
        return
    assert found.if_review_none is not None
    assert found.if_review_all is not None
    assert found.if_review_none.value == blast / found.n_cells
    assert found.if_review_all.value == (blast + review) / found.n_cells
    if found.blast_share is not None:
        tolerance = 1e-12
        assert found.if_review_none.value - tolerance <= found.blast_share.value
        assert found.blast_share.value <= found.if_review_all.value + tolerance


def test_the_share_is_of_the_cells_that_have_a_call():
    share = count(*cells(60, 20, 40)).blast_share
    assert share is not None
    assert share.value == 0.25


def test_a_person_stands_above_the_model():
    waiting = cells(99, 0, 1)
    waiting[-1] = replace(waiting[-1], person_label="blast")
    waiting[0] = replace(waiting[0], person_label="normoblast")
    found = count(*waiting)
    assert found.n_review == 0
    assert found.counts == {"normal": 98, "blast": 1, "normoblast": 1}
    assert found.is_complete


def test_the_corrected_share_rests_on_the_likeliest_label_of_every_cell():
    as_called = count(*cells(70, 30)).corrected
    some_waiting = count(*cells(70, 0, 30)).corrected
    assert as_called == some_waiting
    assert as_called is not None
    assert as_called.value == pytest.approx((0.3 + 0.9 - 1.0) / 0.8)


def test_a_person_does_not_change_what_the_models_own_labels_say():
    judged = [replace(cell, person_label="normal") for cell in cells(70, 30)]
    assert count(*judged).corrected == count(*cells(70, 30)).corrected
    assert count(*judged).counts["blast"] == 0


COIN = {"value": 0.5, "ci95": [0.4, 0.6], "n": 100, "n_groups": 4}


@pytest.mark.parametrize(
    ("found", "card", "why"),
    [
        (cells(5, 5), replace(CARD, metrics={}), NO_RATES),
        (cells(5, 5), replace(CARD, metrics={"sensitivity": COIN, "specificity": COIN}), NO_GAIN),
        (cells(5, 5), tiny_card(positive=()), NO_POSITIVE_LABEL),
        ([], CARD, NO_CELL),
    ],
)
def test_where_nothing_can_be_corrected_the_reason_is_said(found, card, why):
    told = differential(found, card, 100)
    assert told.corrected is None
    assert told.not_corrected == why


def test_a_model_without_positive_labels_has_counts_and_no_share_of_blasts():
    found = count(*cells(50, 50), card=tiny_card(positive=()))
    assert found.counts == {"normal": 50, "blast": 50}
    assert (found.blast_share, found.if_review_none, found.if_review_all) == (None, None, None)


def test_each_label_has_its_share_with_its_interval():
    found = count(*cells(75, 25))
    assert found.shares["blast"] == found.blast_share
    low, high = found.shares["normal"].ci95
    assert low < 0.75 < high


@pytest.mark.parametrize(
    ("found", "complete", "words"),
    [
        ([], False, "100 cells more to reach 100."),
        (cells(59, 4), False, "37 cells more to reach 100."),
        (cells(99), False, "1 cell more to reach 100."),
        (cells(60, 39, 12), False, "1 cell more to reach 100. 12 cells for a person to look at."),
        (cells(100, 0, 1), True, "1 cell for a person to look at."),
        (cells(80, 25), True, ""),
    ],
)
def test_what_is_missing_is_said_in_words(found, complete, words):
    told = count(*found)
    assert (told.is_complete, told.missing) == (complete, words)


def test_a_width_may_be_asked_for_as_well():
    wide = differential(cells(50, 50), CARD, 100, widest=0.15)
    assert not wide.is_complete
    assert wide.missing == "More cells until the interval is 15 points wide (20 points wide now)."
    assert differential(cells(100, 100), CARD, 100, widest=0.15).is_complete
    assert differential(cells(100, 0), CARD, 100, widest=0.15).is_complete


def test_no_width_makes_fewer_cells_enough():
    assert not differential(cells(50, 0), CARD, 100, widest=0.5).is_complete


@pytest.mark.parametrize(("target", "widest"), [(0, None), (100, 0.0), (100, 1.0)])
def test_a_rule_that_cannot_be_met_is_refused(target, widest):
    with pytest.raises(ValueError, match="expected"):
        differential([], CARD, target, widest)


def test_as_json_every_share_has_its_interval_and_review_is_apart():
    told = json.loads(json.dumps(differential_to_dict(count(*cells(79, 21, 9)))))
    assert (told["cells"], told["called"], told["review"]) == (109, 100, 9)
    assert told["positive_share"]["value"] == 0.21
    assert told["positive_share_if_review_none"]["value"] == pytest.approx(21 / 109)
    assert told["positive_share_if_review_all"]["value"] == pytest.approx(30 / 109)
    assert len(told["corrected_share"]["ci95"]) == 2
    assert told["missing"] == "9 cells for a person to look at."


def test_as_json_what_is_not_known_is_null_and_says_why():
    told = differential_to_dict(count())
    assert told["positive_share"] is None
    assert told["corrected_share"] is None
    assert told["not_corrected"] == NO_CELL
