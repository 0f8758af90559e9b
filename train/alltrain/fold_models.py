"""One model of a run: fitted or taken up, calibrated on its own validation patches, saved.

A fit, its repeats under other seeds and its twin on random folds all fit their models here, so that they
differ in nothing but what they say they differ in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from alledge.card import Card
from alltrain import run_folder, unfinished
from alltrain.calibration import Calibration, calibrate
from alltrain.datasets.dataset import PatchSet
from alltrain.distribution import Distribution
from alltrain.judging import card_with, positive_indices
from alltrain.plan import Plan, Settings
from alltrain.rehearsal import Rehearsal
from alltrain.run_folder import Course
from alltrain.tensorboard import Scalars, epoch_points
from alltrain.training import Fitted, Trainer, predict_logits

if TYPE_CHECKING:
    import keras


class Progress(Protocol):
    """Told how far a fit is. Stages come one after the other; `what` names one."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of this stage are over."""


def untold(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
    del what, done, total


@dataclass(frozen=True, eq=False)  # no slots: the trainer is made when it is first needed
class Job:
    """What every model of a run is fitted from, in the folder `out`."""

    patch_set: PatchSet
    out: Path
    settings: Settings
    plan: Plan
    progress: Progress
    rehearsal: Rehearsal | None
    distribution: Distribution
    tensorboard: bool

    @cached_property
    def trainer(self) -> Trainer:
        """Of all models; compiled, and rehearsed, when the first model is to be fitted."""
        recipe = self.settings.recipe
        return Trainer(
            len(self.patch_set.label_names),
            recipe,
            self.rehearsal,
            lambda done: self.progress("learning rendered cells", done, recipe.rehearsal_epochs),
            unfinished.rehearsal_checkpoint(self.out),
            self.distribution,
        )


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """One finished model of a run: its course, its calibration, and its card."""

    course: Course
    calibration: Calibration
    card: Card


def fit_or_take_up(job: Job, fold: int | None, blank: Card) -> FittedModel:
    """Fit and save one model, or read the one that an interrupted run has finished.

    fold: None for the model to ship. blank: card of all models of the run, as yet without calibration.
    """
    if run_folder.is_finished(job.out, fold):
        course = run_folder.read_course(job.out, fold)
    else:
        course = _fit_and_save(job, fold)
    splits, labels = job.plan.splits, job.patch_set.labels
    validates = splits.has_role("validation", fold)
    calibration = calibrate(course.logits[validates], labels[validates], positive_indices(job.patch_set))
    card = card_with(blank, calibration, job.patch_set.patches[splits.has_role("train", fold)])
    return FittedModel(course, calibration, card)


def _fit_and_save(job: Job, fold: int | None) -> Course:
    splits, recipe = job.plan.splits, job.settings.recipe
    what = "model to ship" if fold is None else f"fold {fold + 1} of {splits.n_folds}"
    # Each model starts from weights of its own; the one to ship from the seed itself.
    recipe = replace(recipe, seed=recipe.seed + (0 if fold is None else 1 + fold))
    checkpoint = unfinished.checkpoint_of(job.out, fold)
    takes_part = ~splits.has_role("test", fold)
    with _watched(job, fold) as callbacks:
        fitted = job.trainer.fit(
            job.patch_set.patches[takes_part],
            job.patch_set.labels[takes_part],
            splits.has_role("validation", fold)[takes_part],
            recipe,
            lambda done: job.progress(what, done, recipe.epochs),
            checkpoint=checkpoint,
            callbacks=callbacks,
        )
    job.progress(what, recipe.epochs, recipe.epochs)  # also when it stopped early
    course = _course_of(fitted, job.patch_set)
    run_folder.save_model(job.out, fold, fitted.model, course)
    checkpoint.remove()
    return course


@contextmanager
def _watched(job: Job, fold: int | None) -> Iterator[list["keras.callbacks.Callback"]]:
    """Callbacks that somebody asked for, as long as a model is fitted."""
    if not job.tensorboard:
        yield []
        return
    with Scalars(job.out, "shipped" if fold is None else f"fold_{fold}") as scalars:
        yield [epoch_points(scalars)]


def _course_of(fitted: Fitted, patch_set: PatchSet) -> Course:
    rows = [(e.train_loss, e.validation_loss, e.validation_accuracy) for e in fitted.epochs]
    logits = predict_logits(fitted.model, patch_set.patches)
    return Course(logits, np.array(rows, dtype=np.float64), fitted.best_epoch)
