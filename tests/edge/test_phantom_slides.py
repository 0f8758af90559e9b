"""Slides of a study: each has both classes, and nothing but the cells can tell them apart."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.phantom import PhantomParameters, parameters_for_slide

COUNTS = tuple(
    f"n_{k}" for k in ("lymphocytes", "neutrophils", "monocytes", "blasts_l1", "blasts_l2", "blasts_l3")
)
OF_THE_FIELD = {*COUNTS, "seed", "n_platelets", "n_smudges", "n_specks", "defocus_um"}
LOOK = sorted(
    {f.name for f in dataclasses.fields(PhantomParameters)}
    - {*COUNTS, "seed"}
)  # fmt: skip


def n_blasts(parameters: PhantomParameters) -> int:
    return parameters.n_blasts_l1 + parameters.n_blasts_l2 + parameters.n_blasts_l3


def n_nucleated(parameters: PhantomParameters) -> int:
    return sum(getattr(parameters, name) for name in COUNTS)


@given(st.integers(0, 2**31), st.integers(0, 500), st.integers(0, 50))
def test_every_field_holds_both_classes(study_seed: int, slide: int, on_slide: int) -> None:
    parameters = parameters_for_slide(study_seed, slide, on_slide)
    assert 2 <= n_blasts(parameters) <= n_nucleated(parameters) - 2
    assert n_nucleated(parameters) >= 20


@given(st.integers(0, 2**31), st.integers(0, 500))
def test_the_fields_of_a_slide_share_their_look_but_not_their_cells(study_seed: int, slide: int) -> None:
    one, other = (dataclasses.asdict(parameters_for_slide(study_seed, slide, i)) for i in (0, 1))
    assert all(one[name] == other[name] for name in one if name not in OF_THE_FIELD)
    assert one["seed"] != other["seed"]


def test_slides_look_different() -> None:
    looks = {parameters_for_slide(1, slide, 0).lamp_red_level for slide in range(20)}
    assert len(looks) == 20


@pytest.fixture(scope="module")
def many() -> list[PhantomParameters]:
    return [parameters_for_slide(7, slide, 0) for slide in range(600)]


@pytest.mark.parametrize("name", LOOK)
def test_the_share_of_blasts_does_not_follow_the_look_of_the_slide(
    name: str, many: list[PhantomParameters]
) -> None:
    """With 600 independent slides a correlation has a standard deviation of 0.041; 0.16 is 4 of them."""
    look = np.array([getattr(p, name) for p in many], float)
    share = np.array([n_blasts(p) / n_nucleated(p) for p in many])
    if look.std() > 0:
        assert abs(np.corrcoef(look, share)[0, 1]) < 0.16


def test_about_half_of_the_white_cells_are_blasts(many: list[PhantomParameters]) -> None:
    assert sum(map(n_blasts, many)) / sum(map(n_nucleated, many)) == pytest.approx(0.5, abs=0.05)


def test_pixel_sizes_vary_within_what_objectives_give(many: list[PhantomParameters]) -> None:
    sizes = [p.pixel_um for p in many]
    assert 0.11 <= min(sizes) < 0.13
    assert 0.17 < max(sizes) <= 0.2
