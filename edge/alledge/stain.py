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
import numpy.typing as npt

from alledge.illumination import PLASMA_LEVEL
from alledge.types import F32, F64, U8

CHROMATIN: Final = (0.08, 0.60, 0.32)
"""Shares of blue, green and red in the optical density of Romanowsky-stained nuclei; the shares on the
darkest 1 % of 50 fields of seven microscopes lie within 0.1 of them."""

_THIN, _THICK = 0.2, 1.6  # total optical density of what may be a red cell, one or two deep
_GREEN_OF_NUCLEI: Final = 0.56  # share of green in the density of nuclei, at least
_CYTOPLASM: Final = 0.4  # width of cytoplasm over the radius of the nucleus in it
_LEAST_SHARE: Final = 0.02  # of the field; fewer coloured pixels name no red-cell colour
_LEAST_SEPARATION: Final = 0.2  # sine of the angle to chromatin; red cells are never nearer

_SAMPLES_A_SIDE: Final = 160
_SHARE_STEP: Final = 0.02
_SHARE_BINS: Final = 40
_FIRST_BIN: Final = 2.5  # shares from -0.05, because haloes are brighter than plasma

_DENSITY_OF_LEVEL: Final[F32] = -np.log(np.maximum(np.arange(256), 1) / PLASMA_LEVEL).astype(np.float32)


def _unit(vectors: F64) -> F64:
    """Vectors along the last axis, scaled to length one."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float64)


def _directions() -> F64:
    """(bins, bins, 3) unit direction of each bin of blue and red shares."""
    shares = (np.arange(_SHARE_BINS) - _FIRST_BIN + 0.5) * _SHARE_STEP
    blue, red = np.meshgrid(shares, shares, indexing="ij")
    return _unit(np.stack([blue, 1.0 - blue - red, red], axis=-1))


def _separations(directions: F64) -> F64:
    """Sine of the angle to chromatin, 0 where it is too small for a red cell."""
    sine = np.sqrt(np.maximum(1.0 - (directions @ _unit(np.array(CHROMATIN))) ** 2, 0.0))
    return np.where(sine > _LEAST_SEPARATION, sine, 0.0)


TYPICAL_RED_CELLS: Final[F64] = _unit(np.array([0.33, 0.44, 0.23]))
"""Direction of red cells where a field shows none: the median over the same 50 fields."""

_DIRECTIONS: Final[F64] = _directions()
_SEPARATION: Final[F64] = _separations(_DIRECTIONS)


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
    step = max(1, round(max(pixels.shape[:2]) / _SAMPLES_A_SIDE))
    density = optical_density(np.ascontiguousarray(pixels[::step, ::step]))
    total = density.sum(axis=2)
    coloured = (total > _THIN) & (total < _THICK) & ~_round_nuclei(density, total)
    if np.count_nonzero(coloured) < _LEAST_SHARE * total.size:
        return TYPICAL_RED_CELLS
    shares = density[coloured] / total[coloured, np.newaxis]
    votes = _count(shares[:, 0], shares[:, 2]) * _SEPARATION**2
    if votes.max() <= 0.0:
        return TYPICAL_RED_CELLS
    return np.asarray(_DIRECTIONS.reshape(-1, 3)[int(votes.argmax())], dtype=np.float64)


def _round_nuclei(density: F32, total: F32) -> npt.NDArray[np.bool_]:
    """Where there may be cytoplasm: in reach of what is dark and nearly as green-absorbing as chromatin."""
    dark = np.asarray((total > _THICK) & (density[..., 1] > _GREEN_OF_NUCLEI * total), dtype=np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(dark)
    largest = int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))
    side = 2 * round(_CYTOPLASM * float(np.sqrt(largest / np.pi))) + 1
    around = cv2.dilate(dark, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(around > 0, dtype=np.bool_)


def _count(blue: F32, red: F32) -> F64:
    """(bins, bins) smoothed counts of blue and red shares."""
    rows = np.clip((blue / _SHARE_STEP + _FIRST_BIN).astype(np.int64), 0, _SHARE_BINS - 1)
    columns = np.clip((red / _SHARE_STEP + _FIRST_BIN).astype(np.int64), 0, _SHARE_BINS - 1)
    counts = np.bincount(rows * _SHARE_BINS + columns, minlength=_SHARE_BINS**2).astype(np.float64)
    return np.asarray(cv2.GaussianBlur(counts.reshape(_SHARE_BINS, _SHARE_BINS), (5, 5), 0), dtype=np.float64)


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
