"""One network fitted once: the recipe that every fold and the shipped model share.

AdamW with a cosine schedule, a little label smoothing, classes weighted to count alike, patches varied
anew in every epoch. Training stops when validation loss has not improved for `patience` epochs, and the
weights of the best epoch are kept. Nothing here knows what a test fold is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from alledge.types import F32, F64, I64, U8
from alltrain.augmentation import Augmentation, augment
from alltrain.backend import load_keras
from alltrain.models import MODELS

if TYPE_CHECKING:
    import keras

PREDICTION_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a network is fitted, beside the patches themselves.

    least_patches_an_epoch: a smaller study goes round several times, its patches varied anew each time.
    """

    model: str = "smearnet"
    epochs: int = 40
    least_patches_an_epoch: int = 512
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    label_smoothing: float = 0.05
    patience: int = 12
    seed: int = 0
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


def fit_network(
    patches: U8,
    labels: I64,
    is_validation: np.typing.NDArray[np.bool_],
    n_labels: int,
    recipe: Recipe,
    on_epoch: Callable[[int], None] | None = None,
) -> Fitted:
    """Fit one network on the patches that do not validate.

    Args:
        patches: (N, 50, 50, 3) uint8 RGB, training and validation patches together, no others.
        labels: (N,) int64.
        is_validation: (N,) bool.
        n_labels: number of logits.
        recipe: how to fit; the same recipe and patches give the same weights on the same machine.
        on_epoch: told the number of epochs done.
    """
    train, held = np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
    repeats = -(-recipe.least_patches_an_epoch // train.size)
    model = _compiled(n_labels, repeats * train.size, recipe)
    weights = class_weights(labels[train], n_labels)
    rng = np.random.default_rng(recipe.seed)
    course: list[Epoch] = []
    best_epoch, best_weights = 0, model.get_weights()
    for index in range(recipe.epochs):
        order = np.concatenate([rng.permutation(train) for _ in range(repeats)])
        train_loss = _run_epoch(model, patches, labels, order, weights, recipe, rng)
        loss, accuracy = evaluate(predict_logits(model, patches[held]), labels[held])
        course.append(Epoch(train_loss, loss, accuracy))
        if on_epoch is not None:
            on_epoch(index + 1)
        if loss <= min(epoch.validation_loss for epoch in course):
            best_epoch, best_weights = index, model.get_weights()
        if index - best_epoch >= recipe.patience:
            break
    model.set_weights(best_weights)
    return Fitted(model, tuple(course), best_epoch)


def _compiled(n_labels: int, n_shown: int, recipe: Recipe) -> "keras.Model":
    keras = load_keras()
    keras.utils.set_random_seed(recipe.seed)
    model = MODELS[recipe.model](n_labels)
    steps = recipe.epochs * -(-n_shown // recipe.batch_size)
    warm_up = steps // 20
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 10,
        steps - warm_up,
        alpha=0.1,
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up,
    )
    # jit_compile stays off: on two cores XLA makes an epoch twice as slow and costs seconds to compile.
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        jit_compile=False,
    )
    return model


def _run_epoch(
    model: "keras.Model",
    patches: U8,
    labels: I64,
    order: I64,
    weights: F64,
    recipe: Recipe,
    rng: np.random.Generator,
) -> float:
    """Go once through the training patches in the order given; mean loss of the batches."""
    one_hot = np.eye(weights.size, dtype=np.float32)
    losses = []
    for start in range(0, order.size, recipe.batch_size):
        batch = order[start : start + recipe.batch_size]
        truth = labels[batch]
        model.reset_metrics()  # Keras would otherwise answer with the mean of all batches so far
        loss = model.train_on_batch(
            augment(patches[batch], rng, recipe.augmentation),
            one_hot[truth],
            sample_weight=weights[truth].astype(np.float32),
        )
        losses.append(float(loss))
    return float(np.mean(losses))


def class_weights(labels: I64, n_labels: int) -> F64:
    """(n_labels,) weights that make every label count alike, one on average over the patches."""
    counts = np.bincount(labels, minlength=n_labels)
    return np.asarray(labels.size / (n_labels * np.maximum(counts, 1)), dtype=np.float64)


def predict_logits(model: "keras.Model", patches: U8) -> F32:
    """(N, L) float32 logits of (N, 50, 50, 3) uint8 RGB patches."""
    keras = load_keras()
    parts = []
    for start in range(0, len(patches), PREDICTION_BATCH):
        batch = patches[start : start + PREDICTION_BATCH]
        # One batch shape, padded, so that the backend traces the network once.
        padded = np.zeros((PREDICTION_BATCH, *batch.shape[1:]), dtype=np.float32)
        padded[: len(batch)] = batch
        parts.append(keras.ops.convert_to_numpy(model.predict_on_batch(padded))[: len(batch)])
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, model.output_shape[-1]), "f4")


def evaluate(logits: F32, labels: I64) -> tuple[float, float]:
    """Mean cross-entropy in nats, and accuracy of the largest logit. logits: (N, L); labels: (N,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -float(log_p[np.arange(labels.size), labels].mean())
    return loss, float((logits.argmax(axis=1) == labels).mean())
