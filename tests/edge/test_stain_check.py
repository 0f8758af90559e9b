"""Stain: a field whose typical cell has another colour than the training patches has no calls."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.familiarity import FEATURE_NAMES, fit_familiarity, patch_colours, patch_features
from alledge.phantom import parse_phantom_spec, render_field
from alledge.pipeline import FieldModel, analyse_field, analyse_with_evidence, load_field_model
from alledge.stain_check import is_stain_strange, stain_distance
from alledge.types import Frame, Verdict
from tests.edge.tiny_model import tiny_model_bytes, tiny_patches

FRAME = Frame(
    render_field(parse_phantom_spec("seed=11,width_px=900,height_px=700")).pixels, "phantom:seed=11"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FieldModel:
    """A tiny network that was, it says, fitted on the very cells of FRAME."""
    file = Path(tmp_path_factory.mktemp("model") / "tiny.tflite")
    file.write_bytes(tiny_model_bytes())
    tiny = load_field_model(file)
    seen = analyse_with_evidence(FRAME, replace(tiny, card=replace(tiny.card, familiarity=None))).patches
    return replace(tiny, card=replace(tiny.card, familiarity=fit_familiarity(seen)))


def test_colours_are_the_first_five_features_of_a_patch():
    patches = tiny_patches(20)
    assert patch_colours(patches) == pytest.approx(patch_features(patches)[:, :5], abs=1e-5)
    assert all("absorbance" in name for name in FEATURE_NAMES[:5])


def test_training_patches_are_near_themselves():
    patches = tiny_patches(64)
    assert stain_distance(patches, fit_familiarity(patches)) < 1.0


def test_distance_grows_with_the_strength_of_the_stain():
    patches, light = tiny_patches(64), []
    known = fit_familiarity(patches)
    for strength in (1.0, 1.5, 2.0, 3.0):
        darker = 230.0 * (np.maximum(patches, 1) / 230.0) ** strength
        light.append(stain_distance(np.clip(darker, 0, 255).astype(np.uint8), known))
    assert light == sorted(light)


def test_one_or_two_odd_cells_are_for_review_and_do_not_refuse_the_field():
    odd = np.zeros((2, 50, 50, 3), np.uint8)
    assert stain_distance(odd, fit_familiarity(tiny_patches(64))) == 0.0
    assert is_stain_strange(np.repeat(odd, 2, axis=0), fit_familiarity(tiny_patches(64)))


def test_a_field_stained_as_in_training_has_calls(model):
    result = analyse_field(FRAME, model)
    assert result.quality.verdict is Verdict.OK
    assert len(result.calls) == len(result.cells) > 5


def test_a_field_of_another_stain_is_refused_by_name_and_has_no_calls(model):
    spec = "seed=11,width_px=900,height_px=700,n_red_cells=110,stain_strength=2.6"
    result = analyse_field(Frame(render_field(parse_phantom_spec(spec)).pixels, spec), model)
    assert result.quality.verdict is Verdict.STAIN_UNLIKE_TRAINING
    assert (result.cells, result.calls) == ((), ())
    assert "Check stain and buffer" in result.quality.advice


def test_without_a_model_no_stain_is_strange(model):
    spec = "seed=11,width_px=900,height_px=700,n_red_cells=110,stain_strength=2.6"
    frame = Frame(render_field(parse_phantom_spec(spec)).pixels, spec)
    assert analyse_field(frame, None).quality.verdict is Verdict.OK
