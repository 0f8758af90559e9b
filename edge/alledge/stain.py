"""Tell nuclei from red cells by dye, with the red cells of the field itself as one of two dyes.

Light through stained matter obeys Beer and Lambert: optical densities of dyes add up. A red cell,
however thick or overlapped, lies along one direction of (blue, green, red) optical density; chromatin
lies along another. Resolving a pixel into the two (Ruifrok and Johnston, Anal Quant Cytol Histol 2001,
23:291) gives the chromatin without the blood on top of it. The red-cell direction differs from slide to
slide, from orange to blue-grey, with the buffer, the age of the stain and the camera. It is
therefore read from the field: red cells are the commonest coloured thing in blood.
"""

from typing import Final

import cv2
import numpy as np

from alledge.illumination import PLASMA_LEVEL
from alledge.types import F32, F64, U8

CHROMATIN: Final = (0.08, 0.60, 0.32)
"""Shares of blue, green and red in the optical density of Romanowsky-stained nuclei; the shares on the
darkest 1 % of 50 fields of seven microscopes lie within 0.1 of them."""

_TYPICAL_RED_CELLS: Final = (0.33, 0.44, 0.23)  # shares where a field shows no red cell
_THIN, _THICK = 0.3, 1.6  # total optical density of what may be a red cell, one or two deep
_LEAST_SHARE: Final = 0.02  # of the field; fewer coloured pixels name no red-cell colour
_LEAST_SEPARATION: Final = 0.2  # sine of the angle to chromatin; red cells are never nearer

_DENSITY_OF_LEVEL: Final[F32] = -np.log(np.maximum(np.arange(256), 1) / PLASMA_LEVEL).astype(np.float32)


def optical_density(pixels: U8) -> F32:
    """(..., 3) float32 natural-log optical density against plasma, of normalised (..., 3) uint8 pixels."""
    return np.asarray(cv2.LUT(pixels, _DENSITY_OF_LEVEL), dtype=np.float32)


def red_cell_direction(pixels: U8) -> F64:
    """Unit vector (blue, green, red) of optical density along which the red cells of a field lie.

    Args:
        pixels: (h, w, 3) uint8 BGR, illumination-normalised.

    Returns:
        (3,) float64; a typical direction when the field shows too little colour to tell.
    """
    step = max(1, round(max(pixels.shape[:2]) / 250))
    density = optical_density(np.ascontiguousarray(pixels[::step, ::step])).reshape(-1, 3).astype(np.float64)
    total = density.sum(axis=1)
    coloured = (total > _THIN) & (total < _THICK)
    shares = _unit(np.array(_TYPICAL_RED_CELLS))
    if np.count_nonzero(coloured) < _LEAST_SHARE * total.size:
        return shares
    blue, red = (density[coloured] / total[coloured, np.newaxis])[:, [0, 2]].T
    counts, blue_edges, red_edges = np.histogram2d(blue, red, bins=40, range=[[-0.05, 0.75], [-0.05, 0.75]])
    counts = cv2.GaussianBlur(counts, (5, 5), 0)
    blue_at, red_at = np.meshgrid(blue_edges[:-1] + 0.01, red_edges[:-1] + 0.01, indexing="ij")
    candidates = np.stack([blue_at, 1.0 - blue_at - red_at, red_at], axis=-1)
    candidates /= np.linalg.norm(candidates, axis=-1, keepdims=True)
    separation = np.sqrt(np.maximum(1.0 - (candidates @ _unit(np.array(CHROMATIN))) ** 2, 0.0))
    votes = counts * np.where(separation > _LEAST_SEPARATION, separation**2, 0.0)
    if votes.max() <= 0.0:
        return shares
    return np.asarray(candidates.reshape(-1, 3)[int(votes.argmax())], dtype=np.float64)


def chromatin_density(pixels: U8, red_cells: F64) -> F32:
    """Optical density of chromatin, with the red-cell colour resolved out.

    Args:
        pixels: (h, w, 3) uint8 BGR, illumination-normalised.
        red_cells: (3,) unit direction from red_cell_direction.

    Returns:
        (h, w) float32: about 0 on plasma and red cells of any depth, 0.2 (pale) to 1.6 (dark) on nuclei.
    """
    chromatin = _unit(np.array(CHROMATIN))
    across = _unit(chromatin - (chromatin @ red_cells) * red_cells)
    return np.asarray(cv2.transform(optical_density(pixels), across[np.newaxis, :]), dtype=np.float32)


def _unit(vector: F64) -> F64:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)
