"""`alltrain fit`: from labelled patches to a RUN folder, in steps that read top to bottom.

Plan the splits; fit one network a fold and one to ship, each calibrated on its own validation patches;
judge every patch by the model that held it out; write the figures and draw the report. Each finished
model is saved at once and each epoch of an unfinished one kept, so that an interrupted run goes on where
it stopped and ends as if it had not.
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
from alltrain.audit.audit import Audit
from alltrain.calibration import calibrate
from alltrain.datasets.dataset import PatchSet, fingerprint
from alltrain.distribution import ALONE, Distribution, require_same_data
from alltrain.examination import examine
from alltrain.judging import blank_card, card_with, judge, judge_out_of_fold, positive_indices
from alltrain.metrics import Figure, interval_notes
from alltrain.plan import Plan, Settings, describe, model_name, plan_splits
from alltrain.provenance import describe_start, write_start
from alltrain.rehearsal import Rehearsal, can_rehearse, rehearsal_note, render_rehearsal
from alltrain.results import FittedModel, Results, write_results
from alltrain.run_folder import Course
from alltrain.tensorboard import Scalars, epoch_points, require_tensorboard
from alltrain.training import Fitted, Trainer, predict_logits

if TYPE_CHECKING:
    import keras


class Progress(Protocol):
    """Told how far a fit is. Stages come one after the other; `what` names one."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of this stage are over."""


def _untold(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
    del what, done, total


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A finished fit: the folder, its figures, and what a reader must know."""

    out: Path
    figures: dict[str, Figure]
    notes: tuple[str, ...]
    n_folds: int


@dataclass(frozen=True, eq=False)  # no slots: the trainer is made when it is first needed
class _Job:
    """One call of `fit`: what every step of it needs."""

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


def fit(
    patch_set: PatchSet,
    out: Path,
    settings: Settings,
    resume: bool = False,
    progress: Progress = _untold,
    audit: Audit | None = None,
    distribution: Distribution = ALONE,
    tensorboard: bool = False,
) -> Outcome:
    """Fit, judge and write a run.

    audit: of this study on the folds of these settings (admission.py); None leaves the shortcuts unprobed.
    distribution: replicas that train together; `out` is this worker's own (`working_folder`).
    tensorboard: write the losses of every model for it.

    Raises:
        InputError: workers read different data. RuntimeMissing: TensorBoard is not installed.
        OneClassOnly, DatasetTooSmall: the study cannot be fitted and judged; nothing is written.
        PathUnusable, RunUnusable: `out` is taken, or holds another run than the one to resume.
        StorageFailed: `out` cannot be written.
    """
    if tensorboard:
        require_tensorboard()
    require_same_data(distribution, fingerprint(patch_set))
    plan = plan_splits(patch_set, settings)
    run_folder.refuse_taken(out, resume)
    config = describe(patch_set, settings, plan)
    run_folder.start_run(out, config, resume)
    provenance = write_start(out, describe_start(fingerprint(patch_set), distribution=distribution))
    run_folder.write_patches(out, patch_set)
    run_folder.write_splits(out, patch_set, plan.splits)
    rehearsal = _rehearsal(patch_set, out, settings, plan, progress)
    if rehearsal is not None:
        plan = replace(plan, notes=(*plan.notes, rehearsal_note(rehearsal)))
    job = _Job(patch_set, out, settings, plan, progress, rehearsal, distribution, tensorboard)
    name = model_name(settings, patch_set, marked=audit is not None and audit.is_leaky)
    blank = blank_card(patch_set, name, fingerprint(patch_set), plan.notes)
    folds = tuple(_fit_or_take_up(job, fold, blank) for fold in range(plan.splits.n_folds))
    shipped = _fit_or_take_up(job, None, blank)
    progress("figures and report", 0, 3)
    out_of_fold = judge_out_of_fold(
        patch_set, plan.splits, [model.course.logits for model in folds], [model.card for model in folds]
    )
    verdict = judge(out_of_fold, plan.splits, settings.recipe.seed)
    progress("figures and report", 1, 3)
    examination = examine(
        patch_set,
        plan.splits,
        out_of_fold,
        audit,
        lambda fold: run_folder.load_model(out, fold),
        settings.recipe.seed,
    )
    progress("figures and report", 2, 3)
    notes = plan.notes + examination.notes + interval_notes(out_of_fold.predictions)
    notes += _notes_on_calibration((*folds, shipped))
    write_results(
        out,
        Results(
            patch_set,
            plan,
            config,
            notes,
            folds,
            shipped,
            out_of_fold,
            verdict,
            examination,
            provenance,
        ),
    )
    unfinished.tidy(out)
    progress("figures and report", 3, 3)
    return Outcome(out, verdict.figures, notes, plan.splits.n_folds)


def _rehearsal(
    patch_set: PatchSet, out: Path, settings: Settings, plan: Plan, progress: Progress
) -> Rehearsal | None:
    """Rendered cells to start from, where the recipe asks for them and the study allows it; kept in `out`.

    When every model is finished the labels do, and nothing is rendered again.
    """
    n_fields = settings.recipe.rehearsal_fields
    if n_fields == 0 or not can_rehearse(patch_set):
        return None
    kept = unfinished.read_rehearsal(out)
    if kept is not None and (len(kept.patches) or _all_finished(out, plan.splits.n_folds)):
        return kept
    rendered = render_rehearsal(
        patch_set, n_fields, lambda done, total: progress("rendering cells", done, total)
    )
    unfinished.write_rehearsal(out, rendered)
    return rendered


def _all_finished(out: Path, n_folds: int) -> bool:
    return all(run_folder.is_finished(out, fold) for fold in (*range(n_folds), None))


def _fit_or_take_up(job: _Job, fold: int | None, blank: Card) -> FittedModel:
    """Fit and save one model, or read the one that an interrupted run has finished."""
    if run_folder.is_finished(job.out, fold):
        course = run_folder.read_course(job.out, fold)
    else:
        course = _fit_and_save(job, fold)
    splits, labels = job.plan.splits, job.patch_set.labels
    validates = splits.has_role("validation", fold)
    calibration = calibrate(course.logits[validates], labels[validates], positive_indices(job.patch_set))
    card = card_with(blank, calibration, job.patch_set.patches[splits.has_role("train", fold)])
    return FittedModel(course, calibration, card)


def _fit_and_save(job: _Job, fold: int | None) -> Course:
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
def _watched(job: _Job, fold: int | None) -> Iterator[list["keras.callbacks.Callback"]]:
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


def _notes_on_calibration(models: tuple[FittedModel, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for model in models for note in model.calibration.notes))
