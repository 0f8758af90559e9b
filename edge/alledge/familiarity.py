"""Does a patch look like anything the model was fitted on? If not, a person must look.

A network gives a probability to a scratch, a dust grain or a blurred blob with the same calm as to
a cell. So each model carries a description of its training patches that can be read: ten numbers
a patch, with names (how dark, how blue, how sharp, how much of it is nucleus), their mean, and how
they vary together. The distance of a new patch from them is Mahalanobis' (P. C. Mahalanobis, "On
the generalised distance in statistics", 1936); beyond the limit the patch is unfamiliar. It is a
guard against rubbish, not a detector of new diseases.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from alledge.types import F32, F64, U8

FEATURE_NAMES: Final = (
    "red_absorbance",
    "green_absorbance",
    "blue_absorbance",
    "red_absorbance_spread",
    "green_absorbance_spread",
    "centre_over_rim",
    "nucleus_fraction",
    "plasma_fraction",
    "log_sharpness",
    "log_edge_contrast",
)
# Nuclei absorb red light, red cells and cytoplasm hardly: 0.25 OD in red parts them on every stain seen.
NUCLEUS_ABSORBANCE: Final = 0.25
# Thinner than 0.08 OD in green is empty plasma: red cells start at about 0.15.
PLASMA_ABSORBANCE: Final = 0.08
# One training patch in a hundred may lie beyond the limit before the slack.
LIMIT_QUANTILE: Final = 0.99
# Slides differ more than cells of one slide do. Measured on the four sessions of ALL-IDB1, each left out
# in turn: twice the training quantile keeps nine in ten of its cells and stops nine in ten blurred ones.
LIMIT_SLACK: Final = 2.0
# Ridge on the covariance of standardised features: a feature that never varied must not decide alone.
RIDGE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Familiarity:
    """What training patches look like, by feature.

    mean: one number a feature. spread: one standard deviation a feature, above 0.
    precision: inverse correlation matrix (F, F). limit: greatest familiar distance, above 0.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    limit: float


def patch_features(patches: U8) -> F64:
    """Ten readable numbers a patch.

    Args:
        patches: (N, 50, 50, 3) uint8 RGB.

    Returns:
        (N, 10) float64 in the order of `FEATURE_NAMES`.
    """
    rows = [_features_of_one(patch) for patch in patches]
    return np.asarray(rows, dtype=np.float64).reshape(len(patches), len(FEATURE_NAMES))


def patch_colours(patches: U8) -> F64:
    """(N, 5) float64: the first five of `FEATURE_NAMES`, those of colour, at a tenth of the cost."""
    rows = np.empty((len(patches), 5))
    for row, patch in zip(rows, patches, strict=True):
        mean, spread = cv2.meanStdDev(cv2.LUT(patch, _ABSORBANCE))
        row[:3], row[3:] = mean[:, 0], spread[:2, 0]
    return rows


def _features_of_one(patch: U8) -> list[float]:
    absorbance = cv2.LUT(patch, _ABSORBANCE)
    red, green, blue = (absorbance[:, :, channel] for channel in range(3))
    centre = _centre_disc(patch.shape[0])
    laplacian = cv2.Laplacian(green, cv2.CV_32F)
    edges = np.hypot(cv2.Sobel(green, cv2.CV_32F, 1, 0), cv2.Sobel(green, cv2.CV_32F, 0, 1))
    return [
        float(red.mean()),
        float(green.mean()),
        float(blue.mean()),
        float(red.std()),
        float(green.std()),
        float(red[centre].mean() - red[~centre].mean()),
        float((red > NUCLEUS_ABSORBANCE).mean()),
        float((green < PLASMA_ABSORBANCE).mean()),
        float(np.log(laplacian.std() + 1e-3)),
        float(np.log(edges.mean() + 1e-3)),
    ]


def _absorbance_table() -> F32:
    """Optical density of each grey level against plasma at 230, where the pixel path puts it."""
    levels = np.maximum(np.arange(256, dtype=np.float32), 1.0)
    return np.log10(np.float32(230.0) / levels).astype(np.float32)


@cache  # patches have one size
def _centre_disc(side_px: int) -> npt.NDArray[np.bool_]:
    """(side, side) bool, read-only: the disc of half the patch's width, where a centred cell lies."""
    offset = np.arange(side_px) - (side_px - 1) / 2
    inside: npt.NDArray[np.bool_] = np.hypot(offset[:, None], offset[None, :]) <= side_px / 4
    inside.setflags(write=False)
    return inside


_ABSORBANCE: Final = _absorbance_table()


def fit_familiarity(patches: U8) -> Familiarity:
    """Describe training patches.

    Args:
        patches: (N, 50, 50, 3) uint8 RGB, N >= 2, training patches only.
    """
    features = patch_features(patches)
    mean = features.mean(axis=0)
    spread = np.maximum(features.std(axis=0), 1e-3)
    standard = (features - mean) / spread
    correlation = standard.T @ standard / len(standard) + RIDGE * np.eye(standard.shape[1])
    precision = np.linalg.inv(correlation)
    limit = LIMIT_SLACK * float(np.quantile(_mahalanobis(standard, precision), LIMIT_QUANTILE))
    return Familiarity(
        names=FEATURE_NAMES,
        mean=tuple(mean.tolist()),
        spread=tuple(spread.tolist()),
        precision=tuple(tuple(row) for row in precision.tolist()),
        limit=max(limit, 1.0),
    )


def familiarity_distances(patches: U8, familiarity: Familiarity) -> F64:
    """(N,) float64: how far each patch lies from the training patches, in standard deviations."""
    standard = (patch_features(patches) - np.asarray(familiarity.mean)) / np.asarray(familiarity.spread)
    return _mahalanobis(standard, np.asarray(familiarity.precision))


def is_familiar(patches: U8, familiarity: Familiarity) -> npt.NDArray[np.bool_]:
    """(N,) bool: the patch looks like the training patches."""
    return familiarity_distances(patches, familiarity) <= familiarity.limit


def _mahalanobis(standard: F64, precision: F64) -> F64:
    squared = np.einsum("nf,fg,ng->n", standard, precision, standard)
    distances: F64 = np.sqrt(np.maximum(squared, 0.0))
    return distances
