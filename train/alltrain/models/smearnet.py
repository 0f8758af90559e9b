"""smearnet: the default network, seven plain 3x3 convolutions and the largest answer of each map.

What a blast looks like does not depend on where in the patch it lies, so nothing here is tied to a
position: convolutions, then the maximum of each map over the whole patch. The maximum, not the mean: a
mean is diluted by plasma and neighbours, and told blasts of held-out sessions less well. Two convolutions
at 0.8 and at 1.6 um a pixel, where chromatin, nucleoli and the outline of the nucleus show; one at each
other scale (docs/ablation.md). No batch normalisation (its statistics of a few hundred patches do not
carry over to another slide) and no depthwise layers (they lose most in int8). Only operations that
quantise well.
"""

from typing import Final, TypeAlias

import keras
from keras import layers

from alledge.illumination import PLASMA_LEVEL
from alledge.patches import PATCH_PX

Stage: TypeAlias = tuple[int, int, int]
"""Convolutions, maps of each, and the side of the max-pooling that follows."""

# 50 pixels to 25, 12, 6, 3 and 1.
STAGES: Final[tuple[Stage, ...]] = ((1, 16, 2), (2, 24, 2), (2, 32, 2), (1, 48, 2), (1, 64, 3))


def build_smearnet(n_labels: int, stages: tuple[Stage, ...] = STAGES) -> keras.Model:
    """(N, 50, 50, 3) RGB of 0 to 255 -> (N, n_labels) logits.

    The input is turned over, so that plasma is 0 and stain is positive: the zeros that pad a
    convolution at the edge of a patch are then empty plasma, not a black frame.
    """
    stack: list[keras.layers.Layer] = [
        keras.Input((PATCH_PX, PATCH_PX, 3), name="patch"),
        layers.Rescaling(-2 / PLASMA_LEVEL, offset=2.0, name="stain"),
    ]
    for number, (n_convolutions, n_maps, pool) in enumerate(stages, start=1):
        stack += [_convolution(n_maps, f"conv_{number}{letter}") for letter in "abcd"[:n_convolutions]]
        stack.append(layers.MaxPooling2D(pool, name=f"pool_{number}"))
    stack += [layers.Flatten(name="flatten"), layers.Dense(n_labels, name="logits")]
    return keras.Sequential(stack, name="smearnet")


def _convolution(n_maps: int, name: str) -> keras.layers.Layer:
    return layers.Conv2D(
        n_maps, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=name
    )
