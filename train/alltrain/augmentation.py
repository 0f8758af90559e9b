"""Patches varied as slides vary: turned, shifted, stained stronger or paler, a little out of focus.

A smear has no up and no left, a finder centres a cell to about a micrometre, another lab's stain is
bluer or paler, another day's focus softer. Each training batch is varied in just these ways, so that a
few hundred cells stand for more. Stain varies in optical density, where it is additive (A. C. Ruifrok,
D. A. Johnston, Anal. Quant. Cytol. Histol. 23 (2001) 291-299): density 0, the plasma, stays plasma.
Pure black stays black: there it means "cut away", not "dark".

Chance is drawn here, a few numbers a patch; what they do to its pixels is part of the training graph
(varying.py). A draw depends on its key alone, so a fit that was cut short draws again what it would
have drawn.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.illumination import PLASMA_LEVEL
from alledge.patches import PATCH_PX, PATCH_UM
from alledge.types import F32, F64, U8
from alltrain.backend import load_keras

PIXEL_UM: Final = PATCH_UM / PATCH_PX
N_PARAMETERS: Final = 12
"""Numbers a patch: 6 of its placement, 3 of its stain, 1 of the lamp, 2 of its focus."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far patches are varied.

    scale: greatest change of size either way (0.12 is 12 %). stain, tint: greatest change of the
    logarithm of optical density, of all channels together and of each (0.7 is half to double).
    brightness: greatest change of density itself. shift_um: greatest shift along each axis.
    blur_um: greatest sigma; past 0.45 um a kernel of five pixels cuts it short. blurred_share: of the
    patches of each batch.
    """

    scale: float = 0.12
    shift_um: float = 1.0
    stain: float = 0.7
    tint: float = 0.8
    brightness: float = 0.08
    blur_um: float = 0.35
    blurred_share: float = 0.25


def draw_parameters(n: int, rng: np.random.Generator, how: Augmentation) -> F32:
    """What `varying.Vary` is to do with each of n patches of a batch.

    Returns:
        (n, 12) float32: for an output pixel at x, y the input pixel at (p0 x + p1 y + p2,
        p3 x + p4 y + p5); the exponents of transmitted light in red, green and blue (p6 to p8); the
        level of empty plasma (p9); the shares of the first and second neighbours on either side in a
        blurred pixel (p10, p11), 0 where the patch is not among the first `n_blurred`.
    """
    strength = rng.uniform(-how.stain, how.stain, (n, 1))
    tint = rng.uniform(-how.tint, how.tint, (n, 3))
    lamp = rng.uniform(-how.brightness, how.brightness, (n, 1))
    parameters = [
        _placements(n, rng, how),
        np.exp(strength + tint),
        PLASMA_LEVEL * np.exp(-lamp),
        _blur_shares(n, rng, how),
    ]
    return np.concatenate(parameters, axis=1).astype(np.float32)


def n_blurred(n: int, how: Augmentation) -> int:
    """How many patches of a batch of n are blurred: its first ones, since batches come shuffled."""
    return round(how.blurred_share * n)


def augment(patches: U8, rng: np.random.Generator, how: Augmentation) -> F32:
    """Vary each patch at random, outside of any training graph.

    Args:
        patches: (N, 50, 50, 3) uint8.
        rng: the only source of chance, so the same generator state gives the same patches.
        how: how far to go.

    Returns:
        (N, 50, 50, 3) float32 of 0 to 255, ready for a network.
    """
    keras = load_keras()
    from alltrain.varying import Vary

    parameters = draw_parameters(len(patches), rng, how)
    varied: F32 = keras.ops.convert_to_numpy(Vary(n_blurred(len(patches), how))([patches, parameters]))
    return varied


def _placements(n: int, rng: np.random.Generator, how: Augmentation) -> F64:
    """(n, 6): where each output pixel comes from, after shift, scale, turn and mirror about the centre."""
    angle = rng.uniform(0, 2 * np.pi, n)
    scale = rng.uniform(1 - how.scale, 1 + how.scale, n)
    mirror = rng.choice([-1.0, 1.0], n)
    shift_px = rng.uniform(-how.shift_um, how.shift_um, (n, 2)) / PIXEL_UM
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    linear = np.stack([mirror * cosine, mirror * sine, -sine, cosine], axis=1).reshape(n, 2, 2)
    centre = np.full((n, 2), (PATCH_PX - 1) / 2)
    offset = centre - np.einsum("nij,nj->ni", linear, centre + shift_px)
    return np.concatenate([linear, offset[:, :, None]], axis=2).reshape(n, 6)


def _blur_shares(n: int, rng: np.random.Generator, how: Augmentation) -> F64:
    """(n, 2) shares of the first and second neighbours in a Gaussian kernel of five pixels."""
    variance_px = (rng.uniform(0.3, 1.0, n) * how.blur_um / PIXEL_UM) ** 2
    first, second = (np.exp(-(distance**2) / (2 * np.maximum(variance_px, 1e-6))) for distance in (1, 2))
    shares = np.stack([first, second], axis=1) / (1 + 2 * first + 2 * second)[:, None]
    shares[n_blurred(n, how) :] = 0
    return np.asarray(shares, dtype=np.float64)
