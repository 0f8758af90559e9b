"""The rewritten network computes the same; what int8 would lose, or runtimes differ on, is gone."""

import keras
import numpy as np
import pytest
from keras import layers

from allconvert.converter import convert_to_int8
from allconvert.representative import choose_representative
from allconvert.rewriting import rewrite_for_int8
from alledge.flatbuffer import read_graph
from alltrain.models import MODELS
from alltrain.training import predict_logits
from tests.convert.conftest import made_patches

LABELS = np.arange(30) % 2
PATCHES = made_patches(LABELS, seed=2)
FIRST = [layers.Rescaling(1 / 255), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(4)]


def network(*chosen: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(0)
    copies = [type(layer).from_config(layer.get_config()) for layer in chosen]
    return keras.Sequential([keras.Input((50, 50, 3)), *copies])


NETWORKS = {
    "smearnet": MODELS["smearnet"](2),
    "seed": MODELS["seed"](3),
    "two dense layers": network(
        *FIRST, layers.Flatten(), layers.Dense(7, "relu"), layers.Dropout(0.5), layers.Dense(2)
    ),
    "an average": network(*FIRST, layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(3)),
    "no bias": network(*FIRST, layers.GlobalAveragePooling2D(), layers.Dense(2, use_bias=False)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rewritten_network_computes_the_same(name: str) -> None:
    rewritten = rewrite_for_int8(NETWORKS[name])
    answers = np.asarray(rewritten.model(rewritten.inputs(PATCHES)))
    assert answers == pytest.approx(predict_logits(NETWORKS[name], PATCHES), abs=1e-4)
    assert not any(isinstance(layer, layers.Rescaling | layers.Dense) for layer in rewritten.model.layers)


@pytest.mark.parametrize("name", NETWORKS)
def test_only_kernels_that_agree_everywhere_are_left(name: str) -> None:
    representative = choose_representative(PATCHES, LABELS, 2).patches
    graph = read_graph(convert_to_int8(NETWORKS[name], representative))
    assert set(graph.operators) <= {"QUANTIZE", "CONV_2D", "MAX_POOL_2D", "RESHAPE"}
    assert graph.inputs[0].scales == (1.0,)
    assert graph.outputs[0].shape == (1, NETWORKS[name].output_shape[-1])


def test_the_original_goes_on_as_before() -> None:
    model = NETWORKS["smearnet"]
    answers = predict_logits(model, PATCHES)
    rewrite_for_int8(model)
    assert np.array_equal(predict_logits(model, PATCHES), answers)


@pytest.mark.parametrize(
    "first",
    [
        [layers.Conv2D(4, 3)],
        [layers.Rescaling(1 / 255), layers.MaxPooling2D(2)],
        [layers.Rescaling(1 / 255, offset=-0.123), layers.Conv2D(4, 3)],
        [layers.Rescaling(1 / 128, offset=1.0), layers.Conv2D(4, 3)],
    ],
)
def test_a_beginning_of_another_form_keeps_its_grey_levels(first: list[keras.layers.Layer]) -> None:
    model = network(*first, layers.Flatten(), layers.Dense(2))
    rewritten = rewrite_for_int8(model)
    assert rewritten.offset == 0
    assert np.asarray(rewritten.model(rewritten.inputs(PATCHES))) == pytest.approx(
        predict_logits(model, PATCHES), abs=1e-3
    )


def test_an_average_without_a_dense_layer_behind_it_stays() -> None:
    model = network(*FIRST, layers.GlobalAveragePooling2D(), layers.Activation("tanh"), layers.Dense(2))
    rewritten = rewrite_for_int8(model)
    assert any(isinstance(layer, layers.GlobalAveragePooling2D) for layer in rewritten.model.layers)
    answers = np.asarray(rewritten.model(rewritten.inputs(PATCHES)))
    assert answers == pytest.approx(predict_logits(model, PATCHES), abs=1e-4)


def test_a_network_that_is_no_plain_stack_is_left_as_it_is() -> None:
    patch = keras.Input((50, 50, 3))
    model = keras.Model(patch, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(patch))))
    assert rewrite_for_int8(model).model is model
