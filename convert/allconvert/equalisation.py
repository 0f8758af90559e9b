"""Channels of like size, without changing the function: what one layer gains, the next one gives back.

ReLU and maxima let a positive factor through: relu(s x) = s relu(x). So channel i of a convolution may be
divided by s_i when the next convolution multiplies what it takes from channel i by s_i (M. Nagel, M. van
Baalen, T. Blankevoort, M. Welling, "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1). There the ranges of weights are made alike; here weights have a scale
a channel already, so a channel's activations are weighed against what the next layer makes of it. Factors
are powers of two: the float network computes the same, bit for bit.

Logits that all lie far from zero lose their differences in the steps of int8; what they have in common
changes no probability, and is taken from the last bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from allconvert.ranges import Extremes
from allconvert.rewriting import Rewritten
from alledge.flatbuffer import read_graph
from alledge.types import F32, F64
from alltrain.backend import load_keras

if TYPE_CHECKING:
    import keras

ROUNDS: Final = 4
# A channel that is dead on all training patches may wake on another slide: not blown up without limit.
LARGEST_EXPONENT: Final = 12.0
# Logits are centred when what they have in common is more than this many times what tells them apart.
FAR_FROM_ZERO: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Equalised:
    """Weights of the rewritten network, in Keras' order. logit_shift: taken from all logits alike."""

    weights: list[F32]
    logit_shift: float


def equalised_weights(
    rewritten: Rewritten, extremes: Mapping[str, Extremes], float_file: bytes
) -> Equalised | None:
    """Weights with channels of like size, or None where the network is not a plain chain of convolutions.

    Args:
        rewritten: the float network; left as it is.
        extremes: what its activations do on training patches.
        float_file: the same network as TFLite file, whose tensors the extremes are of.
    """
    found = _convolutions_with_outputs(rewritten.model, float_file)
    if found is None:
        return None
    layers = [layer for layer, _ in found]
    kernels = [layer.get_weights()[0].copy() for layer in layers]
    biases = [layer.get_weights()[1].copy() if layer.use_bias else None for layer in layers]
    for index, tensor in enumerate(tensor for _, tensor in found[:-1]):
        if not _lets_factors_through(rewritten.model, layers[index], layers[index + 1]):
            continue
        reach = np.maximum(np.abs(extremes[tensor].low), np.abs(extremes[tensor].high)).max(axis=0)
        factors = _factors(reach.astype(np.float64), kernels[index + 1])
        kernels[index] /= factors
        bias = biases[index]
        if bias is not None:
            bias /= factors
        kernels[index + 1] *= factors[:, None]
    shift = _centre(biases[-1], extremes[found[-1][1]])
    by_layer = {
        id(layer): [kernel, bias] if bias is not None else [kernel]
        for layer, kernel, bias in zip(layers, kernels, biases, strict=True)
    }
    weights = [
        value for layer in rewritten.model.layers for value in by_layer.get(id(layer), layer.get_weights())
    ]
    return Equalised(weights, shift) if all(np.isfinite(value).all() for value in weights) else None


def _convolutions_with_outputs(
    model: "keras.Model", float_file: bytes
) -> list[tuple["keras.layers.Conv2D", str]] | None:
    """Each convolution with the name of its output tensor; None when file and network do not match."""
    keras = load_keras()
    if not isinstance(model, keras.Sequential):
        return None
    layers = [layer for layer in model.layers if type(layer) is keras.layers.Conv2D and layer.groups == 1]
    graph = read_graph(float_file)
    outputs = [graph.tensors[one.outputs[0]].name for one in graph.operations if one.name == "CONV_2D"]
    return list(zip(layers, outputs, strict=True)) if len(layers) == len(outputs) > 0 else None


def _lets_factors_through(
    model: "keras.Model", layer: "keras.layers.Conv2D", following: "keras.layers.Conv2D"
) -> bool:
    """Whether all from one convolution to the next is positively homogeneous, channel by channel."""
    keras = load_keras()
    plain = (keras.activations.relu, keras.activations.linear)
    between = model.layers[model.layers.index(layer) + 1 : model.layers.index(following)]
    through = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.Dropout)
    is_relu = [isinstance(one, keras.layers.ReLU) and one.max_value is None for one in between]
    passes = [isinstance(one, through) or relu for one, relu in zip(between, is_relu, strict=True)]
    return layer.activation in plain and all(passes)


def _factors(reach: F64, following: F32) -> F32:
    """What to divide each channel by: powers of two, one in the middle.

    reach: (C,) greatest absolute activation. following: (rows, columns, C, O) kernel of the next layer. A
    channel is weighed by sqrt(reach / weight), where weight is its largest share of a row of the next
    kernel's scale. The shares change with the factors, so it is done a few times over.
    """
    exponents = np.zeros(reach.size)
    share = np.abs(following.astype(np.float64)).max(axis=(0, 1))
    for _ in range(ROUNDS):
        scaled = share * np.exp2(exponents)[:, None]
        weight = (scaled / np.maximum(scaled.max(axis=0), 1e-300)).max(axis=1)
        here = reach / np.exp2(exponents)
        exponents += 0.5 * (_log2(here) - _log2(weight))
        exponents -= np.median(exponents)
    return np.exp2(np.clip(np.round(exponents), -LARGEST_EXPONENT, LARGEST_EXPONENT)).astype(np.float32)


def _log2(values: F64) -> F64:
    """Logarithm relative to the largest; what is (nearly) zero counts as 2^-12 of it."""
    largest = values.max(initial=0.0)
    if largest <= 0:
        return np.zeros_like(values)
    found: F64 = np.log2(np.maximum(values / largest, 2.0**-LARGEST_EXPONENT))
    return found


def _centre(bias: F32 | None, logits: Extremes) -> float:
    """Take from the last bias what all logits have in common, when it drowns what tells them apart."""
    if bias is None:
        return 0.0
    middle = float(np.median((logits.low + logits.high) / 2))
    spread = float(np.ptp(logits.high - middle)) + float(np.ptp(logits.low - middle))
    if abs(middle) <= FAR_FROM_ZERO * spread:
        return 0.0
    bias -= np.float32(middle)
    return float(np.float32(middle))
