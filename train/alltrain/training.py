"""One network fitted once: the recipe that every fold and the shipped model share.

AdamW with a cosine schedule, a little label smoothing, classes weighted to count alike, patches varied
anew each time they are shown. Training stops when validation loss has not improved for `patience` epochs,
and the weights of the best epoch are kept. Nothing here knows what a test fold is.

With a rehearsal (rehearsal.py) every fit starts from weights that have learnt rendered cells, goes on at
a gentler rate, and keeps a share of every batch rendered.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, pi
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from alledge.types import F32, F64, I64, U8
from alltrain.augmentation import Augmentation, augment
from alltrain.backend import load_keras
from alltrain.models import MODELS
from alltrain.rehearsal import Rehearsal

if TYPE_CHECKING:
    import keras

PREDICTION_BATCH: Final = 128
_WARM_UP_SHARE: Final = 0.05
_LAST_RATE: Final = 0.05  # of the peak


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a network is fitted, beside the patches themselves.

    epochs: few on purpose. Where validation can only hold out images of the slides trained on, its loss
    goes on falling long after an unseen slide has begun to suffer (docs/training.md).
    least_patches_an_epoch: a smaller study goes round several times, its patches varied anew each time.
    learning_rate: at its peak. rehearsed_learning_rate: the same when training starts on rendered cells.
    rehearsal_fields: phantom fields to render, 0 for none. rehearsal_epochs: on them alone, to start with.
    rehearsal_share: of every later batch.
    """

    model: str = "smearnet"
    epochs: int = 16
    least_patches_an_epoch: int = 512
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    label_smoothing: float = 0.05
    patience: int = 6
    seed: int = 0
    rehearsal_fields: int = 0
    rehearsal_epochs: int = 15
    rehearsal_share: float = 0.25
    rehearsed_learning_rate: float = 2e-4
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch left behind: losses in nats a patch, validation accuracy as a share."""

    train_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted network and its course. best_epoch: index into epochs whose weights the model holds."""

    model: "keras.Model"
    epochs: tuple[Epoch, ...]
    best_epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """Patches that a network is shown, and what weight each label has among them."""

    patches: U8
    labels: I64
    indices: I64
    class_weight: F64

    def at(self, batch: I64) -> "_Shown":
        """The patches at these indices."""
        return _Shown(self.patches[batch], self.labels[batch], batch, self.class_weight)


class Trainer:
    """Fits networks of one kind, one after the other.

    Keras takes seconds to compile a training step, and the step is the same for every fold. So it is
    compiled once here, and each fit starts it anew with its own weights and an empty optimiser.

    rehearsal: rendered cells to start from and to keep seeing; learnt here, once for all fits.
    on_epoch: told the number of rehearsal epochs done.
    """

    def __init__(
        self,
        n_labels: int,
        recipe: Recipe,
        rehearsal: Rehearsal | None = None,
        on_epoch: Callable[[int], None] | None = None,
    ) -> None:
        keras = load_keras()
        self._build = MODELS[recipe.model]
        self._n_labels = n_labels
        self._network = self._build(n_labels)
        # jit_compile stays off: on two cores XLA makes an epoch twice as slow and takes seconds to compile.
        self._network.compile(
            optimizer=keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay),
            loss=keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=recipe.label_smoothing
            ),
            jit_compile=False,
        )
        self._network.optimizer.build(self._network.trainable_variables)
        self._rendered: _Shown | None = None
        self._rehearsed_weights: list[npt.NDArray[np.float32]] | None = None
        if rehearsal is not None:
            self._rehearse(rehearsal, recipe, on_epoch)

    def fit(
        self,
        patches: U8,
        labels: I64,
        is_validation: npt.NDArray[np.bool_],
        recipe: Recipe,
        on_epoch: Callable[[int], None] | None = None,
    ) -> Fitted:
        """Fit one network on the patches that do not validate.

        Args:
            patches: (N, 50, 50, 3) uint8 RGB, training and validation patches together, no others.
            labels: (N,) int64.
            is_validation: (N,) bool.
            recipe: how to fit; the same recipe and patches give the same weights on the same machine.
            on_epoch: told the number of epochs done.
        """
        train, held = np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
        self._start_anew(recipe.seed)
        real = _Shown(patches, labels, train, class_weights(labels[train], self._n_labels))
        rng = np.random.default_rng(recipe.seed)
        n_rendered = round(recipe.rehearsal_share * recipe.batch_size) if self._rendered else 0
        n_real = recipe.batch_size - n_rendered
        n_batches = -(-max(recipe.least_patches_an_epoch, train.size) // n_real)
        peak = recipe.rehearsed_learning_rate if self._rendered else recipe.learning_rate
        course: list[Epoch] = []
        best_epoch, best_weights = 0, self._network.get_weights()
        for index in range(recipe.epochs):
            losses = []
            for number, batch in enumerate(shuffled_batches(train, n_batches, n_real, rng)):
                rate = learning_rate_at(index * n_batches + number, recipe.epochs * n_batches, peak)
                shown = [real.at(batch)]
                if self._rendered is not None:
                    shown.append(self._rendered.at(rng.choice(self._rendered.indices, n_rendered)))
                losses.append(self._step(shown, rng, recipe, rate))
            loss, accuracy = evaluate(predict_logits(self._network, patches[held]), labels[held])
            course.append(Epoch(float(np.mean(losses)), loss, accuracy))
            if on_epoch is not None:
                on_epoch(index + 1)
            if loss <= min(epoch.validation_loss for epoch in course):
                best_epoch, best_weights = index, self._network.get_weights()
            if index - best_epoch >= recipe.patience:
                break
        return Fitted(self._with_weights(best_weights), tuple(course), best_epoch)

    def _rehearse(self, rehearsal: Rehearsal, recipe: Recipe, on_epoch: Callable[[int], None] | None) -> None:
        """Learn the rendered cells alone; every later fit starts from these weights."""
        indices = np.arange(rehearsal.labels.size)
        rendered = _Shown(
            rehearsal.patches, rehearsal.labels, indices, class_weights(rehearsal.labels, self._n_labels)
        )
        self._start_anew(recipe.seed)
        rng = np.random.default_rng(recipe.seed)
        n_batches = -(-indices.size // recipe.batch_size)
        for index in range(recipe.rehearsal_epochs):
            for number, batch in enumerate(shuffled_batches(indices, n_batches, recipe.batch_size, rng)):
                step, n_steps = index * n_batches + number, recipe.rehearsal_epochs * n_batches
                rate = learning_rate_at(step, n_steps, recipe.learning_rate)
                self._step([rendered.at(batch)], rng, recipe, rate)
            if on_epoch is not None:
                on_epoch(index + 1)
        self._rendered, self._rehearsed_weights = rendered, self._network.get_weights()

    def _start_anew(self, seed: int) -> None:
        load_keras().utils.set_random_seed(seed)
        weights = self._rehearsed_weights or self._build(self._n_labels).get_weights()
        self._network.set_weights(weights)
        for variable in self._network.optimizer.variables:
            variable.assign(np.zeros(variable.shape))

    def _step(self, shown: "list[_Shown]", rng: np.random.Generator, recipe: Recipe, rate: float) -> float:
        """One step of the optimiser on patches varied anew; loss of the batch."""
        self._network.optimizer.learning_rate = rate
        self._network.reset_metrics()  # Keras would otherwise answer with the mean of all batches so far
        varied = augment(np.concatenate([part.patches for part in shown]), rng, recipe.augmentation)
        one_hot = np.eye(self._n_labels, dtype=np.float32)[np.concatenate([part.labels for part in shown])]
        weight = np.concatenate([part.class_weight[part.labels] for part in shown]).astype(np.float32)
        return float(self._network.train_on_batch(varied, one_hot, sample_weight=weight))

    def _with_weights(self, weights: list[npt.NDArray[np.float32]]) -> "keras.Model":
        model = self._build(self._n_labels)
        model.set_weights(weights)
        return model


def learning_rate_at(step: int, n_steps: int, peak: float) -> float:
    """Linear warm-up over the first steps, then half a cosine down to a small share of the peak.

    Source: I. Loshchilov, F. Hutter, SGDR, ICLR 2017; without restarts.
    """
    n_warm_up = max(1, round(_WARM_UP_SHARE * n_steps))
    if step < n_warm_up:
        return peak * (step + 1) / n_warm_up
    progress = (step - n_warm_up) / max(1, n_steps - n_warm_up)
    return peak * (_LAST_RATE + (1 - _LAST_RATE) * (1 + cos(pi * progress)) / 2)


def shuffled_batches(indices: I64, n_batches: int, batch_size: int, rng: np.random.Generator) -> I64:
    """(n_batches, batch_size) of the indices, all shown equally often (to one), each round shuffled anew.

    Every batch is full: a batch of another size would make the backend compile the step again.
    """
    n_rounds = -(-n_batches * batch_size // indices.size)
    rounds = np.concatenate([rng.permutation(indices) for _ in range(n_rounds)])
    return rounds[: n_batches * batch_size].reshape(n_batches, batch_size)


def class_weights(labels: I64, n_labels: int) -> F64:
    """(n_labels,) weights that make every label count alike, one on average over the patches."""
    counts = np.bincount(labels, minlength=n_labels)
    return np.asarray(labels.size / (n_labels * np.maximum(counts, 1)), dtype=np.float64)


def predict_logits(model: "keras.Model", patches: U8) -> F32:
    """(N, L) float32 logits of (N, 50, 50, 3) uint8 RGB patches."""
    keras = load_keras()
    logits = np.zeros((len(patches), model.output_shape[-1]), dtype=np.float32)
    for start in range(0, len(patches), PREDICTION_BATCH):
        batch = slice(start, start + PREDICTION_BATCH)
        # Called, not `predict`ed: nothing is compiled, which for a few hundred patches takes longest.
        answer = model(patches[batch].astype(np.float32), training=False)
        logits[batch] = keras.ops.convert_to_numpy(answer)
    return logits


def evaluate(logits: F32, labels: I64) -> tuple[float, float]:
    """Mean cross-entropy in nats, and accuracy of the largest logit. logits: (N, L); labels: (N,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -float(log_p[np.arange(labels.size), labels].mean())
    return loss, float((logits.argmax(axis=1) == labels).mean())
