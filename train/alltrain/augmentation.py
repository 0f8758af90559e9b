"""Patches varied as slides vary: turned, shifted, stained stronger or paler, a little out of focus.

A smear has no up and no left, a finder centres a cell to about a micrometre, another lab's stain is
bluer or paler, another day's focus softer. Each training batch is varied in just these ways, so that a
few hundred cells stand for more. Stain varies in optical density, where it is additive (A. C. Ruifrok,
D. A. Johnston, Anal. Quant. Cytol. Histol. 23 (2001) 291-299): density 0, the plasma, stays plasma.
Pure black stays black: there it means "cut away", not "dark".
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.illumination import PLASMA_LEVEL
from alledge.patches import PATCH_UM
from alledge.types import F32, F64, U8


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far patches are varied.

    scale: greatest change of size either way (0.12 is 12 %). stain, tint: greatest change of the
    logarithm of optical density, of all channels together and of each (0.7 is half to double).
    brightness: greatest change of density itself. shift_um: greatest shift along each axis.
    blur_um: greatest sigma. blurred_share: of the patches.
    """

    scale: float = 0.12
    shift_um: float = 1.0
    stain: float = 0.7
    tint: float = 0.8
    brightness: float = 0.08
    blur_um: float = 0.35
    blurred_share: float = 0.25


_LEVELS: Final = np.maximum(np.arange(256, dtype=np.float32), 1.0)
_DENSITY: Final[F32] = np.log(np.float32(PLASMA_LEVEL) / _LEVELS).astype(np.float32)


def augment(patches: U8, rng: np.random.Generator, how: Augmentation) -> F32:
    """Vary each patch at random.

    Args:
        patches: (N, S, S, 3) uint8.
        rng: the only source of chance, so the same generator state gives the same patches.
        how: how far to go.

    Returns:
        (N, S, S, 3) float32 of 0 to 255, ready for a network.
    """
    moved = np.empty_like(patches)
    pixel_um = PATCH_UM / patches.shape[1]
    for index, matrix in enumerate(_placements(len(patches), patches.shape[1], pixel_um, rng, how)):
        # Reflection at the edge goes on with what is there: plasma, neighbours or black, as may be.
        moved[index] = cv2.warpAffine(
            patches[index],
            matrix,
            patches.shape[1:3],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
    for blurred in np.flatnonzero(rng.random(len(patches)) < how.blurred_share):
        sigma_px = float(rng.uniform(0.3, 1.0)) * how.blur_um / pixel_um
        moved[blurred] = cv2.GaussianBlur(moved[blurred], (0, 0), sigma_px)
    return _restain(moved, rng, how)


def _placements(n: int, side_px: int, pixel_um: float, rng: np.random.Generator, how: Augmentation) -> F64:
    """(n, 2, 3) affine matrices: mirror, turn and scale about the centre, then shift."""
    angle = rng.uniform(0, 2 * np.pi, n)
    scale = rng.uniform(1 - how.scale, 1 + how.scale, n)
    mirror = rng.choice([-1.0, 1.0], n)
    shift_px = rng.uniform(-how.shift_um, how.shift_um, (n, 2)) / pixel_um
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([mirror * cosine, -sine, mirror * sine, cosine], axis=1).reshape(n, 2, 2)
    centre = np.full(2, (side_px - 1) / 2)
    offset = centre - linear @ centre + shift_px
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def _restain(patches: U8, rng: np.random.Generator, how: Augmentation) -> F32:
    """Scale the optical density of each patch (strength), of each channel (tint), and shift it (lamp)."""
    n = len(patches)
    strength = rng.uniform(-how.stain, how.stain, (n, 1, 1, 1))
    tint = rng.uniform(-how.tint, how.tint, (n, 1, 1, 3))
    lamp = rng.uniform(-how.brightness, how.brightness, (n, 1, 1, 1))
    density = _DENSITY[patches] * np.exp(strength + tint).astype(np.float32) + lamp.astype(np.float32)
    restained = np.minimum(np.float32(PLASMA_LEVEL) * np.exp(-density), np.float32(255.0))
    cut_away = ~patches.any(axis=3, keepdims=True)
    return np.where(cut_away, np.float32(0.0), restained).astype(np.float32)
