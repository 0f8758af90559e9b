"""smearnet: the default network, five plain 3x3 convolutions and the largest answer of each map.

What a blast looks like does not depend on where in the patch it lies, so nothing here is tied to a
position: convolutions, then the maximum of each map over the whole patch. The maximum, not the mean: a
mean is diluted by plasma and neighbours, and told blasts of held-out sessions less well. No batch
normalisation (its statistics of a few hundred patches do not carry over to another slide) and no
depthwise layers (they lose most in int8). Only operations that quantise well.
"""

from typing import Final

import keras
from keras import layers

from alledge.illumination import PLASMA_LEVEL
from alledge.patches import PATCH_PX

WIDTHS: Final = (16, 24, 32, 48, 64)  # maps of each convolution
POOLS: Final = (2, 2, 2, 2, 3)  # after each: 50 pixels to 25, 12, 6, 3 and 1


def build_smearnet(n_labels: int) -> keras.Model:
    """(N, 50, 50, 3) RGB of 0 to 255 -> (N, n_labels) logits.

    The input is turned over, so that plasma is 0 and stain is positive: the zeros that pad a
    convolution at the edge of a patch are then empty plasma, not a black frame.
    """
    stack: list[keras.layers.Layer] = [
        keras.Input((PATCH_PX, PATCH_PX, 3), name="patch"),
        layers.Rescaling(-2 / PLASMA_LEVEL, offset=2.0, name="stain"),
    ]
    for index, (width, pool) in enumerate(zip(WIDTHS, POOLS, strict=True), start=1):
        convolution = layers.Conv2D(
            width,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"conv_{index}",
        )
        stack += [convolution, layers.MaxPooling2D(pool, name=f"pool_{index}")]
    stack += [layers.Flatten(name="flatten"), layers.Dense(n_labels, name="logits")]
    return keras.Sequential(stack, name="smearnet")
