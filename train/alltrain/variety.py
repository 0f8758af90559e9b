"""How much variety a study brings along, and how much its training must therefore make up.

The cells of four slides show four stains. When each label comes from two of them, the stain alone tells
the label, and a network learns just that (docs/ablation.md): so stain is varied far beyond what is seen,
and the patches are not shown too often. A study of many slides shows what varies by itself; there wide
variation hides what tells cells apart (the red granules of an eosinophil), and more can be learnt.
"""

from dataclasses import replace
from typing import Final

from alltrain.datasets.dataset import PatchSet
from alltrain.training import Recipe

MANY_GROUPS: Final = 20
"""From so many groups (patients, slides; images where those are unknown) a study shows variety itself."""

_STAIN: Final = 0.4
_TINT: Final = 0.2
_LEAST_PATCHES_AN_EPOCH: Final = 2048


def suited(recipe: Recipe, n_groups: int) -> Recipe:
    """The recipe for a study of so many groups: as it is for few, gentler and longer for many."""
    if n_groups < MANY_GROUPS:
        return recipe
    return replace(
        recipe,
        augmentation=replace(recipe.augmentation, stain=_STAIN, tint=_TINT),
        least_patches_an_epoch=max(recipe.least_patches_an_epoch, _LEAST_PATCHES_AN_EPOCH),
    )


def n_groups_of(patch_set: PatchSet) -> int:
    """Groups of a study; its images where groups are unknown."""
    return len(set(patch_set.groups))
