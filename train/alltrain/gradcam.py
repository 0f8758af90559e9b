"""Where in a patch the evidence for a call lies: gradient-weighted maps of a convolution.

R. R. Selvaraju et al., "Grad-CAM", ICCV 2017, weigh the maps of the last convolution by the mean gradient
of the label's score. Two things make that a poor instrument here, and both were looked at:

- smearnet ends in the largest answer of each map. The gradient is then zero but for the one place that won,
  and a mean over places spreads it to places that had no say. So maps are weighed place by place, before any
  mean: HiResCAM (R. L. Draelos, L. Carin, arXiv:2011.08891, 2020), which sums to what the score owes to each
  place where what follows is linear. `Weighting.GRAD_CAM` is kept, for comparison with other work.
- its last convolution sees the patch in 3 x 3 places of 7 um, no finer than the cell. So the maps are those
  of the deepest convolution that has at least 12 places a side, 1.7 um each.

What is explained is the margin: the logit of the called label over what the other labels have together
(their log-sum-exp), because a constant added to every logit changes no call and must change no map.
Evidence keeps its sign: what spoke for the call, and what spoke against it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from alledge.errors import RuntimeMissing
from alledge.types import F32, I64, U8
from alltrain.backend import load_keras

if TYPE_CHECKING:
    import keras

LEAST_PLACES: Final = 12  # a side; coarser maps cannot tell a cell from its neighbours
BATCH: Final = 64


class Weighting(StrEnum):
    """How gradients weigh the maps of the convolution."""

    HIRES_CAM = "HiResCAM"
    GRAD_CAM = "Grad-CAM"


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Where the evidence lies. maps: (N, S, S) float32 of the size of the patches, above 0 for the call.

    layer: name of the convolution. places: its places along a side. weighting: how they were weighed.
    """

    maps: F32
    layer: str
    places: int
    weighting: Weighting


def can_explain() -> bool:
    """Whether this backend of Keras gives gradients here."""
    return bool(load_keras().backend.backend() == "tensorflow")


def find_evidence(
    model: "keras.Model", patches: U8, labels: I64, weighting: Weighting = Weighting.HIRES_CAM
) -> Evidence:
    """Evidence for a label of each patch.

    Args:
        model: Sequential or functional, one input, its first output logits (N, L).
        patches: (N, S, S, 3) uint8 RGB.
        labels: (N,) int64, the label of each patch to explain, in most cases the one that was called.
        weighting: how gradients weigh the maps.

    Raises:
        RuntimeMissing: Keras does not run on TensorFlow.
        ValueError: the model has no convolution.
    """
    if not can_explain():
        raise RuntimeMissing(
            f"Gradients of maps need TensorFlow, not {load_keras().backend.backend()}.",
            "Set KERAS_BACKEND=tensorflow to draw Grad-CAM sheets.",
        )
    layer = _convolution_to_read(model)
    two_parts = _with_maps(model, layer)
    side = patches.shape[1]
    maps = np.zeros(patches.shape[:3], dtype=np.float32)
    for start in range(0, len(patches), BATCH):
        part = slice(start, start + BATCH)
        answers, gradients = _answers_and_gradients(two_parts, patches[part], labels[part])
        if weighting is Weighting.GRAD_CAM:
            gradients = np.broadcast_to(gradients.mean(axis=(1, 2), keepdims=True), answers.shape)
        for index, coarse in enumerate((answers * gradients).sum(axis=3), start=start):
            maps[index] = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    return Evidence(maps, layer.name, int(layer.output.shape[1]), weighting)


def _convolution_to_read(model: "keras.Model") -> "keras.layers.Layer":
    """The deepest convolution with at least LEAST_PLACES a side; the deepest of all where none has."""
    keras = load_keras()
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    convolutions = [layer for layer in model.layers if isinstance(layer, kinds)]
    if not convolutions:
        raise ValueError(f"{model.name} has no convolution to read maps from")
    fine = [layer for layer in convolutions if min(layer.output.shape[1:3]) >= LEAST_PLACES]
    return (fine or convolutions)[-1]


def _with_maps(model: "keras.Model", layer: "keras.layers.Layer") -> "keras.Model":
    """The same network, with the maps of one layer as a first output before the logits."""
    keras = load_keras()
    if not isinstance(model, keras.Sequential):
        return keras.Model(model.inputs, [layer.output, model.outputs[0]])
    # A Sequential read from a file has been called twice, and its layers name the outputs of the first time.
    inputs = keras.Input(model.input_shape[1:])
    maps, answer = None, inputs
    for each in model.layers:
        answer = each(answer)
        maps = answer if each is layer else maps
    return keras.Model(inputs, [maps, answer])


def _answers_and_gradients(two_parts: "keras.Model", patches: U8, labels: I64) -> tuple[F32, F32]:
    """Maps of the convolution and the gradient of the margin there, both (N, h, w, C) float32.

    The one function that knows the backend.
    """
    import tensorflow as tf

    chosen = tf.one_hot(labels, two_parts.outputs[1].shape[-1])
    with tf.GradientTape() as tape:
        inputs = tf.convert_to_tensor(patches.astype(np.float32))
        tape.watch(inputs)  # without trainable weights nothing else would be on the tape
        maps, logits = two_parts(inputs, training=False)
        others = tf.reduce_logsumexp(tf.where(chosen > 0, -np.inf, logits), axis=1)
        margin = tf.reduce_sum(chosen * logits, axis=1) - others
    gradients = tape.gradient(margin, maps)
    return maps.numpy().astype(np.float32), gradients.numpy().astype(np.float32)
