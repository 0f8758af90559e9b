"""How far one field is shifted against another, and how sure that is.

A smear is a fingerprint: no two places have their red cells in the same pattern. Two views of it are
brought to about a micrometre a pixel, and phase correlation (Kuglin and Hines, Proc IEEE Conf
Cybernetics and Society 1975, 163) proposes shifts: the phases of the two spectra agree at the right
one, whatever the brightness. Both views are padded to twice their size, so that a shift of +N pixels
and one of N - size are different proposals, and no window hides the margins, which are all that two
fields with 20 % overlap share. Each proposal is then judged by what it claims: the correlation of the
two views over their overlap.

Sure means: so good a correlation is no accident, and no other shift does as well. Pixels of a smear are
not independent, so Bartlett's formula gives the number that are (J R Stat Soc Suppl 1946, 8:27): the
variance of a correlation by chance is the sum of the product of both autocorrelations over the overlap.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from alledge.illumination import PLASMA_LEVEL, Illumination
from alledge.reduced import Halvings
from alledge.types import F32, U8

C64: TypeAlias = npt.NDArray[np.complexfloating]

WORKING_UM: Final = 1.15
"""A red cell is then six pixels wide: enough to place it to a tenth of a pixel, and quick."""

LEAST_OVERLAP: Final = 0.08
"""Share of a field below which no shift is proposed: the chance of an accident grows, the use shrinks."""

_FINEST_UM: Final = 1.2  # standard deviation of the blur: defocus takes what is finer
_COARSEST_UM: Final = 9.0  # standard deviation of what is taken away: stain gradients, rest of the lamp
_DARKEST: Final = 0.9  # optical density at which nuclei are clipped, so that red cells have a say
_PROPOSALS: Final = 6
_APART_UM: Final = 4.0  # shifts nearer than that are the same shift
_CLEAR_MARGIN: Final = 4.0  # standard deviations by which the best shift beats the next to be unambiguous


@dataclass(frozen=True, eq=False)
class View:
    """A field as registration sees it: detail only, at about a micrometre a pixel.

    detail: (h, w) float32, green optical density, band-passed, zero mean; read-only.
    unit_um: micrometres a pixel of it.
    grain_px: pixels of detail that are worth one independent pixel.
    """

    detail: F32
    unit_um: float
    grain_px: float

    @cached_property
    def spectrum(self) -> C64:
        """Whitened half spectrum of the padded detail."""
        return _whitened(np.fft.rfft2(self.detail, padded_size(self.detail.shape)))


@dataclass(frozen=True, slots=True)
class Shift:
    """Where one view lies in the coordinates of another.

    dx_um, dy_um: place of the second view's first pixel in the first view.
    correlation: of both views over their overlap, -1 to 1.
    overlap: share of the view that both show, 0 to 1.
    confidence: 0 to 1; one minus the chance that the match is an accident or one of several as good.
    """

    dx_um: float
    dy_um: float
    correlation: float
    overlap: float
    confidence: float


NO_SHIFT: Final = Shift(0.0, 0.0, 0.0, 0.0, 0.0)
"""Nothing matches."""


def reduction_factor(pixel_um: float) -> int:
    """Power of two by which a field is reduced: the fastest way to about WORKING_UM."""
    return int(2 ** max(0, round(math.log2(WORKING_UM / pixel_um))))


@dataclass(frozen=True, slots=True, eq=False)
class FieldView:
    """A field as it is placed by: small enough to be kept for each field of a slide.

    green: (h, w) uint8, reduced, plasma at PLASMA_LEVEL. unit_um: micrometres a pixel of it.
    frame_shape: of the frame that it was made from. pixel_um: micrometres a pixel of the frame.
    """

    green: U8
    unit_um: float
    frame_shape: tuple[int, ...]
    pixel_um: float


def field_view(seen: Halvings, pixel_um: float, illumination: Illumination) -> FieldView:
    """What a field is placed by.

    Args:
        seen: the frame.
        pixel_um: micrometres a pixel.
        illumination: of the field.
    """
    shape = seen.pixels.shape
    factor = max(1, min(reduction_factor(pixel_um), min(shape[:2]) // 16))
    green = np.ascontiguousarray(seen.reduce_by(illumination, factor).pixels[..., 1])
    return FieldView(green, pixel_um * factor, shape, pixel_um)


def view_of(pixels: U8, pixel_um: float, illumination: Illumination) -> View:
    """The view of a field, (H, W, 3) uint8 BGR; as `field_view` and `view_of_green`."""
    kept = field_view(Halvings(pixels), pixel_um, illumination)
    return view_of_green(kept.green, kept.unit_um)


def view_of_green(green: U8, unit_um: float) -> View:
    """The view of a reduced green channel, (h, w) uint8 with plasma at PLASMA_LEVEL."""
    density = np.asarray(cv2.LUT(green, _DENSITY_OF_LEVEL), dtype=np.float32)
    fine = cv2.GaussianBlur(density, (0, 0), _FINEST_UM / unit_um)
    detail = np.asarray(fine - cv2.GaussianBlur(density, (0, 0), _COARSEST_UM / unit_um), dtype=np.float32)
    detail -= detail.mean()
    detail.setflags(write=False)
    return View(detail, unit_um, _grain_px(np.fft.rfft2(detail)))


def register(first: View, second: View) -> Shift:
    """Where the second view lies in the first; confidence 0 where no shift is found.

    Views of different size or scale never match.
    """
    if not _comparable(first, second):
        return NO_SHIFT
    tried = [_judge(first, second, dx, dy) for dx, dy in _proposals(first, second)]
    if not tried:
        return NO_SHIFT
    best = max(tried, key=lambda proposal: proposal.sigmas)
    rivals = [one.sigmas for one in tried if _apart(one, best, first.unit_um)]
    return _finish(first, second, best, max(rivals, default=0.0))


def confirm(first: View, second: View, dx_um: float, dy_um: float, reach_um: float) -> Shift:
    """The shift near a predicted one, within `reach_um` of it; cheaper than `register`, and never far off.

    Confidence counts only the shifts within reach as tried.
    """
    if not _comparable(first, second):
        return NO_SHIFT
    unit_um = first.unit_um
    dx, dy = round(dx_um / unit_um), round(dy_um / unit_um)
    reach = max(1, math.ceil(reach_um / unit_um))
    found = _search(first.detail, second.detail, dx, dy, reach)
    if found is None:
        return NO_SHIFT
    judged = _judge(first, second, *found)
    return _finish(first, second, judged, 0.0, n_tried=(2 * reach + 1) ** 2)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A proposed shift in whole pixels, its correlation, and that in standard deviations of chance."""

    dx: int
    dy: int
    correlation: float
    overlap: float
    sigmas: float


def _finish(first: View, second: View, best: _Judged, rival_sigmas: float, n_tried: int = 0) -> Shift:
    """The shift to a part of a pixel, with its confidence."""
    n_tried = n_tried or 4 * first.detail.size
    accident = min(1.0, n_tried * 0.5 * math.erfc(best.sigmas / math.sqrt(2.0)))
    margin = min(1.0, max(0.0, (best.sigmas - rival_sigmas) / _CLEAR_MARGIN))
    x, y = _to_part_of_pixel(first.detail, second.detail, best.dx, best.dy)
    return Shift(
        dx_um=x * first.unit_um,
        dy_um=y * first.unit_um,
        correlation=best.correlation,
        overlap=best.overlap,
        confidence=(1.0 - accident) * margin,
    )


def _comparable(first: View, second: View) -> bool:
    return first.detail.shape == second.detail.shape and abs(first.unit_um / second.unit_um - 1.0) < 1e-9


def _apart(one: _Judged, other: _Judged, unit_um: float) -> bool:
    return math.hypot(one.dx - other.dx, one.dy - other.dy) * unit_um > _APART_UM


def padded_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Twice the size and a little, to a size that transforms quickly."""
    return int(cv2.getOptimalDFTSize(2 * shape[0])), int(cv2.getOptimalDFTSize(2 * shape[1]))


def _whitened(spectrum: C64) -> C64:
    """All frequencies with the same weight, but for those where there is noise only."""
    size = np.abs(spectrum)
    return np.asarray(spectrum / (size + 1e-3 * float(size.max()) + 1e-9), dtype=np.complex64)


def _grain_px(spectrum: C64) -> float:
    """Sum of the squared autocorrelation: by Parseval, from the power spectrum."""
    power = np.square(np.abs(spectrum)).astype(np.float64)
    whole = float(power.sum())
    if whole <= 0.0:
        return float(power.size)
    # Over the half spectrum: the mirrored half doubles both sums and the number of frequencies.
    return max(1.0, power.size * float(np.square(power).sum()) / whole**2)


def _proposals(first: View, second: View) -> list[tuple[int, int]]:
    """Whole-pixel shifts (dx, dy) at the peaks of the phase correlation, best first."""
    height, width = first.detail.shape
    rows, columns = padded_size((height, width))
    phases = np.fft.irfft2(first.spectrum * np.conj(second.spectrum), (rows, columns)).astype(np.float32)
    # A little blur gathers a peak that lies between pixels.
    surface = np.asarray(cv2.GaussianBlur(phases, (3, 3), 0), dtype=np.float32)
    surface[_too_little_overlap(height, width, rows, columns)] = -np.inf
    found: list[tuple[int, int]] = []
    apart = max(1, round(_APART_UM / first.unit_um))
    for _ in range(_PROPOSALS):
        _, peak, _, (column, row) = cv2.minMaxLoc(surface)
        if peak <= 0.0:
            break
        found.append((_signed(column, columns), _signed(row, rows)))
        across = np.arange(column - apart, column + apart + 1) % columns
        down = np.arange(row - apart, row + apart + 1) % rows
        surface[np.ix_(down, across)] = -np.inf
    return found


def _signed(index: int, size: int) -> int:
    """A shift from its place in the correlation surface, whose second half holds the negative ones."""
    return index if index < (size + 1) // 2 else index - size


@lru_cache(maxsize=4)
def _too_little_overlap(height: int, width: int, rows: int, columns: int) -> npt.NDArray[np.bool_]:
    """(rows, columns) where the overlap of two views is below LEAST_OVERLAP."""
    down = np.array([max(0, height - abs(_signed(row, rows))) for row in range(rows)]) / height
    across = np.array([max(0, width - abs(_signed(column, columns))) for column in range(columns)]) / width
    return np.asarray(down[:, np.newaxis] * across[np.newaxis, :] < LEAST_OVERLAP)


def _overlap(first: F32, second: F32, dx: int, dy: int) -> tuple[F32, F32]:
    """The parts of both views that show the same when the second lies at (dx, dy) in the first."""
    height, width = first.shape
    return (
        first[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)],
        second[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)],
    )


def _correlation(one: F32, other: F32) -> float:
    """Pearson's correlation of two images of the same size; 0 where one of them is flat."""
    a, b = one - one.mean(), other - other.mean()
    scale = math.sqrt(float(np.vdot(a, a)) * float(np.vdot(b, b)))
    return float(np.vdot(a, b)) / scale if scale > 0.0 else 0.0


def _judge(first: View, second: View, dx: int, dy: int) -> _Judged:
    """How well a proposal fits, in standard deviations of what chance gives on so small an overlap."""
    one, other = _overlap(first.detail, second.detail, dx, dy)
    if one.size < 16:
        return _Judged(dx, dy, 0.0, 0.0, 0.0)
    correlation = _correlation(one, other)
    independent = one.size / math.sqrt(first.grain_px * second.grain_px)
    # Fisher's transformation makes the deviation the same for every true correlation.
    sigmas = math.atanh(min(correlation, 0.9999)) * math.sqrt(max(independent - 3.0, 0.0))
    return _Judged(dx, dy, correlation, one.size / first.detail.size, sigmas)


def _search(first: F32, second: F32, dx: int, dy: int, reach: int) -> tuple[int, int] | None:
    """The whole-pixel shift with the best correlation within `reach` of (dx, dy)."""
    surface = _surface_about(first, second, dx, dy, reach)
    if surface is None:
        return None
    _, _, _, (column, row) = cv2.minMaxLoc(surface)
    return dx + column - reach, dy + row - reach


def _surface_about(first: F32, second: F32, dx: int, dy: int, reach: int) -> F32 | None:
    """(2 reach + 1, 2 reach + 1) correlations about (dx, dy); None where too little overlaps."""
    one, other = _overlap(first, second, dx, dy)
    inner = other[reach:-reach, reach:-reach] if min(other.shape) > 2 * reach + 8 else None
    if inner is None or inner.std() == 0.0:
        return None
    surface = np.asarray(cv2.matchTemplate(one, inner, cv2.TM_CCOEFF_NORMED), dtype=np.float32)
    return np.nan_to_num(surface, nan=0.0, posinf=0.0, neginf=0.0)


def _to_part_of_pixel(first: F32, second: F32, dx: int, dy: int) -> tuple[float, float]:
    """The peak of the correlation between pixels: a parabola along each axis through three values."""
    surface = _surface_about(first, second, dx, dy, 1)
    if surface is None:
        return float(dx), float(dy)
    return dx + _vertex(surface[1]), dy + _vertex(surface[:, 1])


def _vertex(values: F32) -> float:
    """Place of the vertex of a parabola through values at -1, 0 and 1, at most half a pixel off."""
    before, here, after = (float(value) for value in values)
    bend = before - 2.0 * here + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0.0 else 0.0


_DENSITY_OF_LEVEL: Final[F32] = np.clip(
    -np.log(np.maximum(np.arange(256), 1) / PLASMA_LEVEL), -0.2, _DARKEST
).astype(np.float32)
