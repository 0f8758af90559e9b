"""The knobs of the phantom: bounds, effects, and the words behind `phantom:`."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.errors import CameraUnavailable
from alledge.phantom import PhantomParameters, parse_phantom_spec, render_field
from alledge.phantom.parameters import KNOBS, Knob

# Small, and with a little of everything, so that no knob is idle.
BUSY = PhantomParameters(
    seed=4, width_px=320, height_px=256, pixel_um=0.2, n_red_cells=40, n_lymphocytes=6, n_neutrophils=1,
    n_monocytes=1, n_blasts_l1=2, n_blasts_l2=2, n_blasts_l3=1, n_platelets=8, n_smudges=1, n_specks=5,
    defocus_um=0.5,
)  # fmt: skip


def turned(knob: Knob) -> PhantomParameters:
    now = getattr(BUSY, knob.name)
    wanted = min(max(now + 1, knob.low), knob.high) if knob.whole else now + (knob.high - now) * 0.4
    return dataclasses.replace(BUSY, **{knob.name: wanted})


@pytest.fixture(scope="module")
def busy_pixels() -> np.ndarray:
    return render_field(BUSY).pixels


@pytest.mark.parametrize("name", KNOBS)
def test_every_parameter_changes_the_picture(name: str, busy_pixels: np.ndarray) -> None:
    pixels = render_field(turned(KNOBS[name])).pixels
    assert pixels.shape != busy_pixels.shape or (pixels != busy_pixels).any()


@pytest.mark.parametrize("name", KNOBS)
def test_every_parameter_has_a_meaning_and_a_default_within_its_range(name: str) -> None:
    knob = KNOBS[name]
    assert knob.low <= knob.default <= knob.high
    assert knob.meaning


@pytest.mark.parametrize("name", KNOBS)
def test_a_value_out_of_range_is_refused_by_name(name: str) -> None:
    for value in (KNOBS[name].low - 1, KNOBS[name].high + 1, math.nan):
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(PhantomParameters(), **{name: value})  # type: ignore[arg-type]


def test_an_empty_spec_gives_the_defaults() -> None:
    assert parse_phantom_spec("") == parse_phantom_spec("phantom:") == PhantomParameters()


@given(st.integers(0, 2**32 - 1), st.floats(0, 20), st.integers(0, 3000))
def test_a_spec_says_what_the_parameters_are(seed: int, defocus_um: float, n_red_cells: int) -> None:
    wanted = PhantomParameters(seed=seed, defocus_um=defocus_um, n_red_cells=n_red_cells)
    pairs = f"seed={seed}, defocus_um={defocus_um!r},n_red_cells={n_red_cells}"
    assert parse_phantom_spec(pairs) == wanted
    assert parse_phantom_spec(f"phantom:[{pairs}]") == wanted


def test_width_and_height_may_be_said_without_their_unit() -> None:
    parameters = parse_phantom_spec("width=640,height=480")
    assert (parameters.width_px, parameters.height_px) == (640, 480)


def test_an_unknown_key_is_answered_with_the_keys_there_are() -> None:
    with pytest.raises(CameraUnavailable, match="no parameter 'focus'") as refused:
        parse_phantom_spec("focus=3")
    assert all(name in refused.value.next_step for name in KNOBS)


@pytest.mark.parametrize(
    "spec",
    ["seed=x", "seed=1.5", "seed=", "seed", "seed=-1", "defocus_um=nan", "exposure=9", "width=99999999"],
)
def test_a_value_that_cannot_be_used_is_answered_with_the_range(spec: str) -> None:
    with pytest.raises(CameraUnavailable, match="cannot use") as refused:
        parse_phantom_spec(spec)
    assert "number from" in refused.value.next_step


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(CameraUnavailable, match="width_px twice"):
        parse_phantom_spec("width=640,width_px=320")


def table_row(knob: Knob) -> str:
    span = f"{knob.low:.10g} to {knob.high:.10g}"
    return f"| `{knob.name}` | {knob.default:g} | {span} | {knob.unit} | {knob.meaning} |"


@pytest.mark.parametrize("name", KNOBS)
def test_the_docs_tell_every_parameter_as_it_is(name: str) -> None:
    told = (Path(__file__).parents[2] / "docs" / "phantom.md").read_text(encoding="utf-8")
    assert table_row(KNOBS[name]) in told.splitlines()
