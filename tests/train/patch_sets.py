"""Small made studies: blasts are large dark discs, other cells small ones with a pale rim."""

import cv2
import numpy as np

from alledge.types import U8
from alltrain.datasets.dataset import PatchSet

PLASMA = 230


def draw_cell(is_blast: bool, rng: np.random.Generator) -> U8:
    """A 50 x 50 RGB patch with one cell near its centre."""
    patch = np.full((50, 50, 3), PLASMA, dtype=np.uint8)
    centre = tuple(int(value) for value in rng.integers(23, 28, 2))
    radius = int(rng.integers(14, 18) if is_blast else rng.integers(7, 10))
    cv2.circle(patch, centre, radius + (1 if is_blast else 5), (190, 190, 225), -1)
    cv2.circle(patch, centre, radius, (110, 60, 150), -1)
    noisy = patch.astype(np.int64) + rng.integers(-6, 7, patch.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def make_patch_set(
    n_groups: int = 6,
    per_label: int = 6,
    label_names: tuple[str, ...] = ("normal", "blast"),
    positive_labels: tuple[str, ...] = ("blast",),
    *,
    grouped: bool = True,
    is_phantom: bool = False,
    seed: int = 0,
) -> PatchSet:
    """Each group has two images and `per_label` cells of every label."""
    rng = np.random.default_rng(seed)
    patches, labels, groups, sources = [], [], [], []
    for group in range(n_groups):
        for index in range(per_label * len(label_names)):
            label = index % len(label_names)
            patches.append(draw_cell(label == len(label_names) - 1, rng))
            labels.append(label)
            groups.append(f"slide{group:02d}")
            sources.append(f"slide{group:02d}_field{index * 2 // (per_label * len(label_names))}.jpg")
    return PatchSet(
        patches=np.stack(patches),
        labels=np.array(labels, dtype=np.int64),
        label_names=label_names,
        positive_labels=positive_labels,
        groups=tuple(groups),
        patch_ids=tuple(f"{source}#{index}" for index, source in enumerate(sources)),
        sources=tuple(sources),
        layout="made",
        grouped=grouped,
        is_phantom=is_phantom,
    )
