"""`alltrain fit`: from labelled patches to a RUN folder, in steps that read top to bottom.

Plan the splits; fit one network a fold and one to ship, each calibrated on its own validation patches;
judge every patch by the model that held it out; write the figures and draw the report. Each finished
model is saved at once and each epoch of an unfinished one kept, so that an interrupted run goes on where
it stopped and ends as if it had not.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from alledge.strict_json import Json
from alltrain import run_folder, unfinished
from alltrain.audit.audit import Audit
from alltrain.datasets.dataset import PatchSet, fingerprint
from alltrain.distribution import ALONE, Distribution, require_same_data
from alltrain.examination import examine
from alltrain.fold_models import FittedModel, Job, Progress, fit_or_take_up, untold
from alltrain.judged_again import NOTHING, Again, Asked, judge_again
from alltrain.judging import blank_card, judge, judge_out_of_fold
from alltrain.metrics import Figure, interval_notes
from alltrain.plan import Plan, Settings, describe, model_name, plan_splits
from alltrain.provenance import describe_start, write_start
from alltrain.rehearsal import Rehearsal, can_rehearse, rehearsal_note, render_rehearsal
from alltrain.results import Results, write_results
from alltrain.tensorboard import require_tensorboard


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A finished fit: the folder, its figures, and what a reader must know."""

    out: Path
    figures: dict[str, Figure]
    notes: tuple[str, ...]
    n_folds: int
    again: Again = field(default_factory=Again)


def fit(
    patch_set: PatchSet,
    out: Path,
    settings: Settings,
    resume: bool = False,
    progress: Progress = untold,
    audit: Audit | None = None,
    distribution: Distribution = ALONE,
    tensorboard: bool = False,
    asked: Asked = NOTHING,
) -> Outcome:
    """Fit, judge and write a run.

    audit: of this study on the folds of these settings (admission.py); None leaves the shortcuts unprobed.
    distribution: replicas that train together; `out` is this worker's own (`working_folder`).
    tensorboard: write the losses of every model for it. asked: other seeds or random folds to judge by.

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
    job = Job(patch_set, out, settings, plan, progress, rehearsal, distribution, tensorboard)
    name = model_name(settings, patch_set, marked=audit is not None and audit.is_leaky)
    blank = blank_card(patch_set, name, fingerprint(patch_set), plan.notes)
    folds = tuple(fit_or_take_up(job, fold, blank) for fold in range(plan.splits.n_folds))
    shipped = fit_or_take_up(job, None, blank)
    results = _judged(job, folds, shipped, audit, asked, config, provenance)
    write_results(out, results)
    unfinished.tidy(out)
    progress("figures and report", 2, 2)
    return Outcome(out, results.verdict.figures, results.notes, plan.splits.n_folds, results.again)


def _judged(
    job: Job,
    folds: tuple[FittedModel, ...],
    shipped: FittedModel,
    audit: Audit | None,
    asked: Asked,
    config: dict[str, Json],
    provenance: dict[str, Json],
) -> Results:
    """Every patch judged by the model that held it out, and all that is to be told of it."""
    patch_set, plan, seed = job.patch_set, job.plan, job.settings.recipe.seed
    out_of_fold = judge_out_of_fold(
        patch_set, plan.splits, [model.course.logits for model in folds], [model.card for model in folds]
    )
    verdict = judge(out_of_fold, plan.splits, seed)
    again = judge_again(asked, job, out_of_fold, verdict)
    job.progress("figures and report", 0, 2)
    examination = examine(
        patch_set, plan.splits, out_of_fold, audit, lambda fold: run_folder.load_model(job.out, fold), seed
    )
    job.progress("figures and report", 1, 2)
    notes = plan.notes + examination.notes + interval_notes(out_of_fold.predictions)
    notes += _notes_on_calibration((*folds, shipped))
    return Results(
        patch_set, plan, config, notes, folds, shipped, out_of_fold, verdict, examination, provenance, again
    )


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


def _notes_on_calibration(models: tuple[FittedModel, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for model in models for note in model.calibration.notes))
