"""Annotated pictures: what a person must be able to see on them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alledge.annotate import annotate_field, enlargement, label_colours
from alledge.annotate_tags import TagWriter, words_of
from alledge.types import Call, Cell, Frame
from tests.edge.fields import call, cell, field

PAPER = Frame(np.full((720, 1280, 3), 200, np.uint8), "a/field.jpg")


def changed(left: np.ndarray, right: np.ndarray) -> int:
    return int((left[:720] != right[:720]).any(axis=2).sum())


def test_the_frame_itself_is_left_alone_and_a_caption_is_added_below() -> None:
    before = PAPER.pixels.copy()
    picture = annotate_field(PAPER, field((cell(),), (call(),)), ("blast",))
    assert np.array_equal(PAPER.pixels, before)
    assert picture.shape[1:] == (1280, 3)
    assert picture.shape[0] > 720


def test_a_blast_a_normal_cell_and_a_cell_for_review_differ_without_colour() -> None:
    def ink(review: bool, label: str) -> np.ndarray:
        picture = annotate_field(PAPER, field((cell(),), (call(label, review=review),)), ("blast",))
        # The box alone: its tag lies above the cell's upper edge.
        return np.asarray(
            (picture[27:60, 30:70] != 200).any(axis=2) & (picture[27:60, 30:70] != 250).any(axis=2)
        )

    blast, normal, doubtful = ink(False, "blast"), ink(False, "normal"), ink(True, "normal")
    assert blast.sum() > normal.sum() > doubtful.sum() > 0


def test_the_scale_bar_spans_ten_micrometres() -> None:
    ruled = annotate_field(PAPER, field())
    longest = max(int((line == 30).all(axis=1).sum()) for line in ruled[:720])
    assert longest == 100  # 10 um at 0.1 um a pixel


def test_the_scale_bar_makes_way_for_a_cell_in_its_corner() -> None:
    def bar_x(*cells: Cell) -> float:
        ruled = annotate_field(PAPER, field(cells))[690:715]
        return float(np.flatnonzero((ruled == 30).all(axis=2).sum(axis=0) > 0).mean())

    assert bar_x() > 640
    assert bar_x(cell(1250.0, 690.0, half=8)) < 640
    assert bar_x(cell(1250.0, 690.0, half=8), cell(30.0, 690.0, half=8)) > 640, "somewhere it must be"


def test_a_box_at_the_very_edge_is_drawn_not_an_error() -> None:
    edge = annotate_field(PAPER, field((cell(2.0, 2.0), cell(1279.0, 719.0)), (call(), call())), ("blast",))
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


def test_a_cell_for_review_bears_its_likeliest_label_though_the_threshold_says_otherwise() -> None:
    close = Call("normal", {"normal": 0.29, "blast": 0.71}, review=True, reason="close to the threshold")
    assert words_of(close) == ("? blast 71 %", "? blast", "?")
    assert words_of(Call("normal", {"normal": 0.71, "blast": 0.29}, review=False))[0] == "normal 71 %"
    nearly = Call("blast", {"normal": 0.002, "blast": 0.998}, review=False)
    assert words_of(nearly)[0] == "blast 99 %", "never rounded up to certainty"


boxes = st.tuples(st.integers(0, 560), st.integers(0, 400), st.integers(20, 80), st.integers(20, 80)).map(
    lambda told: (told[0], told[1], min(640, told[0] + told[2]), min(480, told[1] + told[3]))
)


@given(st.lists(boxes, max_size=12))
def test_a_name_hides_no_cell_and_no_other_name(found: list[tuple[int, int, int, int]]) -> None:
    tags = TagWriter(np.zeros((480, 640, 3), np.uint8), 1.0, list(found))
    for box in found:
        tags.write(("blast 95 %", "blast", "B"), box, (0, 94, 213))
    assert len(tags.taken) == 2 * len(found)
    for number, box in enumerate(found):
        tag = tags.taken[len(found) + number]
        if tag[:2] == box[:2]:
            continue  # a letter in the corner: there was no room beside
        others = [other for other in tags.taken if other is not tag]
        assert not any(
            tag[0] < x1 and x0 < tag[2] and tag[1] < y1 and y0 < tag[3]
            for x0, y0, x1, y1 in others
            if (x0, y0) not in {letter[:2] for letter in found}
        )


def test_a_long_path_keeps_its_end_and_the_size_of_a_pixel() -> None:
    frame = Frame(PAPER.pixels, "a/very/long/path/" * 20 + "field.jpg")
    picture = annotate_field(frame, field())
    assert (picture[720:, -3:] == 250).all(), "nothing runs over the edge"


def test_a_small_picture_is_enlarged_until_its_words_can_be_read() -> None:
    small = Frame(np.full((150, 224, 3), 200, np.uint8), "small.jpg")
    picture = annotate_field(small, field((cell(),), (call(),)), ("blast",))
    assert picture.shape[1] == 224 * 5
    assert (picture[5 * 40, 5 * 35 : 5 * 36] != 200).any(), "the box lies where the cell does"
    assert [enlargement(width, 480) for width in (1, 640, 999, 1000, 4056)] == [8, 2, 2, 1, 1]
    assert enlargement(10, 20_000) == 1, "a strip is not made a picture that no memory holds"
