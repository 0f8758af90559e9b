"""A study as a network sees it: patches, labels, and the groups that must never be split.

Whatever the layout on disk, everything ends in a PatchSet. Labels are numbers into `label_names`,
negative classes first, so that the last column of a two-class model is the positive class.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.types import F64, I64, U8, Cell

MORPHOLOGY: Final = ("diameter_um", "nucleus_area_um2", "nucleus_cytoplasm_ratio", "roundness", "texture")
"""What is measured of every cell, by the name it has in `alledge.types.Cell`; the columns of `morphology`."""

_DECIMALS: Final = 4  # finer than anything measured, and few enough to be read back from a table unchanged

NOT_MEASURED: Final = (float("nan"),) * len(MORPHOLOGY)
"""Morphology of a patch in which the device found no cell."""


def morphology_of(cell: Cell) -> tuple[float, ...]:
    """The measures of MORPHOLOGY of one cell, to four decimals."""
    return tuple(round(float(getattr(cell, name)), _DECIMALS) for name in MORPHOLOGY)


def _unmeasured() -> F64:
    return np.empty((0, len(MORPHOLOGY)), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class PatchSet:
    """Labelled patches of one dataset, in a fixed order.

    patches: (N, 50, 50, 3) uint8, RGB, illumination-normalised, 20 um a side.
    labels: (N,) int64, index into label_names.
    label_names: negative classes first, positive classes last.
    positive_labels: those of label_names that mean leukaemia; empty where the names do not tell.
    groups: (N) patient, slide or session of each patch; the image itself when `grouped` is False.
    patch_ids: (N) unique, "im/Im001_1.jpg#0".
    sources: (N) image that the patch was cut from, relative to the dataset.
    layout: name of the layout that was recognised.
    grouped: whether groups are known; if not, figures may be optimistic.
    is_phantom: rendered, not photographed; says nothing about clinical performance.
    notes: sentences that every report must repeat.
    morphology: (N, 5) float64, columns MORPHOLOGY, as the device measures a cell; NaN where it found none
        (all NaN when not given).
    """

    patches: U8
    labels: I64
    label_names: tuple[str, ...]
    positive_labels: tuple[str, ...]
    groups: tuple[str, ...]
    patch_ids: tuple[str, ...]
    sources: tuple[str, ...]
    layout: str
    grouped: bool
    is_phantom: bool = False
    notes: tuple[str, ...] = ()
    morphology: F64 = field(default_factory=_unmeasured)

    def __post_init__(self) -> None:
        expected = (len(self.patch_ids), len(MORPHOLOGY))
        if self.morphology.shape == (0, len(MORPHOLOGY)):
            object.__setattr__(self, "morphology", np.full(expected, np.nan))
        if self.morphology.shape != expected:
            raise ValueError(f"expected {expected} measures of morphology, got {self.morphology.shape}")

    def __len__(self) -> int:
        return len(self.patch_ids)

    def select(self, chosen: npt.NDArray[np.bool_] | I64) -> "PatchSet":
        """The patches at these places, in their order, with all that belongs to them.

        chosen: (N,) bool, or indices int64. Labels keep their numbers, also when one has no patch left.
        """
        places = np.arange(len(self))[chosen]

        def picked(of_each: Sequence[str]) -> tuple[str, ...]:
            return tuple(of_each[place] for place in places)

        return replace(
            self,
            patches=self.patches[places],
            labels=self.labels[places],
            groups=picked(self.groups),
            patch_ids=picked(self.patch_ids),
            sources=picked(self.sources),
            morphology=self.morphology[places],
        )

    @property
    def label_counts(self) -> dict[str, int]:
        """Patches of each label, in the order of label_names."""
        counts = Counter(int(label) for label in self.labels)
        return {name: counts[k] for k, name in enumerate(self.label_names)}


def fingerprint(patch_set: PatchSet) -> str:
    """SHA-256 over ids, labels, groups and patch bytes: equal for the same data, whatever the layout."""
    digest = hashlib.sha256()
    for name in (*patch_set.label_names, "", *patch_set.patch_ids, "", *patch_set.groups, ""):
        digest.update(name.encode() + b"\0")
    digest.update(np.ascontiguousarray(patch_set.labels, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(patch_set.patches).tobytes())
    return digest.hexdigest()
