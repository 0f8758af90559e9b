"""The seed network: the one that the project started from, kept exactly, as the mark to beat.

Two 5x5 convolutions of 30 maps, one max-pooling, and a softmax over 18,750 features: 62,312 parameters
for two labels, 60 % of them in the last layer, where they learn where in the patch a pixel sits rather
than what it shows. The softmax itself stays outside, so that the int8 model answers in logits.
"""

import keras
from keras import layers

from alledge.patches import PATCH_PX


def build_seed(n_labels: int) -> keras.Model:
    """(N, 50, 50, 3) RGB of 0 to 255 -> (N, n_labels) logits."""
    return keras.Sequential(
        [
            keras.Input((PATCH_PX, PATCH_PX, 3), name="patch"),
            layers.Rescaling(1 / 255, name="rescale"),
            layers.Conv2D(30, 5, padding="same", activation="relu", name="conv_1"),
            layers.Conv2D(30, 5, padding="same", activation="relu", name="conv_2"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(n_labels, name="logits"),
        ],
        name="seed",
    )
