"""The first rescaling goes into the first convolution, and nothing else changes."""

import keras
import numpy as np
import pytest
from keras import layers

from allconvert.converter import convert_to_int8
from allconvert.folding import fold_rescaling
from allconvert.representative import choose_representative
from alledge.flatbuffer import read_graph
from alltrain.models import MODELS
from alltrain.training import predict_logits
from tests.convert.conftest import made_patches

LABELS = np.arange(30) % 2
PATCHES = made_patches(LABELS, seed=2)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_folded_network_computes_the_same(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = MODELS[name](2)
    folded = fold_rescaling(model)
    assert not any(isinstance(layer, layers.Rescaling) for layer in folded.model.layers)
    answers = np.asarray(folded.model(folded.inputs(PATCHES)))
    assert answers == pytest.approx(predict_logits(model, PATCHES), abs=1e-4)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_no_arithmetic_is_left_before_the_first_convolution(name: str) -> None:
    representative = choose_representative(PATCHES, LABELS, 2).patches
    graph = read_graph(convert_to_int8(MODELS[name](2), representative))
    assert not {"ADD", "MUL", "SUB"} & set(graph.operators)
    assert graph.inputs[0].scales == (1.0,)


def test_the_folded_network_is_a_copy() -> None:
    model = MODELS["smearnet"](2)
    before = [weight.copy() for weight in model.get_weights()]
    fold_rescaling(model).model.set_weights([0 * weight for weight in before])
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize(
    "first_layers",
    [
        [layers.Conv2D(4, 3)],
        [layers.Rescaling(1 / 255), layers.MaxPooling2D(2)],
        [layers.Rescaling(1 / 255, offset=-0.123), layers.Conv2D(4, 3)],
        [layers.Rescaling(1 / 127.5, offset=1.0), layers.Conv2D(4, 3)],
    ],
)
def test_what_does_not_fold_is_left_as_it_is(first_layers: list[keras.layers.Layer]) -> None:
    model = keras.Sequential([keras.Input((50, 50, 3)), *first_layers, layers.Flatten(), layers.Dense(2)])
    folded = fold_rescaling(model)
    assert folded.model is model
    assert folded.offset == 0
