"""Rewrite a network into an equal one that every runtime computes alike. Exact algebra, no approximation.

Two things that a float network may do cost dearly in int8, and both can be written otherwise:

1. It begins with `Rescaling`, grey x scale + offset: a multiplication and an addition at every pixel,
   each rounded to 8 bits, and what is lost there reaches every later layer. But
   convolution(grey x scale + offset) = convolution'(grey + offset / scale) with weights x scale, and
   adding offset / scale is what a zero point does. Grey levels then go into the convolution as they
   are, and "same" padding still pads with what rescales to zero.
2. It ends with `Dense`. TFLite's fully connected kernels differ between runtimes: tflite-runtime 2.14
   reads one scale where newer files hold one a channel, and multiplies scales in another precision, so
   its reference kernels end a step off LiteRT's. A dense layer is a convolution whose kernel is as
   large as the map, and those kernels agree bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from alledge.types import F32, U8
from alltrain.backend import load_keras

if TYPE_CHECKING:
    import keras

Weighted: TypeAlias = "tuple[keras.layers.Layer, list[F32]]"


@dataclass(frozen=True, slots=True, eq=False)
class Rewritten:
    """A network that takes grey levels plus `offset`, (N, 50, 50, 3) float32, instead of grey levels."""

    model: "keras.Model"
    offset: float

    def inputs(self, patches: U8) -> F32:
        """(N, 50, 50, 3) float32 inputs of the network for (N, 50, 50, 3) uint8 patches."""
        return patches.astype(np.float32) + np.float32(self.offset)


def rewrite_for_int8(model: "keras.Model") -> Rewritten:
    """The same function with its rescaling folded and its dense layers as convolutions.

    What has another form than those two rules know is left as it is.
    """
    keras = load_keras()
    if not isinstance(model, keras.Sequential):
        return Rewritten(model, 0.0)
    layers: list[Weighted] = [
        (layer, layer.get_weights())
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    layers, offset = _fold_rescaling(layers)
    layers = _dense_as_convolution(layers)
    # Layers that stay are the original's own; they get the weights that they have.
    stack = [keras.Input(model.input_shape[1:]), *(layer for layer, _ in layers)]
    rewritten = keras.Sequential(stack, name=model.name)
    for layer, weights in layers:
        layer.set_weights(weights)
    return Rewritten(rewritten, offset)


def _fold_rescaling(layers: list[Weighted]) -> tuple[list[Weighted], float]:
    """Layers without a rescaling that stands before a convolution, and the offset of the input instead.

    Only an offset of a whole number of grey levels folds, for a zero point is a whole number.
    """
    keras = load_keras()
    if len(layers) < 2 or not isinstance(layers[0][0], keras.layers.Rescaling):
        return layers, 0.0
    rescaling, (convolution, weights) = layers[0][0], layers[1]
    scale = float(rescaling.scale)
    offset = round(float(rescaling.offset) / scale, 4)
    folds = isinstance(convolution, keras.layers.Conv2D) and offset == round(offset) and -255 <= offset <= 0
    if not folds:
        return layers, 0.0
    # The activation as it is, since one that Keras does not know cannot be made from a configuration.
    config = convolution.get_config() | {"activation": convolution.activation}
    rescaled = type(convolution).from_config(config)
    return [(rescaled, [weights[0] * np.float32(scale), *weights[1:]]), *layers[2:]], offset


def _dense_as_convolution(layers: list[Weighted]) -> list[Weighted]:
    """Layers in which the dense ones at the end, behind a flattening or an average, are convolutions."""
    keras = load_keras()
    into_vector = (keras.layers.Flatten, keras.layers.GlobalAveragePooling2D)
    at_end = (keras.layers.Dense, keras.layers.Dropout, keras.layers.ReLU, keras.layers.Activation)
    turns = [index for index, (layer, _) in enumerate(layers) if isinstance(layer, into_vector)]
    tail = layers[turns[0] + 1 :] if len(turns) == 1 else []
    tail = [(layer, weights) for layer, weights in tail if not isinstance(layer, keras.layers.Dropout)]
    if not tail or not isinstance(tail[0][0], keras.layers.Dense):
        return layers
    if not all(isinstance(layer, at_end) for layer, _ in tail):
        return layers
    turn = layers[turns[0]][0]
    rewritten = [*layers[: turns[0]], _convolution_after(turn, *tail[0])]
    for layer, weights in tail[1:]:
        is_dense = isinstance(layer, keras.layers.Dense)
        rewritten.append(_convolution(layer, weights, 1, 1) if is_dense else (layer, weights))
    return [*rewritten, (keras.layers.Flatten(name="vector"), [])]


def _convolution_after(
    turn: "keras.layers.Layer", dense: "keras.layers.Dense", weights: Sequence[F32]
) -> Weighted:
    """A dense layer behind a flattening, or behind an average: then with the average in its weights."""
    rows, columns = turn.input.shape[1:3]
    kernel, *bias = weights
    if isinstance(turn, load_keras().layers.GlobalAveragePooling2D):
        kernel = np.tile(kernel / np.float32(rows * columns), (rows * columns, 1))
    return _convolution(dense, [kernel, *bias], rows, columns)


def _convolution(dense: "keras.layers.Dense", weights: Sequence[F32], rows: int, columns: int) -> Weighted:
    """The convolution over a whole map that computes what a dense layer does with the flattened map."""
    keras = load_keras()
    kernel, *bias = weights
    convolution = keras.layers.Conv2D(
        dense.units, (rows, columns), activation=dense.activation, use_bias=dense.use_bias, name=dense.name
    )
    return convolution, [kernel.reshape(rows, columns, -1, dense.units), *bias]
