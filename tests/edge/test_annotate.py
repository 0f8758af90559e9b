"""Annotated pictures: what a person must be able to see on them."""

import numpy as np

from alledge.annotate import annotate_field
from alledge.types import Frame
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
