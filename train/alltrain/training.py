"""One network fitted once: the recipe that every fold and the shipped model share.

AdamW with a cosine schedule, a little label smoothing, classes weighted to count alike, patches varied
anew each time they are shown. Training stops when validation loss has not improved for `patience` epochs,
and the weights of the best epoch are kept; the weights of an epoch are a running mean over its last
steps (averaging.py). Nothing here knows what a test fold is.

With a rehearsal (rehearsal.py) every fit starts from weights that have learnt rendered cells, goes on at
a gentler rate, keeps a share of every batch rendered, and ends between those weights and what it learnt.

What is shown comes from batches.py, the compiled graph from training_step.py, and checkpoint.py keeps
where a fit stands.
"""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from alledge.errors import RunUnusable
from alledge.types import F32, I64, U8
from alltrain.augmentation import Augmentation
from alltrain.averaging import STEPS_APART, RunningMean, Weights, between, share_of_study
from alltrain.backend import load_keras
from alltrain.checkpoint import Arrays, Checkpoint, Standing
from alltrain.distribution import ALONE, Distribution, share_numbers
from alltrain.models import MODELS
from alltrain.precision import FLOAT32
from alltrain.rehearsal import Rehearsal
from alltrain.sampling import class_weights

if TYPE_CHECKING:
    import keras

    from alltrain.batches import Shown
    from alltrain.training_step import TrainingStep

PREDICTION_BATCH: Final = 256  # fewer, and asking costs more than answering
_LOSS: Final = 1  # column of validation loss in a course


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a network is fitted, beside the patches themselves.

    epochs: few on purpose. Where validation can only hold out images of the slides trained on, its loss
    goes on falling long after an unseen slide has begun to suffer (docs/training.md).
    least_patches_an_epoch: a smaller study goes round several times, its patches varied anew each time.
    learning_rate: at its peak. rehearsed_learning_rate: the same when training starts on rendered cells.
    rehearsal_fields: phantom fields to render, 0 for none. rehearsal_epochs: on them alone, to start with.
    rehearsal_share: of every later batch. rehearsal_worth: real patches that the rehearsal counts as when
    its weights and the fitted ones are averaged, 0 to keep the fitted ones; rehearsed_patches_an_epoch: as
    least_patches_an_epoch, after a rehearsal. averaging: momentum of the running mean of weights, 0 for none.
    precision: of the arithmetic, as `settle_precision` gives it.
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
    rehearsal_epochs: int = 8
    rehearsal_share: float = 0.5
    rehearsal_worth: float = 200.0
    rehearsed_learning_rate: float = 2e-4
    rehearsed_patches_an_epoch: int = 512
    averaging: float = 0.99
    precision: str = FLOAT32
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
class _Course:
    """One course of training: what is shown, for how long, how fast, and what judges it.

    held: patches and labels to validate on; None where nothing validates, then the last weights are kept.
    """

    main: "Shown"
    beside: "Shown | None"
    n_epochs: int
    n_batches: int
    peak: float
    recipe: Recipe
    held: tuple[U8, I64] | None = None
    checkpoint: Checkpoint | None = None
    on_epoch: Callable[[int], None] | None = None
    callbacks: Sequence["keras.callbacks.Callback"] = ()


class Trainer:
    """Fits networks of one kind, one after the other, on one compiled graph.

    rehearsal: rendered cells to start from and to keep seeing; learnt here, once for all fits.
    on_epoch: told the number of rehearsal epochs done. checkpoint: where the rehearsal stands.
    distribution: the replicas that train together; patches and recipe are the same at all of them.
    """

    def __init__(
        self,
        n_labels: int,
        recipe: Recipe,
        rehearsal: Rehearsal | None = None,
        on_epoch: Callable[[int], None] | None = None,
        checkpoint: Checkpoint | None = None,
        distribution: Distribution = ALONE,
    ) -> None:
        load_keras()
        from alltrain.training_step import TrainingStep

        self._build = MODELS[recipe.model]
        self._n_labels = n_labels
        self._distribution = distribution
        with distribution.scope():
            self._step = TrainingStep(
                self._build(n_labels),
                recipe.batch_size,
                recipe.augmentation,
                weight_decay=recipe.weight_decay,
                label_smoothing=recipe.label_smoothing,
                precision=recipe.precision,
            )
        self._rendered: Rehearsal | None = None
        self._rehearsed_weights: Arrays | None = None
        if rehearsal is not None:
            self._rehearse(rehearsal, recipe, on_epoch, checkpoint)

    def fit(
        self,
        patches: U8,
        labels: I64,
        is_validation: npt.NDArray[np.bool_],
        recipe: Recipe,
        on_epoch: Callable[[int], None] | None = None,
        *,
        checkpoint: Checkpoint | None = None,
        callbacks: Sequence["keras.callbacks.Callback"] = (),
    ) -> Fitted:
        """Fit one network on the patches that do not validate.

        Args:
            patches: (N, 50, 50, 3) uint8 RGB, training and validation patches together, no others.
            labels: (N,) int64.
            is_validation: (N,) bool.
            recipe: how to fit; the same recipe and patches give the same weights on the same machine.
            on_epoch: told the number of epochs done.
            checkpoint: where this fit stands; it goes on from there, and keeps each epoch there.
            callbacks: Keras callbacks, called as in `keras.Model.fit`.

        Raises:
            RunUnusable: the checkpoint is damaged. StorageFailed: it cannot be written.
        """
        train, held = np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
        n_rendered = round(recipe.rehearsal_share * recipe.batch_size) if self._rendered else 0
        n_real = recipe.batch_size - n_rendered
        least = recipe.rehearsed_patches_an_epoch if self._rendered else recipe.least_patches_an_epoch
        course = _Course(
            self._shown(patches, labels, train, n_real),
            self._all_shown(self._rendered, n_rendered) if self._rendered else None,
            recipe.epochs,
            _whole_executions(max(least, train.size), n_real),
            recipe.rehearsed_learning_rate if self._rendered else recipe.learning_rate,
            recipe,
            (patches[held], labels[held]),
            checkpoint,
            on_epoch,
            callbacks,
        )
        model = self._new_network(recipe.seed)
        standing = self._run(course, self._rehearsed_weights or tuple(model.get_weights()))
        epochs = tuple(Epoch(*map(float, row)) for row in standing.course)
        weights = standing.best
        if self._rehearsed_weights is not None:
            share = share_of_study(train.size, recipe.rehearsal_worth)
            weights = between(_as_weights(self._rehearsed_weights), _as_weights(weights), share)
        model.set_weights(weights)
        return Fitted(model, epochs, standing.best_epoch)

    def _rehearse(
        self,
        rehearsal: Rehearsal,
        recipe: Recipe,
        on_epoch: Callable[[int], None] | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Learn the rendered cells alone; every later fit starts from these weights."""
        course = _Course(
            self._all_shown(rehearsal, recipe.batch_size),
            None,
            recipe.rehearsal_epochs,
            _whole_executions(rehearsal.labels.size, recipe.batch_size),
            recipe.learning_rate,
            recipe,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
        )
        start = tuple(self._new_network(recipe.seed).get_weights())
        self._rendered, self._rehearsed_weights = rehearsal, self._run(course, start).best

    def _run(self, course: _Course, weights: Arrays) -> Standing:
        """Go through a course from these weights, or from where its checkpoint stands."""
        keras = load_keras()
        from alltrain.batches import Batches

        standing = self._start(course, weights)
        done = len(standing.course)
        if done == course.n_epochs or _has_stalled(standing, course):
            return standing
        watch = _Watch(self._step, course, standing, self._distribution)
        batches = Batches(
            course.main,
            course.beside,
            n_batches=course.n_batches,
            epochs=range(done, course.n_epochs),
            seed=course.recipe.seed,
            augmentation=course.recipe.augmentation,
        )
        self._distribution.fit(
            self._step.model,
            batches,
            epochs=range(done, course.n_epochs),
            n_batches=course.n_batches,
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_epoch_end=watch.after_epoch, on_train_batch_end=watch.after_batch
                ),
                *course.callbacks,
            ],
        )
        return watch.standing

    def _start(self, course: _Course, weights: Arrays) -> Standing:
        """Where the checkpoint stands, or the beginning: these weights."""
        self._step.start(weights, course.peak, course.n_epochs * course.n_batches)
        found = course.checkpoint.read() if course.checkpoint else None
        if found is None:
            return Standing(np.empty((0, 3)), self._step.variables(), 0, weights, weights)
        try:
            self._step.restore(found.variables)
        except ValueError as error:
            raise RunUnusable(
                "A checkpoint is of another network.", "Remove it; its model is fitted anew."
            ) from error
        return found

    def _shown(self, patches: U8, labels: I64, indices: I64, n_a_batch: int) -> "Shown":
        from alltrain.batches import Shown

        return Shown(patches, labels, indices, class_weights(labels[indices], self._n_labels), n_a_batch)

    def _all_shown(self, rendered: Rehearsal, n_a_batch: int) -> "Shown":
        return self._shown(rendered.patches, rendered.labels, np.arange(rendered.labels.size), n_a_batch)

    def _new_network(self, seed: int) -> "keras.Model":
        """A network with the weights that this seed gives it."""
        load_keras().utils.set_random_seed(seed)
        return self._build(self._n_labels)


class _Watch:
    """Averages weights, validates after every epoch, keeps the best, and writes down where the fit stands."""

    def __init__(
        self, step: "TrainingStep", course: _Course, standing: Standing, distribution: Distribution
    ) -> None:
        self._step, self._course, self.standing = step, course, standing
        self._distribution = distribution
        self._mean = RunningMean(_as_weights(standing.mean), course.recipe.averaging)

    def after_batch(self, batch: int, logs: object) -> None:
        """Called by Keras after one batch or several, with the number of the last; takes in the weights."""
        del logs
        n_steps = len(self.standing.course) * self._course.n_batches + batch + 1
        if n_steps % STEPS_APART == 0:
            self._mean.add(self._step.network.get_weights(), n_steps)

    def after_epoch(self, epoch: int, logs: MutableMapping[str, float]) -> None:
        """Called by Keras with the mean training loss; ends the training when nothing improves.

        Adds what validation found to the logs, under Keras' own names, for the callbacks that come after.
        """
        course, before = self._course, self.standing
        # All workers go by what the chief found: machines may differ in the last digit, and all must stop
        # at the same epoch.
        loss, accuracy = share_numbers(self._distribution, self._validate())
        logs.update(val_loss=loss, val_accuracy=accuracy)
        rows = np.vstack([before.course, [float(logs["loss"]), loss, accuracy]])
        is_best = course.held is None or loss <= rows[:, _LOSS].min()
        self.standing = Standing(
            rows,
            self._step.variables(),
            epoch if is_best else before.best_epoch,
            self._mean.weights if is_best else before.best,
            self._mean.weights,
        )
        if course.checkpoint is not None:
            course.checkpoint.write(self.standing)
        if course.on_epoch is not None:
            course.on_epoch(epoch + 1)
        self._step.model.stop_training = _has_stalled(self.standing, course)

    def _validate(self) -> tuple[float, float]:
        if self._course.held is None:
            return np.nan, np.nan
        patches, labels = self._course.held
        network = self._step.network
        current = network.get_weights()
        network.set_weights(self._mean.weights)
        found = evaluate(predict_logits(network, patches), labels)
        network.set_weights(current)
        return found


def _as_weights(arrays: Arrays) -> Weights:
    return tuple(np.asarray(array, dtype=np.float32) for array in arrays)


def _has_stalled(standing: Standing, course: _Course) -> bool:
    """Whether the last `patience` epochs brought nothing better."""
    if course.held is None:
        return False
    return len(standing.course) - 1 - standing.best_epoch >= course.recipe.patience


def _whole_executions(n_patches: int, n_a_batch: int) -> int:
    """Batches of an epoch: enough for all patches, in whole executions of the graph."""
    from alltrain.training_step import STEPS_AT_ONCE

    return -(-n_patches // (n_a_batch * STEPS_AT_ONCE)) * STEPS_AT_ONCE


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
