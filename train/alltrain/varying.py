"""Augmentation inside the training graph: one layer turns patches into varied patches.

What is random comes in as a second input (augmentation.draw_parameters), so the layer itself is a plain
function of its inputs. It is written in `keras.ops` alone and works on a batch at a time, so it runs
wherever the network runs. The training model holds it; the network that is saved never sees it.
"""

from math import log

import keras
import numpy as np
from keras import ops

from alledge.illumination import PLASMA_LEVEL
from alledge.patches import PATCH_PX
from alledge.types import F32


def _neighbours(distance_px: int) -> F32:
    """(S, S) float32: row r counts the pixels at a distance from pixel r, reflected at the edge."""
    counts = np.zeros((PATCH_PX, PATCH_PX), dtype=np.float32)
    for pixel in range(PATCH_PX):
        for other in (pixel - distance_px, pixel + distance_px):
            last = PATCH_PX - 1
            counts[pixel, last - abs(last - abs(other))] += 1
    return counts


_OWN, _FIRST, _SECOND = np.eye(PATCH_PX, dtype=np.float32), _neighbours(1), _neighbours(2)


class Vary(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """[(N, S, S, 3) uint8 patches, (N, 12) parameters] -> (N, S, S, 3) float32 of 0 to 255.

    n_blurred: how many patches, the first of a batch, may be out of focus.
    """

    def __init__(self, n_blurred: int) -> None:
        # Placements in half precision would be off by whole pixels, so mixed precision stops here.
        super().__init__(name="vary", dtype="float32", trainable=False)
        self._n_blurred = n_blurred

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Place, defocus the first ones, and stain."""
        patches, parameters = inputs
        varied = _placed(patches, parameters[:, :6])
        if self._n_blurred:
            blurred = _defocused(varied[: self._n_blurred], parameters[: self._n_blurred, 10:])
            varied = ops.concatenate([blurred, varied[self._n_blurred :]], axis=0)
        return _stained(varied, parameters[:, 6:9], parameters[:, 9:10])

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Patches keep their shape."""
        return input_shape[0]


def _placed(patches: keras.KerasTensor, placement: keras.KerasTensor) -> keras.KerasTensor:
    """Turned, mirrored, scaled and shifted.

    Beyond the edge goes on, mirrored, what is there: plasma, neighbours or black, as may be.
    """
    no_perspective = ops.zeros_like(placement[:, :2])
    return ops.image.affine_transform(
        ops.cast(patches, "float32"),
        ops.concatenate([placement, no_perspective], axis=1),
        interpolation="bilinear",
        fill_mode="reflect",
        data_format="channels_last",
    )


def _defocused(patches: keras.KerasTensor, shares: keras.KerasTensor) -> keras.KerasTensor:
    """Each pixel mixed with its neighbours, along columns and then along rows, as two matrix products."""
    first, second = (ops.reshape(shares[:, k], (-1, 1, 1)) for k in range(2))
    mixing = (1 - 2 * first - 2 * second) * _OWN + first * _FIRST + second * _SECOND  # (N, S, S)
    down = ops.matmul(mixing, ops.reshape(patches, (-1, PATCH_PX, PATCH_PX * 3)))
    return ops.matmul(ops.expand_dims(mixing, 1), ops.reshape(down, (-1, PATCH_PX, PATCH_PX, 3)))


def _stained(
    patches: keras.KerasTensor, exponents: keras.KerasTensor, plasma: keras.KerasTensor
) -> keras.KerasTensor:
    """Optical density multiplied by `exponents`, each channel its own; empty plasma put at `plasma`.

    Density is -log(light / PLASMA_LEVEL), so multiplied density is light raised to a power. Pure black has
    density without end and stays black.
    """
    offset = ops.log(plasma) - exponents * log(PLASMA_LEVEL)
    # A row of a patch is one run of red, green, blue, red, ...: far faster than a last axis of three.
    exponents, offset = (ops.expand_dims(ops.tile(given, (1, PATCH_PX)), 1) for given in (exponents, offset))
    light = ops.log(ops.reshape(patches, (-1, PATCH_PX, PATCH_PX * 3)))
    stained = ops.minimum(ops.exp(exponents * light + offset), 255.0)
    return ops.reshape(stained, (-1, PATCH_PX, PATCH_PX, 3))
