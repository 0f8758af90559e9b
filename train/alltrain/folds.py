"""Who judges whom: folds that never split a patient, slide or session.

Cells of one smear share its stain, its lamp and its owner. A fold that trains on some and judges on the
others measures how well a network remembers a smear. So whole groups go to a fold, the classes spread
as evenly as whole groups allow, and every training side holds every class.

The validation patches, on which training stops and thresholds are set, are taken out of the training
side: whole groups where enough remain, else whole source images, else single patches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.errors import DatasetTooSmall, OneClassOnly
from alledge.types import I64

Mask = npt.NDArray[np.bool_]

MIN_PATCHES: Final = 20
MIN_PATCHES_PER_CLASS: Final = 4
MIN_GROUPS_TO_HOLD_SOME_OUT: Final = 6  # of a training side, before validation may take whole groups
MIN_IMAGES_TO_HOLD_SOME_OUT: Final = 12
VALIDATION_SHARE: Final = 0.2
_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """The test fold of every patch. fold_of_patch: (N,) int64, 0 to n_folds - 1."""

    fold_of_patch: I64
    n_folds: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ValidationSplit:
    """Which patches of a training side validate. is_validation: (N,) bool, False off that side.

    unit: "group", "image" or "patch", what was kept whole.
    """

    is_validation: Mask
    unit: str


def check_size(labels: I64, label_names: Sequence[str]) -> None:
    """Refuse a study that cannot be fitted and judged. labels: (N,) int64 indices into label_names.

    Raises:
        OneClassOnly: all patches have one label.
        DatasetTooSmall: under `MIN_PATCHES` patches, or under `MIN_PATCHES_PER_CLASS` of a label.
    """
    counts = np.bincount(labels, minlength=len(label_names))
    present = [name for name, count in zip(label_names, counts, strict=True) if count]
    if len(present) == 1:
        raise OneClassOnly(
            f"All {labels.size} cells are labelled {present[0]}.", "Add cells of at least one other label."
        )
    if labels.size < MIN_PATCHES:
        raise DatasetTooSmall(
            f"Only {labels.size} labelled cells were found.", f"Give at least {MIN_PATCHES} to fit a model."
        )
    scarce = int(counts.argmin())
    if counts[scarce] < MIN_PATCHES_PER_CLASS:
        raise DatasetTooSmall(
            f"Only {counts[scarce]} cells are labelled {label_names[scarce]}.",
            f"Give at least {MIN_PATCHES_PER_CLASS} of every label.",
        )


def assign_folds(labels: I64, groups: Sequence[str], n_folds: int, seed: int) -> Folds:
    """Grouped stratified k-fold: every group in one fold, every class in every training side.

    labels: (N,) int64. Groups are dealt largest first to the fold where they leave the classes most
    even; equal ones in an order that `seed` decides. A class may be missing in a test fold (a session of
    healthy people holds no blast), since figures are pooled over folds; leaving out less at a time leaves
    more to learn from. Fewer folds are made, and a note says so, when there are fewer groups than folds.

    Raises:
        ValueError: n_folds is below 2.
        DatasetTooSmall: a class comes from one group only, so that it could not be judged.
    """
    if n_folds < 2:
        raise ValueError(f"expected at least 2 folds, got {n_folds}")
    group_of_patch, counts = _count_by_group(labels, groups)
    groups_per_class = (counts > 0).sum(axis=0)
    scarce = int(groups_per_class.min())
    if scarce < 2:
        raise DatasetTooSmall(
            "All cells of one label come from a single group (patient, slide or session).",
            "Add a second group with that label, or pass --no-groups and read the figures as optimistic.",
        )
    fold_of_group = _deal_fairly(counts, min(n_folds, len(counts)), seed)
    n_made = int(fold_of_group.max()) + 1
    notes: tuple[str, ...] = ()
    if n_made < n_folds:
        notes = (f"{n_made} folds instead of {n_folds}: one group is held out at a time.",)
    elif n_made > n_folds:
        notes = (f"{n_made} folds instead of {n_folds}: with fewer, a training side would lack a label.",)
    return Folds(fold_of_group[group_of_patch], n_made, notes)


def _count_by_group(labels: I64, groups: Sequence[str]) -> tuple[I64, I64]:
    """Index of each patch's group (N,), and how many patches of each class each group holds (G, L)."""
    names, group_of_patch = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    counts = np.zeros((len(names), int(labels.max()) + 1), dtype=np.int64)
    np.add.at(counts, (group_of_patch, labels), 1)
    # A label index that no patch has would otherwise look like a class with no group.
    return group_of_patch.astype(np.int64), counts[:, counts.sum(axis=0) > 0]


def _deal_fairly(counts: I64, n_folds: int, seed: int) -> I64:
    """Fold of each group, such that no fold holds every group of a class.

    Where labels share few groups some numbers of folds cannot do that; then one more is tried. It ends:
    one group a fold always does, since every class has two groups.
    """
    for n_made in range(n_folds, len(counts) + 1):
        for attempt in range(_ATTEMPTS):
            fold_of_group = _deal(counts, n_made, seed + attempt)
            kept = [(counts[fold_of_group != fold] > 0).any(axis=0).all() for fold in range(n_made)]
            if all(kept):
                return fold_of_group
    raise AssertionError("one group a fold leaves every class on every training side")


def _deal(counts: I64, n_folds: int, seed: int) -> I64:
    """Fold of each group, every fold used. counts: (G, L) patches of each class in each group.

    The scarcest class is dealt first, to folds that lack it; the others follow by size to where the class
    shares stay most even.
    """
    rng = np.random.default_rng(seed)
    shares = counts / counts.sum(axis=0)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-shares[order].max(axis=1), kind="stable")]
    held = np.zeros((n_folds, counts.shape[1]))
    n_groups_held = np.zeros((n_folds, counts.shape[1]), dtype=np.int64)
    fold_of_group = np.full(len(counts), -1, dtype=np.int64)
    for label in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        for group in (g for g in order if fold_of_group[g] < 0 and counts[g, label] > 0):
            fold = min(
                _open_folds(fold_of_group, n_folds),
                key=lambda k: (n_groups_held[k, label] > 0, _unevenness(held, shares[group], k)),
            )
            fold_of_group[group] = fold
            held[fold] += shares[group]
            n_groups_held[fold] += counts[group] > 0
    return fold_of_group


def _open_folds(fold_of_group: I64, n_folds: int) -> list[int]:
    """Folds that may take the next group: all, or the empty ones when only as many groups are left."""
    empty = sorted(set(range(n_folds)) - set(fold_of_group.tolist()))
    n_left = int((fold_of_group < 0).sum())
    return empty if len(empty) == n_left else list(range(n_folds))


def _unevenness(held: npt.NDArray[np.float64], added: npt.NDArray[np.float64], fold: int) -> float:
    """Sum over classes of the squared shares that folds hold, once `added` joins `fold`."""
    after = held.copy()
    after[fold] += added
    return float((after**2).sum())


def split_validation(
    labels: I64, groups: Sequence[str], sources: Sequence[str], is_training: Mask, seed: int
) -> ValidationSplit:
    """Take about a fifth of a training side for validation, as whole as the data allow.

    is_training: (N,) bool, the training side. Whole groups when it has at least six and both sides keep
    every class, else whole source images on the same terms (at least twelve), else single patches.
    """
    chosen = np.flatnonzero(is_training)
    side = labels[chosen]
    for unit, names, least in (
        ("group", groups, MIN_GROUPS_TO_HOLD_SOME_OUT),
        ("image", sources, MIN_IMAGES_TO_HOLD_SOME_OUT),
    ):
        units = [names[int(index)] for index in chosen]
        picked = _pick_units(side, units, seed) if len(set(units)) >= least else None
        if picked is not None:
            return ValidationSplit(_mark(labels.size, chosen[picked]), unit)
    return ValidationSplit(_mark(labels.size, chosen[_pick_patches(side, seed)]), "patch")


def _mark(n: int, indices: I64) -> Mask:
    mask = np.zeros(n, dtype=np.bool_)
    mask[indices] = True
    return mask


def _pick_units(labels: I64, units: Sequence[str], seed: int) -> Mask | None:
    """Whole units (groups or images) with about a fifth of each class; None where a side would lack one."""
    unit_of_patch, counts = _count_by_group(labels, units)
    if int((counts > 0).sum(axis=0).min()) < 2:
        return None
    shares = counts / counts.sum(axis=0)
    rng = np.random.default_rng(seed)
    taken = np.zeros(len(counts), dtype=np.bool_)
    wanted = np.full(counts.shape[1], VALIDATION_SHARE)
    order = rng.permutation(len(counts))
    for unit in order[np.argsort(-shares[order].max(axis=1), kind="stable")]:
        # Taken when that brings the classes closer to their fifth than leaving it does.
        held = shares[taken].sum(axis=0)
        if ((held + shares[unit] - wanted) ** 2).sum() < ((held - wanted) ** 2).sum():
            taken[unit] = True
    lacking = (counts[taken].sum(axis=0) == 0).any() or (counts[~taken].sum(axis=0) == 0).any()
    return None if lacking else np.asarray(taken[unit_of_patch])


def _pick_patches(labels: I64, seed: int) -> Mask:
    """A fifth of the patches of each class, at least one, and never all."""
    rng = np.random.default_rng(seed)
    picked = np.zeros(labels.size, dtype=np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        n_picked = min(max(1, round(VALIDATION_SHARE * members.size)), members.size - 1)
        picked[members[:n_picked]] = True
    return picked
