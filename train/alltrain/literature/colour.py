"""The colour of a cell as seven statistics of the histogram of each channel.

Source of the statistics: R. C. Gonzalez, R. E. Woods, Digital Image Processing, on describing texture by the
moments of the histogram. The lamp has been divided out of a patch, so they speak of dye, not of the camera.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.types import F64, U8

STATISTICS: Final = ("mean", "deviation", "smoothness", "skewness", "kurtosis", "uniformity", "entropy")

_BINS: Final = 32


def colour_features(patch: U8, inside: npt.NDArray[np.bool_]) -> F64:
    """(21,) float64: the STATISTICS of red, then green, then blue, of the pixels inside.

    Args:
        patch: (h, w, 3) uint8 RGB.
        inside: (h, w) bool, not empty.
    """
    values = patch[inside].astype(np.float64) / 255
    return np.concatenate([_statistics(values[:, channel]) for channel in range(3)])


def _statistics(values: F64) -> F64:
    mean, deviation = float(values.mean()), float(values.std())
    standard = (values - mean) / max(deviation, 1e-6)
    shares = np.histogram(values, _BINS, (0.0, 1.0))[0] / values.size
    return np.array(
        [
            mean,
            deviation,
            1 - 1 / (1 + deviation**2),
            (standard**3).mean(),
            (standard**4).mean(),
            (shares**2).sum(),
            -(shares * np.log(np.maximum(shares, 1e-12))).sum(),
        ]
    )
