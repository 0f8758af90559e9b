"""Put the plasma between the cells at the same white everywhere, so that the lamp tells nothing.

A smear is mostly plasma with stained cells on it, and plasma lets all light through: whatever the
camera shows there is lamp, condenser, vignetting and white balance, not blood. The background is
estimated where the field is plasma, as a smooth surface per channel, and divided out. Afterwards a
pixel means stain alone, and no classifier can learn the lamp (on ALL-IDB1 the background by
itself tells patients from healthy people).

The surface is a second-order polynomial in log brightness: vignetting of a centred condenser is a
parabola there, and six numbers cannot follow a cell. It starts from the brightest green of each tile
(every blood cell absorbs green: haemoglobin and both Romanowsky dyes do) and is then fitted to the
pixels that agree with it. Tiles without any plasma lie below the surface and are passed over.

Crops on pure black (C-NMC) hold no plasma: black is mask, the gain is one.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from alledge.types import F32, F64, U8

PLASMA_LEVEL: Final = 230
"""Level of the plasma background in every channel after normalisation, of 255: room for haloes above."""

ILLUMINATION_VERSION: Final = "plasma-1"
"""Stored in each model card: a model fits only the pixel path it was trained through."""

_SAMPLES_A_SIDE: Final = 144  # samples along the longer side of the frame; plasma needs no more
_TILES_A_SIDE: Final = 8  # a tile holds a few red cells and the plasma between them
_GRID_A_SIDE: Final = 17  # nodes of the stored surface; bilinear between them errs below 0.2 %
_GAIN_EVERY: Final = 16  # pixels between readings of the stored surface
_MASK_FRACTION: Final = 0.10  # so much pure black is no lens shadow but a mask
_PLASMA_BAND: Final = 0.06  # natural log; camera noise and JPEG stay within, the palest red cell does not
_LOWEST_LEVEL: Final = 8.0  # a background darker than this carries no light to correct
_LOG_OF_LEVEL: Final[F64] = np.log(np.maximum(np.arange(256), 1).astype(np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Illumination:
    """A smooth model of the empty field: what each pixel would show with nothing on the slide.

    background: (K, L, 3) float32, BGR levels at K x L nodes spread evenly from the first to the last
        pixel of the frame, edges included; read-only.
    width, height: size of the frame in pixels.
    masked: the frame is cut out on pure black, which stays black.
    """

    background: F32
    width: int
    height: int
    masked: bool = False

    def normalise(self, pixels: U8, x0: float = 0.0, y0: float = 0.0, scale: float = 1.0) -> U8:
        """Divide the lamp out of a window of the frame.

        Args:
            pixels: (h, w, 3) uint8 BGR; its pixel (i, j) sits at frame x = x0 + j*scale, y = y0 + i*scale.
            x0: frame column of the window's first pixel centre.
            y0: frame row of the window's first pixel centre.
            scale: frame pixels that one pixel of the window spans.

        Returns:
            (h, w, 3) uint8 BGR with plasma at PLASMA_LEVEL; pure black stays pure black in a masked frame.
        """
        if self.masked:
            return pixels.copy()
        gain = self._gain(pixels.shape[0], pixels.shape[1], x0, y0, scale)
        return np.asarray(cv2.multiply(pixels, gain, dtype=cv2.CV_8U), dtype=np.uint8)

    def _gain(self, height: int, width: int, x0: float, y0: float, scale: float) -> F32:
        """(height, width, 3) float32 factor that brings the background to PLASMA_LEVEL."""
        # Read every few pixels and enlarged: the background has no detail, and cv2.resize is quick.
        every = max(1, min(_GAIN_EVERY, height, width))
        rows, columns = self.background.shape[:2]
        x_step = (columns - 1) / max(self.width - 1, 1)
        y_step = (rows - 1) / max(self.height - 1, 1)
        # The first reading lies one step before the window, so that nothing is extrapolated within it.
        first = ((every - 1) / 2 - every) * scale
        to_nodes = np.array(
            [
                [scale * every * x_step, 0.0, (x0 + first) * x_step],
                [0.0, scale * every * y_step, (y0 + first) * y_step],
            ]
        )
        size = (-(-width // every) + 2, -(-height // every) + 2)
        coarse = cv2.warpAffine(
            (PLASMA_LEVEL / self.background).astype(np.float32),
            to_nodes,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        gain = cv2.resize(coarse, (size[0] * every, size[1] * every), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(gain[every : every + height, every : every + width], dtype=np.float32)


def estimate_illumination(frame_pixels: U8) -> Illumination:
    """The empty field behind a frame of blood, from the frame itself.

    Args:
        frame_pixels: (H, W, 3) uint8 BGR.

    Returns:
        The background; a flat one for frames too small, too dark or too featureless to show more.
    """
    height, width = frame_pixels.shape[:2]
    step = max(1, round(max(height, width) / _SAMPLES_A_SIDE))
    samples = np.ascontiguousarray(frame_pixels[step // 2 :: step, step // 2 :: step])
    lit = samples[samples.any(axis=2)]
    if len(lit) < (1.0 - _MASK_FRACTION) * samples.shape[0] * samples.shape[1] and _is_cut_out(lit):
        return _freeze(np.full((2, 2, 3), PLASMA_LEVEL, np.float32), width, height, masked=True)
    logs = np.asarray(cv2.LUT(samples, _LOG_OF_LEVEL), dtype=np.float64)
    coefficients = _fit_plasma(logs)
    axis = np.linspace(-1.0, 1.0, _GRID_A_SIDE)
    surface = _terms(axis[np.newaxis, :], axis[:, np.newaxis]) @ coefficients
    background = np.clip(np.exp(surface), _LOWEST_LEVEL, 255.0).astype(np.float32)
    return _freeze(background, width, height)


def illumination_from_flat_field(empty_field: U8) -> Illumination:
    """The empty field as photographed on an empty part of the slide (device calibration).

    Args:
        empty_field: (H, W, 3) uint8 BGR, no cells, not saturated; dust is smoothed over.

    Returns:
        The background for frames of the same size, optics and exposure.
    """
    height, width = empty_field.shape[:2]
    side = _GRID_A_SIDE * 8
    small = cv2.resize(empty_field, (min(side, width), min(side, height)), interpolation=cv2.INTER_AREA)
    logs = np.log(np.maximum(cv2.medianBlur(small, 5), 1).astype(np.float64))
    terms = _terms_over(logs)
    parabola = terms @ _ridge(terms.reshape(-1, 6), logs.reshape(-1, 3))
    # What the parabola leaves is smoothed by itself: a blur across the edge would flatten the corners.
    rest = cv2.GaussianBlur(logs - parabola, (0, 0), 6.0)
    smooth = np.exp(parabola + rest).astype(np.float32)
    rows = np.linspace(0, smooth.shape[0] - 1, min(_GRID_A_SIDE, height)).round().astype(np.int64)
    columns = np.linspace(0, smooth.shape[1] - 1, min(_GRID_A_SIDE, width)).round().astype(np.int64)
    return _freeze(np.maximum(smooth[np.ix_(rows, columns)], _LOWEST_LEVEL), width, height)


def _freeze(background: F32, width: int, height: int, *, masked: bool = False) -> Illumination:
    """An Illumination whose array nobody can write to."""
    background.setflags(write=False)
    return Illumination(background, width, height, masked)


def _is_cut_out(lit: U8) -> bool:
    """Whether what is not pure black is lit, rather than the whole frame being dark."""
    return lit.size > 0 and float(np.median(lit.max(axis=1))) > 4 * _LOWEST_LEVEL


def _terms(x: F64, y: F64) -> F64:
    """(..., 6) terms of a second-order surface at x, y in -1 to 1."""
    one = np.ones(np.broadcast_shapes(x.shape, y.shape))
    return np.stack([one, x * one, y * one, x * x * one, x * y, y * y * one], axis=-1)


def _terms_over(image: F64) -> F64:
    """(h, w, 6) terms at each pixel of an image; read-only."""
    return _terms_of_size(*image.shape[:2])


@lru_cache(maxsize=4)  # a camera's frames have one size
def _terms_of_size(height: int, width: int) -> F64:
    terms = _terms(np.linspace(-1, 1, width)[np.newaxis, :], np.linspace(-1, 1, height)[:, np.newaxis])
    terms.setflags(write=False)
    return terms


def _fit_plasma(logs: F64) -> F64:
    """(6, 3) coefficients of the log background, from (h, w, 3) log samples."""
    terms = _terms_over(logs)
    flat_terms, flat_logs = terms.reshape(-1, 6), logs.reshape(-1, 3)
    green = _envelope_of_tiles(logs[..., 1])
    for _ in range(3):
        plasma = np.abs(flat_logs[:, 1] - flat_terms @ green) < _PLASMA_BAND
        if np.count_nonzero(plasma) < flat_terms.shape[1]:
            break
        green = _ridge(flat_terms[plasma], flat_logs[plasma, 1:2])[:, 0]
    plasma = np.abs(flat_logs[:, 1] - flat_terms @ green) < _PLASMA_BAND
    if np.count_nonzero(plasma) < flat_terms.shape[1]:
        return np.vstack([np.percentile(flat_logs, 95, axis=0), np.zeros((5, 3))])
    return _ridge(flat_terms[plasma], flat_logs[plasma])


def _envelope_of_tiles(green: F64) -> F64:
    """(6,) first surface through the brightest green of the tiles that hold plasma."""
    rows, columns = min(_TILES_A_SIDE, green.shape[0]), min(_TILES_A_SIDE, green.shape[1])
    height, width = green.shape[0] // rows, green.shape[1] // columns
    tiles = green[: rows * height, : columns * width].reshape(rows, height, columns, width)
    level = np.percentile(tiles.transpose(0, 2, 1, 3).reshape(rows * columns, -1), 90, axis=1)[:, np.newaxis]
    x = ((np.arange(columns) + 0.5) * width - 0.5) * 2 / max(green.shape[1] - 1, 1) - 1
    y = ((np.arange(rows) + 0.5) * height - 0.5) * 2 / max(green.shape[0] - 1, 1) - 1
    places = _terms(x[np.newaxis, :], y[:, np.newaxis]).reshape(-1, 6)
    weight = np.ones(len(level))
    for _ in range(6):
        surface = _ridge(places, level, weight)[:, 0]
        below = places @ surface - level[:, 0]
        # Plasma is the upper envelope: a tile below the surface holds cells only.
        weight = np.where(below > _PLASMA_BAND, 0.05, 1.0)
    return surface


def _ridge(terms: F64, logs: F64, weight: F64 | None = None) -> F64:
    """(6, C) weighted least squares; slope and curvature are held near zero where little plasma shows."""
    weighted = terms if weight is None else terms * weight[:, np.newaxis]
    # Worth one sample in 500: invisible where plasma is all over, decisive where it is one corner.
    penalty = np.diag([0.0, 1.0, 1.0, 1.0, 1.0, 1.0]) * 0.002 * float(weighted[:, 0].sum())
    return np.asarray(np.linalg.solve(weighted.T @ terms + penalty, weighted.T @ logs), dtype=np.float64)
