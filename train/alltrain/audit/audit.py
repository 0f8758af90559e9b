"""The audit of a study, before any training: twins, leaks, what tells the class, and shortcut probes.

    read every image once -> twins of images -> twins of patches -> facts against class -> probes -> findings

It judges the study and the folds, not a model: `support.py` holds a model against what is found here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from alledge.errors import LeakProven
from alledge.strict_json import Json
from alledge.types import I64
from alltrain.audit.correlates import Correlate, find_correlates
from alltrain.audit.image_records import ImageRecord, read_records, study_images
from alltrain.audit.leaks import Leak, Twin, find_leaks
from alltrain.audit.pair_pictures import PairPicture, picture_pairs
from alltrain.audit.probes import Probe, probe_cells, probe_images
from alltrain.audit.twins import IMAGES, Pair, TwinKind, find_patch_twins, find_twins
from alltrain.datasets.dataset import PatchSet
from alltrain.folds import Folds

Progress = Callable[[str, int, int], None]
"""Told of stages: what is done, steps done, steps in all."""

LEAK_MARK: Final = "Proven leak: figures of this study mean nothing."
"""Stands on every output of a study that was used all the same."""

NO_IMAGES_NOTE: Final = (
    "Patches only, no images: twins were looked for among patches; size, format, EXIF and image colours were "
    "not audited."
)
_ONE_LABEL_NOTE: Final = "All cells have one label: nothing can tell a class, and nothing was probed."


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """Everything found. twins: of images and of patches. leaks: findings in words, proven ones first.

    labels: (N,) int64 of the audited patches, so that predictions can be matched. pictures: twins to look at.
    """

    n_images: int
    n_patches: int
    n_groups: int
    n_folds: int
    n_labels: int
    layout: str
    grouped: bool
    labels: I64
    twins: tuple[Twin, ...]
    leaks: tuple[Leak, ...]
    correlates: tuple[Correlate, ...]
    probes: tuple[Probe, ...]
    notes: tuple[str, ...]
    pictures: tuple[PairPicture, ...] = ()

    @property
    def is_leaky(self) -> bool:
        """Whether a leak is proven: the same picture, cell or group on both sides of a fold."""
        return any(leak.proven for leak in self.leaks)

    @property
    def proven(self) -> tuple[Leak, ...]:
        """The proven leaks."""
        return tuple(leak for leak in self.leaks if leak.proven)

    def twins_at(self, level: str) -> tuple[Twin, ...]:
        """Twins of level "image" or "patch"."""
        return tuple(twin for twin in self.twins if twin.level == level)

    def n_twinned(self, level: str) -> int:
        """Images or patches that have a twin."""
        return len({name for twin in self.twins_at(level) for name in (twin.first, twin.second)})

    def require_clean(self) -> None:
        """Raise LeakProven when a leak is proven."""
        if self.is_leaky:
            more = f" (and {len(self.proven) - 1} more)" if len(self.proven) > 1 else ""
            raise LeakProven(
                self.proven[0].sentence + more,
                "Join what belongs together (fit --join-twins), correct groups.csv or take the copies away; "
                "fit --allow-leaks goes on with the mark on every output.",
            )

    def as_json(self) -> dict[str, Json]:
        """audit.json."""
        return {
            "layout": self.layout,
            "grouped": self.grouped,
            "n_images": self.n_images,
            "n_patches": self.n_patches,
            "n_groups": self.n_groups,
            "n_folds": self.n_folds,
            "is_leaky": self.is_leaky,
            "n_images_with_twin": self.n_twinned("image"),
            "n_patches_with_twin": self.n_twinned("patch"),
            "leaks": [leak.as_json() for leak in self.leaks],
            "twins": [twin.as_json() for twin in self.twins],
            "correlates": [one.as_json() for one in self.correlates],
            "probes": [probe.as_json() for probe in self.probes],
            "notes": [*self.notes],
            "research_use_only": True,
        }


def _untold(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
    del what, done, total


def audit_study(
    data: Path, patch_set: PatchSet, folds: Folds | I64, seed: int = 0, progress: Progress = _untold
) -> Audit:
    """Audit a study as it would be fitted.

    data: its folder. patch_set: cut from it, with any groups joined since. folds: test fold of each patch.

    Raises as `load_patches`.
    """
    fold_of_patch = folds.fold_of_patch if isinstance(folds, Folds) else folds
    images = study_images(data)
    records = read_records(images, lambda done, total: progress("auditing images", done, total))
    fold_of_group = {g: int(f) for g, f in zip(patch_set.groups, fold_of_patch, strict=True)}
    group_of = dict(zip(patch_set.sources, patch_set.groups, strict=True))
    twins = (
        *_image_twins(records, patch_set, fold_of_patch, fold_of_group, group_of),
        *_patch_twins(patch_set, fold_of_patch, progress),
    )
    progress("shortcut probes", 0, 3)
    correlates = find_correlates(records, seed)
    progress("shortcut probes", 1, 3)
    probes = probe_cells(patch_set, records, fold_of_patch, seed)
    progress("shortcut probes", 2, 3)
    probes += probe_images(patch_set, records, fold_of_group, group_of, seed)
    progress("shortcut probes", 3, 3)
    return Audit(
        n_images=len(records),
        n_patches=len(patch_set),
        n_groups=len(set(patch_set.groups)),
        n_folds=int(fold_of_patch.max()) + 1,
        n_labels=len(patch_set.label_names),
        layout=patch_set.layout,
        grouped=patch_set.grouped,
        labels=patch_set.labels,
        twins=twins,
        leaks=find_leaks(patch_set, fold_of_patch, twins, correlates, probes),
        correlates=correlates,
        probes=probes,
        notes=_notes(records, patch_set, group_of),
        pictures=picture_pairs(twins, {r.image.source: r.image.path for r in records}, patch_set),
    )


def join_twins(patch_set: PatchSet, audit: Audit) -> PatchSet:
    """The same patches with groups that share a twin merged into one, so that no fold can split them."""
    parent = {group: group for group in patch_set.groups}

    def root(group: str) -> str:
        while parent.setdefault(group, group) != group:
            group = parent[group]
        return group

    for twin in audit.twins:
        first, second = sorted(map(root, twin.groups))
        parent[second] = first
    joined = tuple(root(group) for group in patch_set.groups)
    n_merged = len(set(patch_set.groups)) - len(set(joined))
    if not n_merged:
        return patch_set
    note = f"Groups that share twins were joined: {len(set(joined))} groups remain, {n_merged} fewer."
    return replace(patch_set, groups=joined, notes=(*patch_set.notes, note))


def _image_twins(
    records: Sequence[ImageRecord],
    patch_set: PatchSet,
    fold_of_patch: I64,
    fold_of_group: dict[str, int],
    group_of: dict[str, str],
) -> list[Twin]:
    if len(records) < 2:
        return []
    squares = np.stack([record.square for record in records])
    fold_of_source = {s: int(f) for s, f in zip(patch_set.sources, fold_of_patch, strict=True)}

    def twin(pair: Pair) -> Twin:
        a, b = records[pair.first], records[pair.second]
        groups = tuple(group_of.get(r.image.source, r.image.group) for r in (a, b))
        folds = tuple(
            fold_of_source.get(r.image.source, fold_of_group.get(group))
            for r, group in zip((a, b), groups, strict=True)
        )
        return Twin(
            level="image",
            first=a.image.source,
            second=b.image.source,
            kind=TwinKind.FILE if a.file_key == b.file_key else pair.kind,
            correlation=pair.correlation,
            detail=pair.detail,
            change=pair.change,
            groups=(groups[0], groups[1]),
            folds=(folds[0], folds[1]),
            labels=(a.image.label, b.image.label),
            images=(a.image.source, b.image.source),
        )

    return [twin(pair) for pair in find_twins([record.pixel_key for record in records], squares, IMAGES)]


def _patch_twins(patch_set: PatchSet, fold_of_patch: I64, progress: Progress) -> list[Twin]:
    pairs = find_patch_twins(
        patch_set.patches,
        apart=patch_set.sources,
        progress=lambda done, total: progress("comparing cells", done, total),
    )
    names = patch_set.label_names
    return [
        Twin(
            level="patch",
            first=patch_set.patch_ids[pair.first],
            second=patch_set.patch_ids[pair.second],
            kind=pair.kind,
            correlation=pair.correlation,
            detail=pair.detail,
            change=pair.change,
            groups=(patch_set.groups[pair.first], patch_set.groups[pair.second]),
            folds=(int(fold_of_patch[pair.first]), int(fold_of_patch[pair.second])),
            labels=(names[patch_set.labels[pair.first]], names[patch_set.labels[pair.second]]),
            images=(patch_set.sources[pair.first], patch_set.sources[pair.second]),
        )
        for pair in pairs
    ]


def _notes(records: Sequence[ImageRecord], patch_set: PatchSet, group_of: dict[str, str]) -> tuple[str, ...]:
    notes = []
    if not records:
        notes.append(NO_IMAGES_NOTE)
    without = sum(record.image.source not in group_of for record in records)
    if without:
        notes.append(f"Images without a labelled cell, audited but in no fold of their own: {without}.")
    if len(set(patch_set.labels.tolist())) < 2:
        notes.append(_ONE_LABEL_NOTE)
    return tuple(notes)
