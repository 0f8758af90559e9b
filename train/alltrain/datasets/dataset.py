"""A study as a network sees it: patches, labels, and the groups that must never be split.

Whatever the layout on disk, everything ends in a PatchSet. Labels are numbers into `label_names`,
negative classes first, so that the last column of a two-class model is the positive class.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np

from alledge.types import I64, U8


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

    def __len__(self) -> int:
        return len(self.patch_ids)

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
