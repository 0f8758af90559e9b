"""The pixel path joined: one frame in, one field result, with nothing said that was not asked or known."""

from pathlib import Path

import numpy as np
import pytest

from alledge.phantom import parse_phantom_spec, render_field
from alledge.pipeline import FieldModel, analyse_field, load_field_model
from alledge.types import Frame, PixelSizeSource, Verdict
from tests.edge.tiny_model import tiny_model_bytes

FIELD = render_field(parse_phantom_spec("seed=11,width_px=900,height_px=700"))
FRAME = Frame(FIELD.pixels, "phantom:seed=11")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FieldModel:
    file = tmp_path_factory.mktemp("model") / "tiny.tflite"
    Path(file).write_bytes(tiny_model_bytes())
    return load_field_model(file)


def test_without_a_model_cells_are_found_and_nothing_is_called() -> None:
    result = analyse_field(FRAME, None)
    assert len(result.cells) > 5
    assert result.calls == ()
    assert result.model is None


def test_every_cell_has_one_call_and_the_result_names_its_model(model: FieldModel) -> None:
    result = analyse_field(FRAME, model)
    assert len(result.calls) == len(result.cells) > 5
    assert result.model == model.classifier.identity


def test_a_cell_that_the_border_cuts_is_for_a_person(model: FieldModel) -> None:
    result = analyse_field(FRAME, model)
    cut = [call for cell, call in zip(result.cells, result.calls, strict=True) if cell.touches_border]
    assert cut
    assert all(call.review and call.reason == "cut by the border of the field" for call in cut)


def test_a_given_pixel_size_is_believed_and_said() -> None:
    result = analyse_field(FRAME, None, pixel_um=0.14)
    assert (result.pixel_size.pixel_um, result.pixel_size.source) == (0.14, PixelSizeSource.GIVEN)
    assert result.notes == ()


def test_a_refused_field_has_no_cells_and_no_calls(model: FieldModel) -> None:
    black = Frame(np.zeros((700, 900, 3), np.uint8), "black")
    result = analyse_field(black, model)
    assert result.quality.verdict is not Verdict.OK
    assert (result.cells, result.calls) == ((), ())


def test_the_frame_is_not_changed(model: FieldModel) -> None:
    before = FRAME.pixels.copy()
    analyse_field(FRAME, model)
    assert np.array_equal(FRAME.pixels, before)
