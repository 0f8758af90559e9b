"""Every system on the same folds: fit, ask, keep what it said.

The folds, the validation cells of each fold and the seeds are those of `alltrain fit`; every cell is judged
by a system that never saw it, nor any of its group. So what differs between two rows is the system.

Finished parts (one system in one fold) are files: an interrupted comparison goes on where it stopped, and
a finished one can be given further systems.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from alledge.strict_json import Json
from alledge.types import F64
from alltrain import run_folder
from alltrain.datasets.dataset import PatchSet, fingerprint
from alltrain.judging import positive_indices
from alltrain.literature.comparison import Comparison
from alltrain.literature.output import write_comparison
from alltrain.literature.parts import Part, part_path, read_part, write_part
from alltrain.literature.system import ExplainingSystem, System, TrainingSide
from alltrain.literature.table import assemble, judge_system
from alltrain.literature.timing import measure_speed
from alltrain.plan import Plan, Settings, plan_splits
from alltrain.training import Recipe
from alltrain.variety import n_groups_of

_FORMAT: Final = 1  # of the folder; a comparison of another format cannot be gone on with
_PERCENT: Final = 100


class Progress(Protocol):
    """Told how far a comparison is; `what` names a stage."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of this stage are over."""


def _untold(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
    del what, done, total


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """One call of `compare`: what every step of it needs."""

    patch_set: PatchSet
    out: Path
    plan: Plan
    seed: int
    epochs: int | None
    progress: Progress


def compare(
    patch_set: PatchSet,
    systems: Sequence[System],
    n_folds: int,
    seed: int,
    out: Path,
    progress: Progress = _untold,
    *,
    epochs: int | None = None,
    resume: bool = False,
) -> Comparison:
    """Fit and judge every system on the same folds, and write the table.

    epochs: of every network, None for each its own number.

    Raises:
        OneClassOnly, DatasetTooSmall: the study cannot be split and judged; nothing is written.
        PathUnusable, RunUnusable: `out` is taken, or holds a comparison of other data or settings.
        StorageFailed: `out` cannot be written.
    """
    plan = plan_splits(patch_set, Settings(Recipe(seed=seed), n_folds))
    config = _describe(patch_set, n_folds, seed, epochs)
    run_folder.refuse_taken(out, resume)
    run_folder.start_run(out, config, resume)
    job = _Job(patch_set, out, plan, seed, epochs, progress)
    judged = []
    for index, system in enumerate(systems):
        progress("all systems", index, len(systems))
        judged.append(judge_system(patch_set, plan.splits, system, _fit_or_take_up(job, system)))
    progress("all systems", len(systems), len(systems))
    comparison = assemble(patch_set, plan, judged, seed, epochs)
    write_comparison(out, patch_set, plan.splits, comparison, config)
    return comparison


def _describe(patch_set: PatchSet, n_folds: int, seed: int, epochs: int | None) -> dict[str, Json]:
    """config.json: what decides every row; which rows there are is left open."""
    return {
        "format": _FORMAT,
        "fingerprint": fingerprint(patch_set),
        "n_folds_asked": n_folds,
        "seed": seed,
        "epochs": epochs,
    }


def _fit_or_take_up(job: _Job, system: System) -> list[Part]:
    """All parts of a system: those on file are read, the others fitted and written."""
    n_folds = job.plan.splits.n_folds
    parts = []
    for fold in range(n_folds):
        path = part_path(job.out, system.key, fold)
        if path.is_file():
            parts.append(read_part(path))
        else:
            parts.append(_fit_part(job, system, fold))
            write_part(path, parts[-1])
        job.progress(system.key, _PERCENT * (fold + 1) // n_folds, _PERCENT)
    return parts


def _fit_part(job: _Job, system: System, fold: int) -> Part:
    patch_set, splits = job.patch_set, job.plan.splits
    validates, tests = splits.has_role("validation", fold), splits.has_role("test", fold)
    start = time.perf_counter()
    fitted = system.fit(_training_side(job, system, fold))
    train_s = time.perf_counter() - start
    told = _told(job, system)
    shown, measured = patch_set.patches[tests], told[tests]
    reasons = fitted.explain(shown, measured) if isinstance(fitted, ExplainingSystem) else ()
    return Part(
        p_validation=fitted.probabilities(patch_set.patches[validates], told[validates]),
        p_test=fitted.probabilities(shown, measured),
        train_s=train_s,
        speed=measure_speed(fitted, shown, measured),
        n_parameters=fitted.n_parameters,
        macs=fitted.macs,
        reasons=reasons,
    )


def _training_side(job: _Job, system: System, fold: int) -> TrainingSide:
    patch_set, splits = job.patch_set, job.plan.splits
    takes_part = ~splits.has_role("test", fold)

    def on_epoch(done: int, of: int) -> None:
        share = (fold + done / max(1, of)) / splits.n_folds
        job.progress(system.key, min(_PERCENT - 1, int(_PERCENT * share)), _PERCENT)

    return TrainingSide(
        patches=patch_set.patches[takes_part],
        labels=patch_set.labels[takes_part],
        is_validation=splits.has_role("validation", fold)[takes_part],
        morphology=_told(job, system)[takes_part],
        label_names=patch_set.label_names,
        positive=positive_indices(patch_set),
        seed=job.seed,
        epochs=job.epochs,
        on_epoch=on_epoch,
        fold=fold,
        is_phantom=patch_set.is_phantom,
        n_groups=n_groups_of(patch_set),
    )


def _told(job: _Job, system: System) -> F64:
    """(N, K) float64: what the system is told of each patch beside its pixels."""
    return job.patch_set.morphology if system.told is None else system.told
