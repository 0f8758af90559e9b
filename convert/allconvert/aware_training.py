"""Quantisation-aware fine-tuning: a few epochs in which the float network feels what int8 will do to it.

In the forward pass weights and activations are rounded as int8 rounds them, in the backward pass the
rounding is passed by (B. Jacob et al., CVPR 2018, section 3; Y. Bengio et al., arXiv:1308.3432). Weights
drift to where rounding does little harm. The run's own recipe goes on, at a tenth of its rate, on the
training patches of that network alone; the epoch with the least validation loss is kept. What comes out is
a float network again, quantised like any other.
"""

import json
from dataclasses import fields
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from allconvert.subject import FloatNetwork, Subject
from alledge.errors import FidelityRefused
from alledge.types import F32
from alltrain.augmentation import Augmentation
from alltrain.backend import load_keras
from alltrain.run_folder import CONFIG, Run
from alltrain.run_record import as_map
from alltrain.sampling import class_weights
from alltrain.training import Recipe, evaluate, predict_logits

if TYPE_CHECKING:
    import keras

EPOCHS: Final = 3
RATE_SHARE: Final = 0.1  # of the recipe's learning rate
PATCHES_AN_EPOCH: Final = (512, 2048)  # at least, at most


def fine_tuned(subject: Subject) -> FloatNetwork:
    """The network of a subject after fine-tuning; the same patches and seed give the same weights.

    Raises FidelityRefused when the network is no chain of layers, or none of them can be made aware.
    """
    from alltrain.batches import Batches, Shown
    from alltrain.training_step import STEPS_AT_ONCE, TrainingStep

    keras = load_keras()
    recipe = recipe_of(subject.run)
    keras.utils.set_random_seed(recipe.seed)
    start = subject.equalised
    aware = _aware(start)
    step = TrainingStep(
        aware,
        recipe.batch_size,
        recipe.augmentation,
        weight_decay=recipe.weight_decay,
        label_smoothing=recipe.label_smoothing,
    )
    rows = np.flatnonzero(subject.training)
    least, most = PATCHES_AN_EPOCH
    n_batches = STEPS_AT_ONCE * ceil(min(max(least, rows.size), most) / recipe.batch_size / STEPS_AT_ONCE)
    step.start(aware.get_weights(), RATE_SHARE * recipe.learning_rate, EPOCHS * n_batches)
    weight = class_weights(subject.run.labels[rows], len(subject.card.labels))
    shown = Shown(subject.run.patches, subject.run.labels, rows, weight, recipe.batch_size)
    best = _Best(subject, aware)
    for epoch in range(EPOCHS):
        batches = Batches(
            shown,
            None,
            n_batches=n_batches,
            epochs=range(epoch, epoch + 1),
            seed=recipe.seed,
            augmentation=recipe.augmentation,
        )
        step.model.fit(batches, epochs=1, shuffle=False, verbose=0)
        best.look()
    return subject.with_weights(best.weights, start.logit_shift)


class _Best:
    """The weights with the least validation loss so far, under fake quantisation; the first are as found."""

    def __init__(self, subject: Subject, aware: "keras.Model") -> None:
        self._patches = subject.run.patches[subject.validation]
        self._labels = subject.run.labels[subject.validation]
        self._aware = aware
        self.loss = float("inf")
        self.weights: list[F32] = []
        self.look()

    def look(self) -> None:
        """Keep the weights when they are better than all before."""
        loss = evaluate(predict_logits(self._aware, self._patches), self._labels)[0]
        if loss < self.loss or not self.weights:
            self.loss, self.weights = loss, self._aware.get_weights()


def _aware(network: FloatNetwork) -> "keras.Model":
    """The network with convolutions that round as int8 does, from grey levels; weights in the same order."""
    from allconvert.fake_quantisation import AwareConvolution

    keras = load_keras()
    model = network.rewritten.model
    if not isinstance(model, keras.Sequential):
        raise FidelityRefused(
            "Fine-tuning knows chains of layers only, and this network is none.", "Use a keras.Sequential."
        )
    stack = [
        keras.Input(model.input_shape[1:]),
        keras.layers.Rescaling(1.0, offset=network.rewritten.offset),
    ]
    n_aware = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        kind = AwareConvolution if type(layer) is keras.layers.Conv2D else type(layer)
        n_aware += kind is AwareConvolution
        config = layer.get_config()
        if hasattr(layer, "activation"):
            config["activation"] = layer.activation
        stack.append(kind.from_config(config))
    if not n_aware:
        raise FidelityRefused("Fine-tuning finds no convolution.", "Use a network of convolutions.")
    aware = keras.Sequential(stack, name=model.name)
    aware.set_weights(model.get_weights())
    return aware


def recipe_of(run: Run) -> Recipe:
    """How the run was fitted, as its config.json tells it; what it lacks is as the recipe has it today."""
    told = as_map(as_map(json.loads((run.path / CONFIG).read_text(encoding="utf-8"))).get("recipe"))
    varied = as_map(told.get("augmentation"))
    how = {one.name: varied[one.name] for one in fields(Augmentation) if one.name in varied}
    kept = {
        one.name: told[one.name]
        for one in fields(Recipe)
        if one.name in ("batch_size", "learning_rate", "weight_decay", "label_smoothing", "seed")
        and one.name in told
    }
    return Recipe(**kept, augmentation=Augmentation(**how))  # type: ignore[arg-type]
