"""The folds of a run once more: under another seed, or dealt in another way. No model to ship.

Each lies in a folder of its own with the same files as RUN/folds, so that what is finished is taken up
after an interruption, to the same weights.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from alltrain import run_folder, unfinished
from alltrain.datasets.dataset import PatchSet, fingerprint
from alltrain.distribution import ALONE, Distribution
from alltrain.fold_models import Job, Progress, fit_or_take_up, untold
from alltrain.judging import OutOfFold, blank_card, judge_out_of_fold
from alltrain.plan import Plan, Settings, describe, model_name, plan_splits
from alltrain.rehearsal import Rehearsal, render_rehearsal


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidated:
    """Every patch judged by the model that held it out. plan: who trained, validated and tested what."""

    plan: Plan
    out_of_fold: OutOfFold


def cross_validate(
    patch_set: PatchSet,
    settings: Settings,
    out: Path,
    *,
    rehearsal: Rehearsal | None = None,
    distribution: Distribution = ALONE,
    progress: Progress = untold,
) -> CrossValidated:
    """Fit and judge the folds of a study in the folder `out`, or take up what lies there.

    rehearsal: rendered cells of the run; rendered again where only their labels were kept.
    distribution: replicas that train together.

    Raises:
        OneClassOnly, DatasetTooSmall: the study cannot be judged.
        RunUnusable: `out` was started with other data or settings. StorageFailed: it cannot be written.
    """
    plan = plan_splits(patch_set, settings)
    run_folder.start_run(out, describe(patch_set, settings, plan), resume=True)
    job = Job(patch_set, out, settings, plan, progress, None, distribution, tensorboard=False)
    is_finished = all(run_folder.is_finished(out, fold) for fold in range(plan.splits.n_folds))
    if rehearsal is not None and not is_finished:
        job = replace(job, rehearsal=_with_patches(rehearsal, patch_set, settings, progress))
    blank = blank_card(patch_set, model_name(settings, patch_set), fingerprint(patch_set), plan.notes)
    models = [fit_or_take_up(job, fold, blank) for fold in range(plan.splits.n_folds)]
    unfinished.tidy(out)
    logits, cards = [model.course.logits for model in models], [model.card for model in models]
    return CrossValidated(plan, judge_out_of_fold(patch_set, plan.splits, logits, cards))


def _with_patches(
    rehearsal: Rehearsal, patch_set: PatchSet, settings: Settings, progress: Progress
) -> Rehearsal:
    """A finished run keeps the labels of its rendered cells only."""
    if len(rehearsal.patches):
        return rehearsal
    n_fields = settings.recipe.rehearsal_fields
    return render_rehearsal(patch_set, n_fields, lambda done, total: progress("rendering cells", done, total))
