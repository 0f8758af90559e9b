"""Which layer hurts: every layer of the int8 network against the same layer in float."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from allconvert.converter import convert_to_int8
from allconvert.layer_errors import LayerError, layer_errors
from allconvert.rewriting import rewrite_for_int8
from allconvert.tapping import decibels, tap_isolated
from alledge.errors import FidelityRefused
from tests.convert.conftest import made_patches

PATCHES = made_patches(np.arange(12) % 2, seed=7)


def plain_network() -> Any:
    keras.utils.set_random_seed(4)
    return keras.Sequential(
        [
            keras.Input((50, 50, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(6, 3, strides=2, use_bias=False, name="first"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(name="pool"),
            layers.SeparableConv2D(8, 3, activation="relu", name="separable"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="logits"),
        ]
    )


def errors_of(network: Any, patches: Any = PATCHES) -> tuple[LayerError, ...]:
    return layer_errors(rewrite_for_int8(network), convert_to_int8(network, PATCHES), patches)


@pytest.fixture(scope="module")
def plain() -> tuple[LayerError, ...]:
    return errors_of(plain_network())


def test_layers_come_in_the_order_of_the_network_under_their_own_names(plain: tuple[LayerError, ...]) -> None:
    assert [(row.layer, row.kind) for row in plain] == [
        ("first", "convolution"),
        ("pool", "maximum"),
        ("separable", "depthwise convolution"),
        ("separable", "convolution"),
        ("logits", "convolution"),
    ]


def test_a_sound_network_is_close_to_float_in_every_layer(plain: tuple[LayerError, ...]) -> None:
    assert min(row.sqnr_db for row in plain) > 15
    assert all(row.largest_error < 20 * row.scale for row in plain)
    assert all(row.weight_sqnr_db is None or row.weight_sqnr_db > 35 for row in plain)


def test_the_first_layer_can_be_recomputed_with_keras_alone(plain: tuple[LayerError, ...]) -> None:
    network, first = plain_network(), plain[0]
    to_relu = keras.Model(network.inputs, network.layers[3].output)
    real = to_relu.predict(PATCHES.astype(np.float32), verbose=0)
    scale = first.scale
    rounded = np.clip(np.round(real / scale), 0, 255) * scale
    signal = real - real.mean(axis=(0, 1, 2))
    # Rounding its output is the least that int8 can do to a layer.
    assert first.sqnr_db <= decibels((signal**2).sum(), ((rounded - real) ** 2).sum()) + 0.1
    assert first.largest_error >= scale / 2 * 0.9


def test_it_hurts_where_one_channel_drowns_the_others() -> None:
    network = plain_network()
    kernel = network.get_layer("first").get_weights()[0]
    kernel[..., 0] *= 3000
    network.get_layer("first").set_weights([kernel])
    hurt = {row.layer: row for row in errors_of(network)}
    bland = {row.layer: row for row in errors_of(plain_network())}
    assert hurt["first"].scale > 1000 * bland["first"].scale
    # The loud channel alone looks sound; the quiet ones are gone.
    assert hurt["first"].sqnr_db > 20
    assert hurt["first"].worst_channel_db < 0 < 15 < bland["first"].worst_channel_db


def test_values_beyond_the_range_of_int8_are_counted() -> None:
    network = plain_network()
    dark = np.zeros((4, 50, 50, 3), dtype=np.uint8)
    dark[:, ::2] = 255
    narrow = convert_to_int8(network, np.full((2, 50, 50, 3), 127, dtype=np.uint8))
    rows = layer_errors(rewrite_for_int8(network), narrow, dark)
    assert max(row.saturated_share for row in rows) > 0.05
    assert all(row.saturated_share == 0 for row in errors_of(network, PATCHES[:2])[:1])


def test_branches_are_matched_by_what_the_file_holds() -> None:
    source = keras.Input((50, 50, 3))
    one = layers.Conv2D(4, 3, activation="relu", name="one")(source)
    two = layers.Conv2D(4, 3, padding="same", name="two")(one)
    joined = layers.ReLU()(layers.Add()([one, two]))
    logits = layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(joined))
    rows = errors_of(keras.Model(source, logits))
    assert [row.kind for row in rows] == ["convolution", "convolution", "average", "dense"]
    assert rows[0].layer == "one"


def test_a_file_that_takes_the_runtime_down_is_a_refusal() -> None:
    with pytest.raises(FidelityRefused, match="cannot be compared"):
        tap_isolated(b"no model", b"no model", PATCHES[:1], 0.0)


def test_without_a_network_that_runs_there_are_no_rows_and_no_error() -> None:
    assert layer_errors(rewrite_for_int8(plain_network()), b"no model", PATCHES[:1]) == ()


def test_decibels_are_finite_whatever_happens() -> None:
    assert decibels(1.0, 0.0) == 99.0
    assert decibels(float("nan"), 1.0) == -99.0
    assert decibels(1.0, float("inf")) == -99.0
    assert decibels(100.0, 1.0) == pytest.approx(20)
