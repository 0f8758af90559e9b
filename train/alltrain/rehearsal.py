"""Rendered cells shown beside the real ones, so that a network learns cells and not one slide.

The blasts of a small study come from two or three patients, under one lamp, in one stain; what such a
network learns of them may be the stain. The phantom draws the same distinction (size, nucleus to
cytoplasm, nuclear outline, nucleoli) in every stain and light, so training starts on rendered cells and
a share of every batch stays rendered. None of them is ever in a validation split or a figure.

Some sets show cells cut out on pure black, others whole fields. A share of the rendered cells is shown the
other way, so that what was learnt from one kind of set holds on the other too.

Source of the idea: domain randomisation (J. Tobin et al., IROS 2017) and rehearsal (A. Robins,
Connection Science 7, 1995).
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from alledge.types import I64, U8
from alltrain.datasets.dataset import PatchSet
from alltrain.datasets.loading import load_patches
from alltrain.phantom_study import write_study
from alltrain.regions import find_regions

N_FIELDS: Final = 180  # about 3600 cells of 60 slides
_SEED: Final = 1_000_003  # far from the seeds that people give to studies of their own
_MASKED_SHARE: Final = 0.1  # pure black from which a study is one of cells cut out of their fields
_CUT_OUT_SHARE: Final = 0.15  # of the rendered cells for a study in whole fields (docs/ablation.md)
_CUT_OUT_SHARE_WHERE_MASKED: Final = 0.85


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """Rendered patches, labelled as the study is. patches: (N, 50, 50, 3) uint8 RGB; labels: (N,) int64."""

    patches: U8
    labels: I64


def can_rehearse(patch_set: PatchSet) -> bool:
    """Whether rendered cells mean the same: two labels, one of them a finding, and real cells."""
    is_blast_or_not = len(patch_set.label_names) == 2 and len(patch_set.positive_labels) == 1
    return is_blast_or_not and not patch_set.is_phantom


def render_rehearsal(patch_set: PatchSet, n_fields: int, progress: Callable[[int, int], None]) -> Rehearsal:
    """Renders `n_fields` phantom fields and cuts them through the device's pixel path.

    A share of the cells is then cut out on black: the larger one where the study is such a set itself.

    progress: told fields done and fields in all.

    Raises:
        StorageFailed: the temporary folder is full.
    """
    with tempfile.TemporaryDirectory(prefix="allscope-rehearsal-") as folder:
        study = Path(folder) / "study"
        write_study(study, n_fields, _SEED, progress)
        rendered = load_patches(study, allow_no_groups=False)
    positive = patch_set.label_names.index(patch_set.positive_labels[0])
    is_blast = rendered.labels == rendered.label_names.index("blast")
    labels = np.where(is_blast, positive, 1 - positive).astype(np.int64)
    share = _CUT_OUT_SHARE_WHERE_MASKED if _is_cut_out(patch_set) else _CUT_OUT_SHARE
    return Rehearsal(_partly_cut_out(rendered, share), labels)


def _is_cut_out(patch_set: PatchSet) -> bool:
    """Whether the cells of a study stand on pure black."""
    return len(patch_set) > 0 and float((patch_set.patches == 0).all(axis=3).mean()) >= _MASKED_SHARE


def _partly_cut_out(rendered: PatchSet, share: float) -> U8:
    """Patches (N, 50, 50, 3), a share of them with black for all that is not the cell in the middle."""
    chosen = np.random.default_rng(_SEED).permutation(len(rendered))[: round(share * len(rendered))]
    patches = rendered.patches.copy()
    regions = find_regions(patches[chosen], [rendered.sources[index] for index in chosen])
    patches[chosen] *= regions.cell[..., np.newaxis]
    return patches


def rehearsal_note(rehearsal: Rehearsal) -> str:
    """What a report must say of it."""
    return (
        f"{len(rehearsal.labels)} rendered phantom cells were shown in training beside the real ones;"
        " none of them counts in any figure."
    )
