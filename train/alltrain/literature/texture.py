"""Grey-level co-occurrence: how often two greys lie side by side, and the statistics read from it.

Source: R. M. Haralick, K. Shanmugam, I. Dinstein, Textural Features for Image Classification, IEEE Trans.
SMC 3 (1973) 610-621; cluster shade, cluster prominence and maximum probability after L.-K. Soh,
C. Tsatsoulis, IEEE Trans. Geosci. Remote Sens. 37 (1999) 780-795; normalised differences after
D. A. Clausi, Can. J. Remote Sens. 28 (2002) 45-62. The matrices come from scikit-image.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from skimage.feature import graycomatrix

from alledge.types import F64, U8

Mask = npt.NDArray[np.bool_]

LEVELS: Final = 16
"""Greys that are told apart: enough for chromatin, few enough to fill a matrix from one nucleus."""

ANGLES: Final = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)

STATISTICS: Final = (
    "autocorrelation",
    "contrast",
    "correlation",
    "cluster prominence",
    "cluster shade",
    "dissimilarity",
    "energy",
    "entropy",
    "homogeneity",
    "maximum probability",
    "sum of squares",
    "sum average",
    "sum variance",
    "sum entropy",
    "difference variance",
    "difference entropy",
    "information correlation 1",
    "information correlation 2",
    "normalised inverse difference",
    "normalised inverse difference moment",
)
"""The twenty statistics of one matrix, in the order of `texture_features`."""

_EPS: Final = 1e-12
_I, _J = np.meshgrid(np.arange(1.0, LEVELS + 1), np.arange(1.0, LEVELS + 1), indexing="ij")
_SUM = (_I + _J).astype(np.int64)
_DIFFERENCE = np.abs(_I - _J)


def co_occurrence(grey: U8, inside: Mask) -> F64:
    """Co-occurrence at one pixel's distance, symmetric, of the pixels inside a mask.

    Args:
        grey: (h, w) uint8.
        inside: (h, w) bool; pairs with a pixel outside are left out.

    Returns:
        (4, LEVELS, LEVELS) float64, one matrix an angle, each summing to one; all zero without a pair.
    """
    # Outside becomes level 0, which is then cut off.
    levels = np.where(inside, 1 + grey.astype(np.int64) * LEVELS // 256, 0).astype(np.uint8)
    counts = graycomatrix(levels, [1], list(ANGLES), levels=LEVELS + 1, symmetric=True)
    pairs = np.moveaxis(counts[1:, 1:, 0, :], -1, 0).astype(np.float64)
    total = pairs.sum(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(pairs, total, out=np.zeros_like(pairs), where=total > 0))


def texture_features(matrices: F64) -> F64:
    """The STATISTICS of co-occurrence matrices.

    Args:
        matrices: (A, LEVELS, LEVELS) float64, each summing to one.

    Returns:
        (A, 20) float64; natural logarithms.
    """
    p = matrices
    marginal = p.sum(axis=2)  # a symmetric matrix has one
    grey = np.arange(1.0, LEVELS + 1)
    mean = marginal @ grey
    variance = marginal @ grey**2 - mean**2
    centred = _I + _J - 2 * mean[:, None, None]
    sums, differences = _sums(p), _differences(p)
    autocorrelation = _expect(p, _I * _J)
    columns = (
        autocorrelation,
        _expect(p, _DIFFERENCE**2),
        (autocorrelation - mean**2) / np.maximum(variance, _EPS),
        (p * centred**4).sum(axis=(1, 2)),
        (p * centred**3).sum(axis=(1, 2)),
        _expect(p, _DIFFERENCE),
        (p**2).sum(axis=(1, 2)),
        _entropy(p.reshape(len(p), -1)),
        _expect(p, 1 / (1 + _DIFFERENCE**2)),
        p.max(axis=(1, 2)),
        variance,
        *_of_sums(sums),
        *_of_differences(differences),
        *_information(p, marginal),
        _expect(p, 1 / (1 + _DIFFERENCE / LEVELS)),
        _expect(p, 1 / (1 + (_DIFFERENCE / LEVELS) ** 2)),
    )
    return np.stack(columns, axis=1)


def _expect(p: F64, values: F64) -> F64:
    return np.asarray((p * values).sum(axis=(1, 2)))


def _entropy(p: F64) -> F64:
    """(A,) entropy of each row of (A, K) probabilities."""
    return np.asarray(-(p * np.log(np.maximum(p, _EPS))).sum(axis=1))


def _sums(p: F64) -> F64:
    """(A, 2 LEVELS + 1) probability of each sum of two greys."""
    return np.stack([np.bincount(_SUM.ravel(), matrix.ravel(), 2 * LEVELS + 1) for matrix in p])


def _differences(p: F64) -> F64:
    """(A, LEVELS) probability of each absolute difference of two greys."""
    index = _DIFFERENCE.astype(np.int64).ravel()
    return np.stack([np.bincount(index, matrix.ravel(), LEVELS) for matrix in p])


def _of_sums(sums: F64) -> tuple[F64, F64, F64]:
    """Average, variance and entropy of the sum of two greys."""
    values = np.arange(sums.shape[1], dtype=np.float64)
    average = sums @ values
    return average, sums @ values**2 - average**2, _entropy(sums)


def _of_differences(differences: F64) -> tuple[F64, F64]:
    """Variance and entropy of the absolute difference of two greys."""
    values = np.arange(differences.shape[1], dtype=np.float64)
    return differences @ values**2 - (differences @ values) ** 2, _entropy(differences)


def _information(p: F64, marginal: F64) -> tuple[F64, F64]:
    """Haralick's two information measures of correlation (his f12 and f13)."""
    independent = marginal[:, :, None] * marginal[:, None, :]
    together, alone = _entropy(p.reshape(len(p), -1)), _entropy(marginal)
    crossed = -(p * np.log(np.maximum(independent, _EPS))).sum(axis=(1, 2))
    apart = _entropy(independent.reshape(len(p), -1))
    first = (together - crossed) / np.maximum(alone, _EPS)
    return first, np.sqrt(np.maximum(1 - np.exp(-2 * (apart - together)), 0.0))
