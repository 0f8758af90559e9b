"""Augmentation inside the training graph: one layer turns patches into varied patches.

What is random comes in as a second input (augmentation.draw_parameters), so the layer itself is a plain
function of its inputs. It is written in `keras.ops` alone and works on a batch at a time, so it runs
wherever the network runs. The training model holds it; the network that is saved never sees it.
"""

from typing import Final

import keras
from keras import ops

from alledge.illumination import PLASMA_LEVEL

_FOCUS_REACH_PX: Final = 2  # a blurred pixel sees two neighbours either way


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
    """Each pixel mixed with its neighbours, along columns and then along rows."""
    first, second = (ops.reshape(shares[:, k], (-1, 1, 1, 1)) for k in range(2))
    own = 1 - 2 * first - 2 * second
    side = patches.shape[1]
    for axis in (1, 2):
        widths = [(0, 0)] * 4
        widths[axis] = (_FOCUS_REACH_PX, _FOCUS_REACH_PX)
        wide = ops.pad(patches, widths, mode="reflect")
        at = [wide[:, k : k + side] if axis == 1 else wide[:, :, k : k + side] for k in range(5)]
        patches = own * at[2] + first * (at[1] + at[3]) + second * (at[0] + at[4])
    return patches


def _stained(
    patches: keras.KerasTensor, exponents: keras.KerasTensor, plasma: keras.KerasTensor
) -> keras.KerasTensor:
    """Optical density multiplied by `exponents`, each channel its own; empty plasma put at `plasma`.

    Density is -log(light / PLASMA_LEVEL), so multiplied density is light raised to a power.
    """
    exponents, plasma = ops.reshape(exponents, (-1, 1, 1, 3)), ops.reshape(plasma, (-1, 1, 1, 1))
    light = ops.log(ops.maximum(patches, 1.0)) - ops.log(float(PLASMA_LEVEL))
    stained = ops.minimum(plasma * ops.exp(exponents * light), 255.0)
    # A product with ones sums the channels far faster than a reduction over an axis of three.
    sums = ops.matmul(patches, ops.ones((3, 3)))
    return stained * ops.minimum(sums, 1.0)  # 0 where all three are pure black, else 1
