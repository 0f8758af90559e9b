"""Our own networks as rows of the table: fitted by the Trainer that `alltrain fit` uses, on its seeds.

So the row of smearnet is what `alltrain fit` with the same seed and folds reports, and the row of the seed
network shows what our recipe alone is worth.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from alledge.calls import probabilities
from alledge.types import F64, U8
from alltrain.datasets.dataset import PatchSet
from alltrain.literature.system import FittedSystem, System, TrainingSide
from alltrain.models import MODELS, count_macs
from alltrain.rehearsal import N_FIELDS, can_rehearse, render_rehearsal
from alltrain.training import Recipe, Trainer, predict_logits
from alltrain.variety import suited

if TYPE_CHECKING:
    import keras

SMEARNET: Final = "smearnet"
SEED: Final = "seed"


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """A fitted network of ours."""

    model: "keras.Model"
    n_parameters: int | None
    macs: int | None

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        """Softmax of the logits; (N, L) float64."""
        del morphology
        return probabilities(predict_logits(self.model, patches), 1.0)


@dataclass(slots=True)
class _Fitter:
    """Fits one of our networks fold by fold; compiled, and rehearsed on rendered cells, only once."""

    recipe: Recipe
    _trainer: Trainer | None = field(default=None, init=False)
    _made_for: tuple[object, ...] = field(default=(), init=False)

    def __call__(self, side: TrainingSide) -> FittedSystem:
        """Fit on one training side; see `System.fit`."""
        epochs = self.recipe.epochs if side.epochs is None else side.epochs
        recipe = suited(replace(self.recipe, epochs=epochs, seed=side.seed), side.n_groups)
        made_for = (recipe, side.label_names, side.positive, side.is_phantom)
        if self._trainer is None or self._made_for != made_for:
            self._trainer, self._made_for = _trainer(recipe, side), made_for
        fitted = self._trainer.fit(
            side.patches,
            side.labels,
            side.is_validation,
            replace(recipe, seed=side.seed + 1 + side.fold),  # the seeds of alltrain.fit
            lambda done: side.tell(done, epochs),
        )
        side.tell(epochs, epochs)
        return _Fitted(fitted.model, int(fitted.model.count_params()), count_macs(fitted.model))


def _trainer(recipe: Recipe, side: TrainingSide) -> Trainer:
    study = _as_patch_set(side)
    if recipe.rehearsal_fields == 0 or not can_rehearse(study):
        return Trainer(side.n_labels, recipe)
    return Trainer(side.n_labels, recipe, render_rehearsal(study, recipe.rehearsal_fields, _untold))


def _untold(done: int, of: int) -> None:
    """Progress of rendering, seconds long, that nobody watches."""
    del done, of


def _as_patch_set(side: TrainingSide) -> PatchSet:
    """The training side as a study, so that what may be rehearsed is decided where `fit` decides it."""
    n = len(side.patches)
    nameless = tuple(str(index) for index in range(n))
    return PatchSet(
        patches=side.patches,
        labels=side.labels,
        label_names=side.label_names,
        positive_labels=tuple(side.label_names[index] for index in side.positive),
        groups=nameless,
        patch_ids=nameless,
        sources=nameless,
        layout="a training side",
        grouped=False,
        is_phantom=side.is_phantom,
        morphology=np.asarray(side.morphology, dtype=np.float64),
    )


def _fitting(recipe: Recipe) -> Callable[[TrainingSide], FittedSystem]:
    assert recipe.model in MODELS
    return _Fitter(recipe)


def our_systems() -> tuple[System, ...]:
    """Both of our networks, smearnet and seed, under our recipe, ready to be fitted once each."""
    return (
        System(
            key=SMEARNET,
            title="smearnet (ours)",
            kind="network",
            claim=None,
            description="The default network of this project under its own recipe: rehearsal on rendered"
            " cells where the labels allow it, stain and optics augmentation, early stopping.",
            choices=("The row that all others are compared with, fitted as `alltrain fit` fits it.",),
            fit=_fitting(Recipe(model=SMEARNET, rehearsal_fields=N_FIELDS)),
        ),
        System(
            key=SEED,
            title="seed network, our recipe",
            kind="network",
            claim=None,
            description="The layers of Thanh et al. 2017 fitted with our recipe instead of a plain one, as"
            " `alltrain fit --model seed` does.",
            choices=("No rehearsal on rendered cells, which it has only on request.",),
            fit=_fitting(Recipe(model=SEED)),
        ),
    )
