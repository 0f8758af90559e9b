"""How far one field is shifted against another: any shift that leaves a fifth, and never a guess."""

import math

import numpy as np
import pytest

from alledge.phantom.slide import PhantomSlide
from alledge.slide.registration import NO_SHIFT, Shift, confirm, register, view_of_green
from alledge.slide.slide_map import LEAST_CONFIDENCE
from tests.edge.slide.slides import HEIGHT_UM, WIDTH_UM, lattice, view

WITHIN_UM = 0.4  # a third of a working pixel; cells are matched within 4 um


def error_um(shift: Shift, dx_um: float, dy_um: float) -> float:
    return math.hypot(shift.dx_um - dx_um, shift.dy_um - dy_um)


@pytest.mark.parametrize("turn_deg", range(0, 360, 30))
@pytest.mark.parametrize("overlap", [0.22, 0.5, 0.9])
def test_a_shift_in_any_direction_is_found_from_a_fifth_of_overlap(
    slide: PhantomSlide, turn_deg: int, overlap: float
) -> None:
    x, y = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    steps = np.linspace(0, 200, 4001)
    left = np.maximum(1 - steps * abs(x) / WIDTH_UM, 0) * np.maximum(1 - steps * abs(y) / HEIGHT_UM, 0)
    step = float(steps[left >= overlap].max())
    shift = register(view(slide, 0, 0, 1), view(slide, step * x, step * y, 2))
    assert shift.confidence >= LEAST_CONFIDENCE
    assert error_um(shift, step * x, step * y) < WITHIN_UM
    assert shift.overlap == pytest.approx(overlap, abs=0.03)


@pytest.mark.parametrize(
    "optics",
    [
        {"exposure": 0.6},
        {"exposure": 1.3},
        {"defocus_um": 3.0},
        {"shot_noise": 15.0, "read_noise": 8.0},
        {"lamp_tilt": 0.5, "lamp_tilt_deg": 200.0},
        {"vignetting": 0.5},
    ],
    ids=str,
)
def test_lamp_focus_and_noise_do_not_move_a_field(slide: PhantomSlide, optics: dict[str, float]) -> None:
    shift = register(view(slide, 0, 0, 1), view(slide, 60.0, -25.0, 2, **optics))
    assert shift.confidence >= LEAST_CONFIDENCE
    assert error_um(shift, 60.0, -25.0) < WITHIN_UM


def test_a_field_and_itself_are_not_shifted(slide: PhantomSlide) -> None:
    one = view(slide, 10, 10)
    shift = register(one, one)
    assert (shift.overlap, shift.confidence) == (1.0, 1.0)
    assert error_um(shift, 0.0, 0.0) < 0.01


@pytest.mark.parametrize("away", range(6))
def test_fields_of_different_places_are_never_matched(slide: PhantomSlide, away: int) -> None:
    elsewhere = view(slide, 150.0 + 20 * away, 110.0, away)
    assert register(view(slide, 0, 0), elsewhere).confidence < LEAST_CONFIDENCE


def test_a_pattern_that_repeats_is_no_fingerprint() -> None:
    shift = register(
        view_of_green(lattice(120, 90, pitch=10), 1.2), view_of_green(lattice(120, 90, 10, shift=5), 1.2)
    )
    assert shift.correlation > 0.9
    assert shift.confidence < LEAST_CONFIDENCE


def test_empty_fields_hold_no_shift() -> None:
    rng = np.random.default_rng(1)
    one, other = (view_of_green(rng.normal(230, 2, (90, 120)).astype(np.uint8), 1.2) for _ in range(2))
    flat = view_of_green(np.full((90, 120), 230, np.uint8), 1.2)
    assert register(one, other).confidence < LEAST_CONFIDENCE
    assert register(flat, flat).confidence < LEAST_CONFIDENCE


def test_fields_of_other_optics_are_not_compared() -> None:
    one = view_of_green(lattice(120, 90, 10), 1.2)
    assert register(one, view_of_green(lattice(100, 90, 10), 1.2)) == NO_SHIFT
    assert register(one, view_of_green(lattice(120, 90, 10), 0.6)) == NO_SHIFT


def test_a_predicted_shift_is_confirmed_where_it_is_near_and_only_there(slide: PhantomSlide) -> None:
    one, other = view(slide, 0, 0, 1), view(slide, 40.0, 20.0, 2)
    near = confirm(one, other, 43.0, 17.0, reach_um=6.0)
    assert near.confidence >= LEAST_CONFIDENCE
    assert error_um(near, 40.0, 20.0) < WITHIN_UM
    assert confirm(one, other, 70.0, 20.0, reach_um=6.0).correlation < 0.3
