"""The networks of the literature, layer by layer, as Keras builds them.

Every builder takes patches of the device (50 pixels, 0 to 255) and answers in logits, so that one harness
serves all. Where a paper's input is larger than a patch, the patch is enlarged inside the network: it then
costs what the paper's costs, and knows no more than ours. What is published of each network, and what had
to be chosen, is told in networks.py beside the claim.
"""

from collections.abc import Sequence
from typing import Final

import keras
import numpy as np
from keras import layers

from alledge.patches import PATCH_PX
from alledge.types import F32

THANH_DEEP_WIDTHS: Final = (16, 32, 32, 64, 64)
ALLNET_WIDTHS: Final = (32, 64, 128, 128)
DENSE_CNN_WIDTHS: Final = (32, 64)
SE_WIDTHS: Final = (32, 64, 128, 256)
SE_RATIO: Final = 16  # J. Hu, L. Shen, G. Sun, Squeeze-and-Excitation Networks, CVPR 2018
# Single-tower AlexNet: A. Krizhevsky, One weird trick for parallelizing CNNs, arXiv:1404.5997 (2014).
ALEXNET_WIDTHS: Final = (64, 192, 384, 256, 256)
ALEXNET_DENSE: Final = 4096
ALEXNET_PX: Final = 99  # of 227, see networks.py


def _entrance(side_px: int = PATCH_PX) -> list[keras.layers.Layer]:
    """Patch of 0 to 255 to values of 0 to 1, enlarged where the network wants it."""
    entrance: list[keras.layers.Layer] = [keras.Input((PATCH_PX, PATCH_PX, 3), name="patch")]
    if side_px != PATCH_PX:
        entrance.append(layers.Resizing(side_px, side_px, interpolation="bilinear", name="enlarge"))
    return [*entrance, layers.Rescaling(1 / 255, name="rescale")]


def _convolution(width: int, side: int, name: str, stride: int = 1, padding: str = "same") -> layers.Conv2D:
    return layers.Conv2D(
        width, side, stride, padding, activation="relu", kernel_initializer="he_normal", name=name
    )


def _stages(widths: Sequence[int]) -> list[keras.layers.Layer]:
    """A 3x3 convolution and a 2x2 maximum for each width."""
    stages: list[keras.layers.Layer] = []
    for index, width in enumerate(widths, start=1):
        stages += [_convolution(width, 3, f"conv_{index}"), layers.MaxPooling2D(2, name=f"pool_{index}")]
    return stages


def build_thanh_deep(n_labels: int) -> keras.Model:
    """Five convolutions, one fully connected layer, softmax (left outside)."""
    return keras.Sequential(
        [
            *_entrance(),
            *_stages(THANH_DEEP_WIDTHS),
            layers.Flatten(name="flatten"),
            layers.Dense(n_labels, name="logits"),
        ],
        name="thanh_deep",
    )


def build_allnet(n_labels: int) -> keras.Model:
    """Four stages of convolution and maximum, one hidden dense layer with dropout."""
    return keras.Sequential(
        [
            *_entrance(),
            *_stages(ALLNET_WIDTHS),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="dense"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(n_labels, name="logits"),
        ],
        name="allnet",
    )


def build_dense_cnn(n_labels: int, chosen: F32 | None = None) -> keras.Model:
    """Two blocks of two convolutions, then dense layers.

    chosen: (50, 50, 3) float32 of 0 and 1, the inputs that feature selection kept; None keeps all.
    """
    mask = np.ones((PATCH_PX, PATCH_PX, 3), dtype=np.float32) if chosen is None else chosen
    stack = [*_entrance(), _Chosen(mask, name="chosen")]
    for index, width in enumerate(DENSE_CNN_WIDTHS, start=1):
        stack += [
            _convolution(width, 3, f"conv_{index}a"),
            _convolution(width, 3, f"conv_{index}b"),
            layers.MaxPooling2D(2, name=f"pool_{index}"),
            layers.Dropout(0.25, name=f"dropout_{index}"),
        ]
    stack += [
        layers.Flatten(name="flatten"),
        layers.Dense(128, activation="relu", name="dense"),
        layers.Dropout(0.5, name="dropout"),
        layers.Dense(n_labels, name="logits"),
    ]
    return keras.Sequential(stack, name="dense_cnn")


class _Chosen(keras.layers.Layer):  # type: ignore[misc]  # keras ships no types
    """Lets the chosen inputs through and sets the others to zero; nothing in it is learnt."""

    def __init__(self, mask: F32, name: str) -> None:
        super().__init__(name=name, trainable=False)
        self._mask = keras.ops.convert_to_tensor(mask)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return inputs * self._mask


def build_alexnet(n_labels: int) -> keras.Model:
    """AlexNet in one tower, on a smaller input; the last layer for our labels."""
    widths = ALEXNET_WIDTHS
    return keras.Sequential(
        [
            *_entrance(ALEXNET_PX),
            _convolution(widths[0], 11, "conv_1", stride=4, padding="valid"),
            layers.MaxPooling2D(3, 2, name="pool_1"),
            _convolution(widths[1], 5, "conv_2"),
            layers.MaxPooling2D(3, 2, name="pool_2"),
            _convolution(widths[2], 3, "conv_3"),
            _convolution(widths[3], 3, "conv_4"),
            _convolution(widths[4], 3, "conv_5"),
            layers.MaxPooling2D(3, 2, name="pool_5"),
            layers.Flatten(name="flatten"),
            layers.Dense(ALEXNET_DENSE, activation="relu", name="dense_6"),
            layers.Dropout(0.5, name="dropout_6"),
            layers.Dense(ALEXNET_DENSE, activation="relu", name="dense_7"),
            layers.Dropout(0.5, name="dropout_7"),
            layers.Dense(n_labels, name="logits"),
        ],
        name="alexnet",
    )


def build_se_cnn(n_labels: int) -> keras.Model:
    """Convolutions whose maps are weighed by squeeze and excitation before each maximum."""
    inputs, *entrance = _entrance()
    maps = inputs
    for layer in entrance:
        maps = layer(maps)
    for index, width in enumerate(SE_WIDTHS, start=1):
        maps = _convolution(width, 3, f"conv_{index}")(maps)
        maps = _squeeze_and_excite(maps, width, index)
        maps = layers.MaxPooling2D(2, name=f"pool_{index}")(maps)
    pooled = layers.GlobalAveragePooling2D(name="mean")(maps)
    hidden = layers.Dense(128, activation="relu", name="dense")(pooled)
    hidden = layers.Dropout(0.5, name="dropout")(hidden)
    return keras.Model(inputs, layers.Dense(n_labels, name="logits")(hidden), name="se_cnn")


def _squeeze_and_excite(maps: keras.KerasTensor, width: int, index: int) -> keras.KerasTensor:
    """Weigh each map by what the means of all maps say of it (Hu et al. 2018, section 3)."""
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name=f"squeeze_{index}")(maps)
    reduced = layers.Dense(max(2, width // SE_RATIO), activation="relu", name=f"reduce_{index}")(squeezed)
    weight = layers.Dense(width, activation="sigmoid", name=f"excite_{index}")(reduced)
    return layers.Multiply(name=f"weigh_{index}")([maps, weight])
