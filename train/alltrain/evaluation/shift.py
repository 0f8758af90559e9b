"""How unlike the training patches the new ones are, before any label is looked at.

A figure on data that look different says two things at once: how good the model is, and how far from home
it was. The model's card holds ten readable numbers on its training patches (alledge.familiarity); here
the new patches are held against them, one by one and as the device does.
"""

from dataclasses import dataclass

import numpy as np

from alledge.card import Card
from alledge.familiarity import FEATURE_NAMES, Familiarity, is_familiar, patch_features
from alledge.strict_json import Json
from alledge.types import U8
from alltrain.figures import Figure, Judge
from alltrain.intervals import plan_resampling


@dataclass(frozen=True, slots=True)
class FeatureShift:
    """One feature. shift: mean here less mean in training, in standard deviations of training."""

    name: str
    shift: float


@dataclass(frozen=True, slots=True)
class Shift:
    """familiar: share of patches that the device would take for familiar ones. features: furthest first."""

    familiar: Figure
    features: tuple[FeatureShift, ...]

    @property
    def in_words(self) -> str:
        """One sentence: how many are unlike, and in what most."""
        worst = self.features[0]
        unlike = 1 - (self.familiar.value or 0.0)
        return (
            f"{unlike:.1%} of the cells are unlike the training patches; furthest off is"
            f" {worst.name.replace('_', ' ')}, by {worst.shift:+.1f} standard deviations of training."
        )

    def as_json(self) -> dict[str, Json]:
        """As metrics.json holds it."""
        features: dict[str, Json] = {feature.name: round(feature.shift, 4) for feature in self.features}
        return {"familiar_share": self.familiar.as_json(), "features_in_training_sd": features}


def measure_shift(patches: U8, groups: tuple[str, ...], card: Card) -> Shift | None:
    """Shift of (N, 50, 50, 3) uint8 RGB patches; None where the card does not describe training patches."""
    familiarity = card.familiarity
    if familiarity is None:
        return None
    judge = Judge(groups, plan_resampling(groups, 0))
    familiar = judge.share(is_familiar(patches, familiarity), np.ones(len(patches), np.bool_), "no cell")
    return Shift(familiar, _feature_shifts(patches, familiarity))


def _feature_shifts(patches: U8, familiarity: Familiarity) -> tuple[FeatureShift, ...]:
    means = patch_features(patches).mean(axis=0)
    shifts = (means - np.asarray(familiarity.mean)) / np.asarray(familiarity.spread)
    order = np.argsort(-np.abs(shifts), kind="stable")
    return tuple(FeatureShift(FEATURE_NAMES[index], float(shifts[index])) for index in order)
