"""Whether two pictures show the same thing: laid on each other, detail must agree with detail.

Stained smears look alike when they are shrunk: two lymphocytes of one stain correlate at 0.98 and are
two cells. What two cells never share is the fine detail, the grain of the chromatin and the red cells
around. So a proposed pair is first turned and shifted to where its details agree best (all eight positions
and all shifts at once, by Fourier transform), then aligned to a fraction of a pixel, then compared three
times: grey levels; detail in units of the local contrast; and structure, the local correlation of SSIM
(Z. Wang et al., IEEE Trans. Image Process. 13 (2004) 600-612), of which the worst quarter counts, because
an outline can agree by chance and the rest with it cannot.

The limits lie in the gaps that were measured on pairs told apart by eye (docs/audit.md).
Alignment: G. D. Evangelidis, E. Z. Psarakis, IEEE Trans. Pattern Anal. Mach. Intell. 30 (2008) 1858-1865.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from alledge.types import F32, U8
from alltrain.audit.fingerprints import local_contrast

Mask = npt.NDArray[np.bool_]

POSITIONS: Final = (
    "as it is",
    "turned by 90 degrees",
    "turned by 180 degrees",
    "turned by 270 degrees",
    "mirrored",
    "mirrored and turned by 90 degrees",
    "mirrored and turned by 180 degrees",
    "mirrored and turned by 270 degrees",
)

_LEAST_OVERLAP: Final = 0.5
_MOST_STRETCH: Final = 0.25  # of a length; a crop keeps three quarters of the side
_MOST_SKEW: Final = (
    1.06  # longer over shorter axis; cameras and crops scale both sides alike, measured to 1.04
)
_ECC_BLUR_PX: Final = 5
_ECC_STEPS: Final = 30
_DETAIL_PX: Final = 1.5
_STRUCTURE_PX: Final = 1.5
_NOISE_LEVELS: Final = 3.0  # contrast below which a picture shows camera noise and JPEG blocks


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two pictures agree.

    position: index into POSITIONS, how the second is to be turned to lie on the first.
    raw: grey correlation as turned, not shifted. grey, detail: correlations when aligned.
    structure: local correlation that three quarters of the picture reach.
    shift: share of the side by which it is moved. stretch: factor of length.
    """

    position: int
    raw: float
    grey: float
    detail: float
    structure: float
    shift: float
    stretch: float


def turn(picture: F32, position: int) -> F32:
    """The picture (S, S) in one of the eight positions."""
    mirrored = picture[:, ::-1] if position >= 4 else picture
    return np.ascontiguousarray(np.rot90(mirrored, position % 4))


def best_position(first: F32, second: F32) -> tuple[int, float, int, int]:
    """(position, peak, dx, dy) at which the details of two pictures, each (S, S) of unit norm, agree best."""
    side = first.shape[0]
    turned = np.stack([turn(second, position) for position in range(len(POSITIONS))])
    product = np.conj(np.fft.rfft2(first)) * np.fft.rfft2(turned)
    agreement = np.fft.irfft2(product, s=(side, side))
    position, dy, dx = (int(index) for index in np.unravel_index(int(agreement.argmax()), agreement.shape))
    peak = float(agreement[position, dy, dx])
    return position, peak, (dx + side // 2) % side - side // 2, (dy + side // 2) % side - side // 2


def agree(first: U8, second: U8, position: int, dx: float, dy: float) -> Agreement | None:
    """Align `second` to `first` and compare; None when no plausible alignment exists.

    Both (S, S) uint8; dx, dy: first guess of the shift in pixels.
    """
    fixed, moving = first.astype(np.float32), turn(second.astype(np.float32), position)
    warp = _align(fixed, moving, dx, dy)
    if warp is None:
        return None
    side = fixed.shape[0]
    flags = cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(moving, warp, (side, side), flags=flags | cv2.INTER_LINEAR)
    covered = cv2.warpAffine(np.ones_like(moving), warp, (side, side), flags=flags | cv2.INTER_NEAREST)
    # Where the edge of one lies in the other there is no detail to compare.
    edge = np.ones((5, 5), np.uint8)
    inside = cv2.erode(covered, edge, borderType=cv2.BORDER_CONSTANT, borderValue=0.0) > 0
    if inside.mean() < _LEAST_OVERLAP:
        return None
    a, b = _calm(fixed), _calm(np.asarray(laid, dtype=np.float32))
    centre = warp @ np.array([side / 2, side / 2, 1.0])
    return Agreement(
        position=position,
        raw=_correlation(fixed, moving),
        grey=_correlation(a[inside], b[inside]),
        detail=_correlation(local_contrast(a, _DETAIL_PX)[inside], local_contrast(b, _DETAIL_PX)[inside]),
        structure=_worst_quarter(_local_structure(a, b, inside)),
        shift=float(np.hypot(*(centre - side / 2))) / side,
        stretch=float(np.sqrt(abs(np.linalg.det(warp[:, :2])))),
    )


def _align(fixed: F32, moving: F32, dx: float, dy: float) -> F32 | None:
    """(2, 3) float32 warp of `moving` onto `fixed`, None when there is none or it distorts."""
    guess = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _ECC_STEPS, 1e-4)
    try:
        _, warp = cv2.findTransformECC(
            fixed, moving, guess, cv2.MOTION_AFFINE, stop, np.empty(0, np.uint8), _ECC_BLUR_PX
        )
    except cv2.error:
        return None  # the search left the picture: nothing in common
    axes = np.linalg.svd(warp[:, :2], compute_uv=False)
    if np.abs(axes - 1).max() > _MOST_STRETCH or axes[0] > _MOST_SKEW * axes[1]:
        return None
    return np.asarray(warp, dtype=np.float32)


def _local_structure(a: F32, b: F32, inside: Mask) -> F32:
    """(K,) float32: local correlation wherever one of two (S, S) pictures shows more than noise."""
    gain = float(a[inside].std()) / max(float(b[inside].std()), 1e-6)
    b = np.asarray(b * gain, dtype=np.float32)
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = np.maximum(_blur(a * a) - mean_a**2, 0)
    variance_b = np.maximum(_blur(b * b) - mean_b**2, 0)
    shared = (_blur(a * b) - mean_a * mean_b) / (np.sqrt(variance_a * variance_b) + _NOISE_LEVELS**2)
    shown = inside & (np.maximum(variance_a, variance_b) > _NOISE_LEVELS**2)
    return np.asarray(shared[shown], dtype=np.float32)


def _worst_quarter(values: F32) -> float:
    """What three quarters of the values reach; 0 where there are none."""
    return float(np.quantile(values, 0.25)) if values.size else 0.0


def _blur(picture: F32) -> F32:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), _STRUCTURE_PX), dtype=np.float32)


def _calm(picture: F32) -> F32:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.7), dtype=np.float32)


def _correlation(a: F32, b: F32) -> float:
    x, y = a - a.mean(), b - b.mean()
    return float((x * y).sum() / max(1e-6, float(np.sqrt((x * x).sum() * (y * y).sum()))))
