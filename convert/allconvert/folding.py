"""Fold the network's first rescaling into its first convolution: same function, two rounding steps fewer.

Networks begin with `Rescaling`, grey x scale + offset. Left as it is, int8 needs a multiplication and
an addition at every pixel, each rounded, and kernels round them differently; what they disagree on
reaches every later layer. But convolution(grey x scale + offset) = convolution'(grey + offset / scale)
with weights x scale, and adding offset / scale is what a zero point does. The bytes of a patch then go
into the convolution as they are, and "same" padding still means what it meant: zero of the rescaled.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alledge.types import F32, U8
from alltrain.backend import load_keras

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """A network that takes grey levels plus `offset` instead of grey levels."""

    model: "keras.Model"
    offset: float

    def inputs(self, patches: U8) -> F32:
        """(N, 50, 50, 3) float32 inputs of the network for (N, 50, 50, 3) uint8 patches."""
        return patches.astype(np.float32) + np.float32(self.offset)


def fold_rescaling(model: "keras.Model") -> Folded:
    """The same function without its first rescaling; unchanged when that is not followed by a convolution.

    Only an offset that is a whole number of grey levels folds, for a zero point is a whole number.
    """
    keras = load_keras()
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    if not isinstance(model, keras.Sequential) or len(layers) < 2:
        return Folded(model, 0.0)
    rescaling, convolution = layers[:2]
    if not isinstance(rescaling, keras.layers.Rescaling) or not isinstance(convolution, keras.layers.Conv2D):
        return Folded(model, 0.0)
    scale = float(rescaling.scale)
    offset = round(float(rescaling.offset) / scale, 4)
    if offset != round(offset) or not -255 <= offset <= 0:
        return Folded(model, 0.0)
    folded = keras.Sequential([keras.Input(model.input_shape[1:]), *_copies(layers[1:])], name=model.name)
    weights = model.get_weights()
    folded.set_weights([weights[0] * scale, *weights[1:]])
    return Folded(folded, offset)


def _copies(layers: "list[keras.layers.Layer]") -> "list[keras.layers.Layer]":
    return [type(layer).from_config(layer.get_config()) for layer in layers]
