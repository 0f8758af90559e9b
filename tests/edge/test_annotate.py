"""Annotated pictures: what a person must be able to see on them."""

import numpy as np

from alledge.annotate import annotate_field, label_colours
from alledge.types import Call, Frame
from tests.edge.fields import DARK, call, cell, field

PAPER = Frame(np.full((120, 200, 3), 200, np.uint8), "a/field.jpg")


def changed(left: np.ndarray, right: np.ndarray) -> int:
    return int((left[:120] != right[:120]).any(axis=2).sum())


def test_the_frame_itself_is_left_alone_and_a_caption_is_added_below() -> None:
    before = PAPER.pixels.copy()
    picture = annotate_field(PAPER, field((cell(),), (call(),)), ("blast",))
    assert np.array_equal(PAPER.pixels, before)
    assert picture.shape[1:] == (200, 3)
    assert picture.shape[0] > 120


def test_a_blast_a_normal_cell_and_a_cell_for_review_differ_without_colour() -> None:
    def ink(review: bool, label: str) -> np.ndarray:
        picture = annotate_field(PAPER, field((cell(),), (call(label, review=review),)), ("blast",))
        # The box alone: its tag lies above the cell's upper edge.
        return np.asarray((picture[27:60, 30:70] != 200).any(axis=2))

    blast, normal, doubtful = ink(False, "blast"), ink(False, "normal"), ink(True, "normal")
    assert blast.sum() > normal.sum() > doubtful.sum()


def test_the_scale_bar_spans_ten_micrometres() -> None:
    bare = annotate_field(PAPER, field(quality=DARK))
    ruled = annotate_field(PAPER, field())
    row = (ruled[:120] != bare[:120]).any(axis=2)
    longest = max(np.flatnonzero(line).size for line in row)
    assert 100 <= longest <= 106  # 10 um at 0.1 um a pixel, and the round ends of the stroke


def test_a_box_at_the_very_edge_is_drawn_not_an_error() -> None:
    edge = annotate_field(PAPER, field((cell(2.0, 2.0), cell(199.0, 119.0)), (call(), call())), ("blast",))
    assert changed(edge, annotate_field(PAPER, field())) > 0


SIX = ("lymphocyte", "monocyte", "neutrophil", "L1", "L2", "L3")
FINDINGS = SIX[3:]


def test_every_one_of_six_labels_has_a_colour_of_its_own_warm_for_findings() -> None:
    colours = label_colours(SIX, FINDINGS)
    assert len(set(colours.values())) == 6
    for label, (blue, _, red) in colours.items():
        assert (red > blue) == (label in FINDINGS)


def test_more_labels_than_colours_take_darker_shades() -> None:
    assert len(set(label_colours(tuple("abcdefgh"), ()).values())) == 8


def test_a_legend_names_the_colours_where_a_side_has_several_labels() -> None:
    of_six = Call("L2", dict.fromkeys(SIX, 1 / 6), review=False)
    two = annotate_field(PAPER, field((cell(),), (call(),)), ("blast",))
    six = annotate_field(PAPER, field((cell(),), (of_six,)), FINDINGS)
    assert six.shape[0] > two.shape[0]
    legend = six[two.shape[0] - 5 :].reshape(-1, 3)
    assert all((legend == colour).all(axis=1).any() for colour in label_colours(SIX, FINDINGS).values())
