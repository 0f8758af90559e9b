"""A network of the literature fitted the plain way: its own optimiser and epochs, nothing of ours.

Our recipe (rehearsal on rendered cells, stain augmentation, schedules) is part of what is being compared,
so it stays out of here. What every network is given beyond its paper is the weights of its best
validation epoch and labels that weigh alike: papers that stop after a fixed number of epochs, or had as
many images of each label, are not made worse for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from alledge.calls import probabilities
from alledge.types import F64, I64, U8
from alltrain.backend import load_keras
from alltrain.literature.system import FittedSystem, TrainingSide
from alltrain.models import count_macs
from alltrain.sampling import class_weights
from alltrain.training import evaluate, predict_logits

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class NetworkRecipe:
    """How one network is fitted.

    build: from what a training side holds to a network of logits. epochs: at most; `patience` epochs
    without a lower validation loss end it. least_patches_an_epoch: a smaller study goes round several
    times. varies: each patch is mirrored and turned by right angles at random when shown.
    prepare: what is done to patches before the network sees them, the same in training and use.
    """

    build: Callable[[TrainingSide], "keras.Model"]
    epochs: int
    learning_rate: float
    optimiser: Literal["adam", "sgd"] = "adam"
    batch_size: int = 32
    patience: int = 8
    least_patches_an_epoch: int = 512
    varies: bool = False
    prepare: Callable[[U8], U8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork:
    """A fitted network as a system of the table."""

    model: "keras.Model"
    prepare: Callable[[U8], U8] | None
    n_parameters: int | None
    macs: int | None

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        """Softmax of the logits; (N, L) float64."""
        del morphology
        shown = patches if self.prepare is None else self.prepare(patches)
        return probabilities(predict_logits(self.model, shown), 1.0)


def fitting(recipe: NetworkRecipe) -> Callable[[TrainingSide], FittedSystem]:
    """`System.fit` of a network with this recipe."""

    def fit(side: TrainingSide) -> FittedSystem:
        return fit_network(recipe, side)

    return fit


def fit_network(recipe: NetworkRecipe, side: TrainingSide) -> FittedNetwork:
    """Fit one network on the patches that do not validate; keep the weights of its best epoch.

    The same side, recipe and seed give the same weights on the same machine.
    """
    keras = load_keras()
    # Graphs and optimisers of the networks before: fifteen rows grew to 4 GB, a workstation's all.
    keras.utils.clear_session()
    keras.utils.set_random_seed(side.seed + 1 + side.fold)
    rng = np.random.default_rng([side.seed, side.fold])
    patches = side.patches if recipe.prepare is None else recipe.prepare(side.patches)
    model = recipe.build(side)
    model.compile(
        optimizer=_optimiser(recipe),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # on two cores XLA is slower, and takes seconds to compile
    )
    train, held = np.flatnonzero(~side.is_validation), np.flatnonzero(side.is_validation)
    n_epochs = recipe.epochs if side.epochs is None else side.epochs
    weight = class_weights(side.labels[train], side.n_labels).astype(np.float32)
    best_loss, best_epoch, best_weights = np.inf, 0, model.get_weights()
    for epoch in range(n_epochs):
        for batch in _batches(train, recipe, rng):
            shown = turn(patches[batch], rng) if recipe.varies else patches[batch]
            labels = side.labels[batch]
            model.train_on_batch(shown.astype(np.float32), labels, sample_weight=weight[labels])
        loss, _ = evaluate(predict_logits(model, patches[held]), side.labels[held])
        side.tell(epoch + 1, n_epochs)
        if loss < best_loss:
            best_loss, best_epoch, best_weights = loss, epoch, model.get_weights()
        if epoch - best_epoch >= recipe.patience:
            break
    model.set_weights(best_weights)
    side.tell(n_epochs, n_epochs)
    return FittedNetwork(model, recipe.prepare, int(model.count_params()), count_macs(model))


def _optimiser(recipe: NetworkRecipe) -> "keras.Optimizer":
    keras = load_keras()
    if recipe.optimiser == "sgd":
        return keras.optimizers.SGD(recipe.learning_rate, momentum=0.9)
    return keras.optimizers.Adam(recipe.learning_rate)


def _batches(train: I64, recipe: NetworkRecipe, rng: np.random.Generator) -> I64:
    """(B, batch_size) indices of one epoch: all shown equally often, to one, each round shuffled anew."""
    n_shown = max(recipe.least_patches_an_epoch, train.size)
    n_batches = -(-n_shown // recipe.batch_size)
    n_rounds = -(-n_batches * recipe.batch_size // train.size)
    rounds = np.concatenate([rng.permutation(train) for _ in range(n_rounds)])
    return np.asarray(rounds[: n_batches * recipe.batch_size].reshape(n_batches, recipe.batch_size))


_TURNS: Final = 8  # of a square: four right angles, each mirrored or not


def turn(patches: U8, rng: np.random.Generator) -> U8:
    """Each patch in one of its eight positions at random; (N, S, S, 3) uint8 in and out."""
    turned = np.empty_like(patches)
    for index, which in enumerate(rng.integers(0, _TURNS, len(patches))):
        patch = np.rot90(patches[index], which % 4)
        turned[index] = patch[:, ::-1] if which >= 4 else patch
    return turned
