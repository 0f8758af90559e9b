"""smearnet: the default network, five plain 3x3 convolutions and a global average.

What a blast looks like does not depend on where in the patch it lies, so nothing here is tied to a
position: convolutions, then one average over the whole patch. No batch normalisation (its statistics of
a few hundred patches do not carry over to another slide) and no depthwise layers (they lose most in
int8). Only operations that quantise well: convolution, ReLU, max-pooling, average, dense.
"""

from typing import Final

import keras
from keras import layers

from alledge.illumination import PLASMA_LEVEL
from alledge.patches import PATCH_PX

WIDTHS: Final = (16, 32, 32, 48, 64)  # maps of each convolution
_POOL_AFTER: Final = (0, 1, 3)


def build_smearnet(n_labels: int) -> keras.Model:
    """(N, 50, 50, 3) RGB of 0 to 255 -> (N, n_labels) logits.

    The input is turned over, so that plasma is 0 and stain is positive: the zeros that pad a
    convolution at the edge of a patch are then empty plasma, not a black frame.
    """
    half = PLASMA_LEVEL / 2
    stack: list[keras.layers.Layer] = [
        keras.Input((PATCH_PX, PATCH_PX, 3), name="patch"),
        layers.Rescaling(-1 / half, offset=2.0, name="stain"),
    ]
    for index, width in enumerate(WIDTHS):
        stack.append(
            layers.Conv2D(
                width,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"conv_{index + 1}",
            )
        )
        if index in _POOL_AFTER:
            stack.append(layers.MaxPooling2D(2, name=f"pool_{index + 1}"))
    stack += [layers.GlobalAveragePooling2D(name="average"), layers.Dense(n_labels, name="logits")]
    return keras.Sequential(stack, name="smearnet")
