"""Whether a study may be fitted: audited on the very folds of the fit, before any training.

A picture on both sides of a fold makes every figure of the study worthless, and no later step can tell.
So a fit stops at a proven leak. Two ways lead on: join what belongs together, which mends the folds, or
go on all the same, and then every output says what it is worth.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from alltrain.audit.audit import LEAK_MARK, Audit, Progress, audit_study, join_twins
from alltrain.datasets.dataset import PatchSet
from alltrain.plan import Settings, plan_splits


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """A study that may be fitted, and what its audit found."""

    patch_set: PatchSet
    audit: Audit


def admit(
    data: Path,
    patch_set: PatchSet,
    settings: Settings,
    progress: Progress,
    *,
    join: bool = False,
    allow_leaks: bool = False,
) -> Admission:
    """Audit a study as it would be fitted.

    Args:
        data: folder of the study.
        patch_set: cut from it.
        settings: of the fit to come, for its folds.
        progress: told of stages.
        join: put groups that share a twin into one, then audit again.
        allow_leaks: go on after a proven leak, with the mark.

    Raises:
        LeakProven: a leak is proven, and not allowed.
        OneClassOnly, DatasetTooSmall: as `plan_splits`. Others as `load_patches`.
    """
    found = _audit(data, patch_set, settings, progress)
    if join:
        joined = join_twins(patch_set, found)
        if joined is not patch_set:
            patch_set, found = joined, _audit(data, joined, settings, progress)
    if allow_leaks:
        return Admission(_marked(patch_set, found), found)
    found.require_clean()
    return Admission(patch_set, found)


def _audit(data: Path, patch_set: PatchSet, settings: Settings, progress: Progress) -> Audit:
    fold_of_patch = plan_splits(patch_set, settings).splits.fold
    return audit_study(data, patch_set, fold_of_patch, settings.recipe.seed, progress)


def _marked(patch_set: PatchSet, found: Audit) -> PatchSet:
    """The patches, with the mark first among the notes that every report repeats."""
    if not found.is_leaky:
        return patch_set
    told = (LEAK_MARK, *(leak.sentence for leak in found.proven))
    return replace(patch_set, notes=(*told, *patch_set.notes))
