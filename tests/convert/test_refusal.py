"""Networks made to quantise badly: the float one is as good as ever, and the int8 one must never ship."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from allconvert.audit import require_integers
from allconvert.cli import app
from allconvert.converter import convert_to_int8
from alledge.command_line import run_app
from alledge.errors import FidelityRefused
from tests.convert.conftest import made_patches
from tests.edge.tiny_model import DYNAMIC_RANGE, FLOAT, TinyNetwork, Type

PATCHES = made_patches(np.arange(40) % 2, seed=1)


def drown_what_tells_them_apart(model: Any) -> None:
    """Both logits rise and fall together, by far more than they differ: no probability tells of it.

    Int8 has 256 steps for both together, and no rung of the ladder can give it more.
    """
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel + 3000 * np.abs(kernel).max(), bias])


def test_a_network_that_falls_apart_in_int8_is_refused_and_nothing_passes_for_its_model(
    run_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sabotaged, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(run_path, sabotaged)
    for file in (sabotaged / "model.keras", *(sabotaged / "folds").glob("*.keras")):
        model = keras.models.load_model(file, compile=False)
        drown_what_tells_them_apart(model)
        model.save(file)
    out.mkdir()
    (out / "model.tflite").write_bytes(b"an older model")

    assert quantise_by_command(sabotaged, out / "model.tflite", "--force") == 1
    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error[fidelity-refused]: ")
    assert [path.name for path in out.iterdir()] == ["model.tflite.old"]
    assert (out / "model.tflite.old").read_bytes() == b"an older model"
    assert_reasons_are_told(sabotaged, error)


def assert_reasons_are_told(run: Path, error: str) -> None:
    assert error.startswith("error[fidelity-refused]: The int8 model is refused: ")
    assert "fidelity.html" in error
    assert "No: refused" in (run / "quantisation" / "fidelity.html").read_text()
    record = json.loads((run / "quantisation" / "fidelity.json").read_text())
    assert record["verdict"] == "refused"
    assert record["objections"]
    assert [rung["name"] for rung in record["story"]] == [
        "post-training int8",
        "better representative set",
        "better representative set",
        "selective precision",
        "quantisation-aware fine-tuning",
    ]


def quantise_by_command(run: Path, out: Path, *flags: str) -> int:
    """The exit status of `allconvert quantize`, run within this process."""
    kept, sys.argv = (
        sys.argv,
        [
            "allconvert",
            "quantize",
            str(run),
            "--out",
            str(out),
            "--margin",
            "0.1",
            "--margin-flips",
            "0.1",
            *flags,
        ],
    )
    try:
        run_app(app)
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = kept


def network(*middle: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((50, 50, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            *middle,
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )


def test_an_operation_that_the_converter_leaves_in_float_is_found_in_the_file() -> None:
    flatbuffer = convert_to_int8(network(layers.Activation(keras.ops.sin)), PATCHES)
    with pytest.raises(FidelityRefused, match="partly float"):
        require_integers(flatbuffer)


def test_an_operation_without_tflite_form_is_named() -> None:
    with pytest.raises(FidelityRefused, match="no operation Erf"):
        convert_to_int8(network(layers.Activation(keras.ops.erf)), PATCHES)


@pytest.mark.parametrize(
    ("tiny", "words"),
    [(FLOAT, "float32"), (DYNAMIC_RANGE, "dynamic-range"), (TinyNetwork(inner_type=Type.INT16), "16x8")],
)
def test_a_file_that_is_not_int8_all_through_is_called_what_it_is(tiny: TinyNetwork, words: str) -> None:
    with pytest.raises(FidelityRefused, match=words):
        require_integers(tiny.build())


def test_an_audit_tells_operators_weights_and_sizes() -> None:
    audit = require_integers(TinyNetwork().build())
    assert audit.operators == {"FULLY_CONNECTED": 1, "QUANTIZE": 1}
    assert [(tensor.type, tensor.shape, tensor.n_bytes) for tensor in audit.weights] == [
        ("int8", (2, 7500), 15000)
    ]
    assert audit.n_weight_bytes == 15000
    assert audit.largest_activation_bytes == 7500
