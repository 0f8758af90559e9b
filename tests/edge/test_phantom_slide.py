"""A phantom slide under a simulated hand: one slide whatever the path, and a hand that keeps its word."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.cameras import open_camera
from alledge.errors import CameraUnavailable
from alledge.phantom import PhantomParameters
from alledge.phantom.hand import HandHabits, hand_path
from alledge.phantom.slide import PhantomSlide
from alledge.phantom.slide_spec import names_a_slide, parse_slide_spec
from alledge.phantom.tally import CountVerdict, FoundSpot, Tally, TrueSpot
from alledge.phantom.truth import NUCLEATED_KINDS

CLEAN = PhantomParameters(
    seed=5, pixel_um=0.4, width_px=160, height_px=120, n_red_cells=25, n_platelets=2, n_smudges=0,
    n_lymphocytes=1, n_neutrophils=0, n_monocytes=0, n_blasts_l1=1, n_blasts_l2=0, n_blasts_l3=0, n_specks=0,
    shot_noise=0.0, read_noise=0.0, vignetting=0.0, lamp_tilt=0.0, lateral_colour_um=0.0, jpeg_quality=100,
    plasma_strength=0.0,
)  # fmt: skip
SPEC = "slide=4,hand=2,width=160,height=120,pixel_um=0.4,n_red_cells=20"


@pytest.fixture(scope="module")
def slide() -> PhantomSlide:
    return PhantomSlide(CLEAN)


def test_a_place_looks_the_same_from_whichever_side_it_is_reached(slide: PhantomSlide) -> None:
    other = PhantomSlide(CLEAN, tiles_kept=9)
    other.photograph(-100.0, 40.0, 0)
    assert np.array_equal(slide.photograph(33.0, 20.0, 1), other.photograph(33.0, 20.0, 1))


def test_fields_that_overlap_show_the_same_across_the_edges_of_tiles(slide: PhantomSlide) -> None:
    """A shift of 40 um is 100 pixels: whole pixels are copied, and the tiles (64 um wide) leave no seam."""
    one, other = slide.photograph(0.0, 0.0, 1), slide.photograph(40.0, 0.0, 2)
    inner = np.s_[8:-8, 8:-8]  # blur is reflected at the border of a field
    difference = one[:, 100:][inner].astype(int) - other[:, :-100][inner]
    assert np.abs(difference).max() <= 6  # JPEG blocks lie elsewhere
    assert one.std() > 10


def test_every_white_cell_of_the_truth_is_there_and_dark(slide: PhantomSlide) -> None:
    cells = [c for c in slide.cells_within(-70, -50, 130, 100) if c.kind in NUCLEATED_KINDS]
    assert len(cells) >= 8
    for cell in cells:
        pixels = slide.photograph(cell.x_um - 32.0, cell.y_um - 24.0, 0)
        middle = pixels[55:65, 75:85, 1].mean()
        assert middle < np.percentile(pixels[..., 1], 95) - 40


def test_another_seed_is_another_slide(slide: PhantomSlide) -> None:
    other = PhantomSlide(replace(CLEAN, seed=6))
    assert not np.array_equal(slide.photograph(0, 0, 0), other.photograph(0, 0, 0))


def test_noise_is_fresh_and_repeatable() -> None:
    noisy = PhantomSlide(replace(CLEAN, shot_noise=3.0))
    first, second = noisy.photograph(0, 0, 1), noisy.photograph(0, 0, 2)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, noisy.photograph(0, 0, 1))


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.floats(0.1, 0.9), st.floats(0.0, 0.3))
def test_the_hand_keeps_the_overlap_that_it_promises_but_for_jumps(
    seed: int, least: float, jump: float
) -> None:
    width, height = 190.0, 140.0
    stops = list(itertools.islice(hand_path(seed, width, height, HandHabits(least, jump=jump)), 80))
    for before, after in itertools.pairwise(stops):
        x, y = abs(after.x_um - before.x_um), abs(after.y_um - before.y_um)
        shared = max(0.0, 1 - x / width) * max(0.0, 1 - y / height)
        assert after.is_jump or shared >= least - 0.02  # it trembles


def test_the_hand_pauses_moves_turns_and_is_the_same_for_the_same_seed() -> None:
    habits = HandHabits(jump=0.05)
    stops = list(itertools.islice(hand_path(3, 190.0, 140.0, habits), 300))
    moved = [np.hypot(b.x_um - a.x_um, b.y_um - a.y_um) for a, b in itertools.pairwise(stops)]
    assert min(moved) == 0.0
    assert max(moved) > 100
    assert any(stop.is_jump for stop in stops)
    assert max(stop.defocus_um for stop in stops) > 0.5
    assert stops == list(itertools.islice(hand_path(3, 190.0, 140.0, habits), 300))


def test_a_slide_is_a_camera_whose_source_tells_the_true_place() -> None:
    with open_camera(f"phantom:{SPEC}") as camera, open_camera(f"phantom:[{SPEC}]") as again:
        frames = [camera.capture() for _ in range(3)]
        assert [frame.source for frame in frames] == [again.capture().source for _ in range(3)]
    assert frames[0].source == "phantom:slide=4,x_um=0.00,y_um=0.00"
    assert frames[2].source != frames[0].source
    assert frames[0].pixels.shape == (120, 160, 3)


def test_a_spec_sets_the_hand_and_the_slide() -> None:
    asked = parse_slide_spec(
        "slide=4,hand=9,overlap=0.4,jumps=0.1,pauses=0,moving_defocus_um=3,n_red_cells=50"
    )
    assert (asked.parameters.seed, asked.parameters.n_red_cells, asked.hand_seed) == (4, 50, 9)
    assert asked.habits == HandHabits(0.4, pause=0.0, jump=0.1, moving_defocus_um=3.0)
    assert not names_a_slide("seed=4,n_red_cells=50")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("slide=x", "whole number"),
        ("slide=1.5", "whole number"),
        ("slide=-1", "from 0 to"),
        ("slide=1,overlap=0", "0.05 to 0.95"),
        ("slide=1,overlap=nan", "0.05 to 0.95"),
        ("slide=1,slide=2", "twice"),
        ("slide=1,seed=2", "hand=SEED"),
        ("slide=1,colour=2", "no parameter 'colour'"),
    ],
)
def test_a_spec_that_makes_no_sense_is_told_what_would(spec: str, says: str) -> None:
    with pytest.raises(CameraUnavailable, match=says):
        open_camera(f"phantom:{spec}")


def found(x_um: float, cell_id: int, *, new: bool = False, cut: bool = False) -> FoundSpot:
    return FoundSpot(x_um, 0.0, cell_id, new, cut)


def test_the_tally_tells_doubles_from_lost_cells_and_forgives_withdrawn_ones() -> None:
    tally = Tally()
    truth = [TrueSpot(1, 0.0, 0.0), TrueSpot(2, 20.0, 0.0), TrueSpot(3, 40.0, 0.0), TrueSpot(4, 60.0, 0.0)]
    tally.add_field(truth, [found(0.3, 1, new=True), found(20, 1), found(40, 0, cut=True)])
    tally.add_field(truth, [found(0.1, 2, new=True), found(80, 3, new=True)])
    tally.add_field(truth, [found(80.5, 4, new=True)])
    assert tally.verdict({}) == CountVerdict(n_countable=3, n_double=2, n_lost=1)
    assert tally.verdict({2: 1, 4: 3}) == CountVerdict(n_countable=3, n_double=0, n_lost=1)
    assert tally.verdict({}) + tally.verdict({}) == CountVerdict(6, 4, 2)
