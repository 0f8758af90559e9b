"""What stays of a picture when it is shifted, turned, mirrored, brightened or compressed again.

A copy can only be found among thousands if both pictures give nearly the same numbers. Two sets of
numbers are taken, and a pair that agrees in either is looked at more closely (`confirming.py`):

- the **spectrum** of the detail: how strong each spatial frequency is. Shifting a picture moves phases
  and leaves strengths; mirroring and quarter turns swap four strengths, which are therefore sorted.
- the **folded thumbnail**, a perceptual hash with its values kept: the cosine transform of a small grey
  picture without signs, and u, v sorted against v, u. Dropping signs and sorting never enlarge a distance,
  so two thumbnails that correlate by r in any of the eight positions have a product of at least r here:
  whatever correlates above the limit is proposed, for certain.

Sources: phase and magnitude under shifts as in B. S. Reddy, B. N. Chatterji, IEEE Trans. Image Process. 5
(1996) 1266-1271; perceptual hashing by the cosine transform as in C. Zauner, Implementation and
Benchmarking of Perceptual Image Hash Functions (2010).
"""

from typing import Final

import cv2
import numpy as np

from alledge.types import F32, U8

SIDE_PX: Final = 64
"""Side of the square on which fingerprints are taken. A cell of a field that fills a tenth keeps 6 pixels."""

_DETAIL_PX: Final = 4.0  # standard deviation in pixels of SIDE_PX: what is coarser is lamp and vignetting
_FLAT_LEVELS: Final = 6.0  # contrast below which there is noise only
_HIGHEST_FREQUENCY: Final = 10  # waves a side; finer ones move under a shift of scale by 5 %
_FOLDED_PX: Final = 16
_CHUNK: Final = 512


def to_square(grey: U8, side: int) -> U8:
    """(side, side) uint8: a grey picture (H, W), squeezed; area-averaged where it shrinks."""
    shrinks = min(grey.shape) > side
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (side, side), interpolation=method), dtype=np.uint8)


def local_contrast(grey: F32, width_px: float) -> F32:
    """Detail finer than `width_px` in units of the contrast around it; (S, S) float32 in and out.

    So a nucleus edge and the grain of the plasma count alike, and neither lamp nor stain depth matters.
    """
    rest = grey - cv2.GaussianBlur(grey, (0, 0), width_px)
    variance = cv2.GaussianBlur(rest * rest, (0, 0), 2 * width_px)
    return np.asarray(rest / np.sqrt(variance + _FLAT_LEVELS**2), dtype=np.float32)


def details(squares: U8) -> F32:
    """(N, S, S) float32: windowed local contrast of each square (N, S, S) uint8, of unit norm."""
    side = squares.shape[1]
    window = np.hanning(side + 2)[1:-1].astype(np.float32)
    window = window[:, np.newaxis] * window
    result = np.empty(squares.shape, np.float32)
    for index, square in enumerate(squares):
        calm = cv2.GaussianBlur(square.astype(np.float32), (0, 0), 0.7)
        found = local_contrast(np.asarray(calm, np.float32), _DETAIL_PX * side / SIDE_PX) * window
        result[index] = found / max(float(np.linalg.norm(found)), 1e-6)
    return result


def spectra(detail: F32) -> F32:
    """(N, D) float32 unit rows from details (N, S, S): strengths of frequencies, told apart from the usual.

    Each strength is standardised over the N pictures: what all smears share says nothing of two of them.
    """
    u, v = _half_octant()
    parts = []
    for start in range(0, len(detail), _CHUNK):
        strength = np.abs(np.fft.fft2(detail[start : start + _CHUNK]))
        four = np.stack(
            [strength[:, u, v], strength[:, u, -v], strength[:, v, u], strength[:, v, -u]], axis=-1
        )
        parts.append(np.sqrt(np.sort(four, axis=-1)).reshape(len(four), -1).astype(np.float32))
    every = np.concatenate(parts) if parts else np.empty((0, 4 * u.size), np.float32)
    return _unit_rows(every)


def standardise(rows: F32) -> F32:
    """Unit rows whose columns had mean 0 and deviation 1 before; (N, D) float32 in and out."""
    centred = rows - rows.mean(axis=0)
    return _unit_rows(np.asarray(centred / np.maximum(rows.std(axis=0), 1e-6), dtype=np.float32))


def folded_thumbnails(squares: U8) -> F32:
    """(N, 256) float32 from (N, S, S) uint8; the product of two rows is never below their correlation."""
    rows = np.empty((len(squares), _FOLDED_PX**2), np.float32)
    upper = np.triu_indices(_FOLDED_PX, 1)
    for index, square in enumerate(squares):
        small = to_square(square, _FOLDED_PX).astype(np.float32)
        waves = np.abs(cv2.dct(small - float(small.mean())))
        pair = np.sort(np.stack([waves[upper], waves.T[upper]]), axis=0)
        rows[index] = np.concatenate([np.diagonal(waves), pair.ravel()])
    return _unit_rows(rows)


def _half_octant() -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]:
    """Frequencies 0 <= v <= u within the radius; the other seven eighths are their mirrored turns."""
    u, v = np.meshgrid(np.arange(_HIGHEST_FREQUENCY + 1), np.arange(_HIGHEST_FREQUENCY + 1), indexing="ij")
    kept = (v <= u) & (u > 0) & (u**2 + v**2 <= _HIGHEST_FREQUENCY**2)
    return u[kept].astype(np.int64), v[kept].astype(np.int64)


def _unit_rows(rows: F32) -> F32:
    norms = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return np.asarray(rows / norms, dtype=np.float32)
