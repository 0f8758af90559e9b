"""The size of a pixel, read off the ruled lines of a stage micrometer, however it lies on the stage.

A stage micrometer is glass with lines at a known distance, ten micrometres for most. Seen along the lines
(a projection, as in the Radon transform) they add up to sharp dips and everything else, dust and figures,
to nothing much; so the direction is the one whose projection varies most. Autocorrelation gives the spacing
roughly, and a straight line through the places of all rulings against their numbers gives it to a few parts
in ten thousand, with its standard error.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.calibration.calibration import Scale, ScaleSource
from alledge.errors import CalibrationRefused
from alledge.illumination import Illumination
from alledge.reduced import reduce_by
from alledge.stain import optical_density
from alledge.types import F32, F64, U8

_LONG_SIDE: Final = 1400  # rulings are placed to a twentieth of a pixel; more pixels add nothing
_COARSE_SIDE, _FINE_SIDE = 256, 640  # for the direction; 0.1 degrees change a spacing by two in a million
_SOFT: Final = 0.08  # of the spacing
_CHORD: Final = 0.8  # of the radius: beyond, too little of a ruling lies in the disc
_LEAST_LINES: Final = 5
_LEAST_DARK: Final = 0.01  # mean optical density of a ruling along the projection
_EXPLAINED: Final = 0.8  # of the rulings that must fit the spacing, and of the places that must have one
_STRAY: Final = 0.15  # of the spacing: farther off is no ruling
_LARGEST_ERROR: Final = 0.01  # relative standard error of the spacing
_PLAUSIBLE_UM: Final = (0.02, 1.5)  # a pixel, as in pixel_size.py
_NEXT: Final = "Focus on the rulings, let five or more cross the field, and check --division-um."


@dataclass(frozen=True, slots=True)
class _Ruling:
    """A fitted comb: spacing in pixels with its standard error, lines it rests on, and how well it fits."""

    spacing_px: float
    error_px: float
    n_lines: int
    fit: float


def measure_micrometer(pixels: U8, illumination: Illumination, division_um: float) -> Scale:
    """Micrometres per pixel from a picture of a stage micrometer.

    Args:
        pixels: (H, W, 3) uint8 BGR, rulings dark on clear glass, at any angle.
        illumination: the empty field of the same camera.
        division_um: distance of neighbouring lines.

    Raises:
        CalibrationRefused: no evenly ruled lines are seen, or the size is none a microscope has.
    """
    factor = max(1, round(max(pixels.shape[:2]) / _LONG_SIDE))
    density = optical_density(reduce_by(pixels, illumination, factor).pixels)[..., 1]
    disc = _disc(np.ascontiguousarray(density))
    profile = _profile(disc, _direction_deg(disc))
    ruling = _best_ruling(profile)
    if ruling is None:
        raise CalibrationRefused("No evenly ruled lines are seen.", _NEXT)
    pixel_um = division_um / (ruling.spacing_px * factor)
    if not _PLAUSIBLE_UM[0] <= pixel_um <= _PLAUSIBLE_UM[1]:
        raise CalibrationRefused(f"The lines say {pixel_um:.3g} um a pixel, which no microscope has.", _NEXT)
    error_um = pixel_um * ruling.error_px / ruling.spacing_px
    return Scale(pixel_um, error_um, ScaleSource.STAGE_MICROMETER, ruling.n_lines)


def _disc(density: F32) -> F32:
    """The largest centred square, as it turns into itself when rotated: zero outside its disc."""
    side = min(density.shape)
    top, left = ((size - side) // 2 for size in density.shape)
    square = density[top : top + side, left : left + side]
    # What is broader than a few rulings is uneven glass or light.
    flat = square - cv2.GaussianBlur(square, (0, 0), side / 8)
    return np.asarray(flat * _mask(side), dtype=np.float32)


def _mask(side: int) -> F32:
    offset = np.arange(side, dtype=np.float32) - (side - 1) / 2
    return np.asarray(np.hypot(offset[:, None], offset[None, :]) < side / 2 - 1, dtype=np.float32)


def _direction_deg(disc: F32) -> float:
    """Angle by which the disc must be turned for the lines to stand upright: coarse, then finer."""
    coarse, fine = (_shrunk(disc, side) for side in (_COARSE_SIDE, _FINE_SIDE))
    best = _steepest(coarse, np.arange(0.0, 180.0, 1.5))
    best = _steepest(coarse, best + np.arange(-2.0, 2.1, 0.5))
    return _steepest(fine, best + np.arange(-0.6, 0.61, 0.1))


def _shrunk(disc: F32, side: int) -> F32:
    if disc.shape[0] <= side:
        return disc
    return np.asarray(cv2.resize(disc, (side, side), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _steepest(disc: F32, angles_deg: F64) -> float:
    """Of some angles the one whose projection varies most."""
    return float(max(angles_deg, key=lambda angle: float(_profile(disc, float(angle)).var())))


def _profile(disc: F32, angle_deg: float) -> F64:
    """(n,) mean density along the direction, over the middle of the disc, turned by an angle."""
    side = disc.shape[0]
    centre = (side - 1) / 2
    turn = cv2.getRotationMatrix2D((centre, centre), angle_deg, 1.0)
    turned = cv2.warpAffine(disc, turn, (side, side), flags=cv2.INTER_LINEAR)
    offset = np.arange(side) - centre
    within = np.abs(offset) < _CHORD * side / 2
    chord = 2.0 * np.sqrt(np.maximum((side / 2) ** 2 - offset**2, 1.0))
    return np.asarray(turned.sum(axis=0, dtype=np.float64)[within] / chord[within], dtype=np.float64)


def _best_ruling(profile: F64) -> _Ruling | None:
    """The comb that explains the dark lines of a profile, None when none does."""
    rough = _rough_spacing(profile)
    lines = _lines(profile, rough) if rough is not None else np.empty(0)
    if rough is None or len(lines) < _LEAST_LINES:
        return None
    combs = [_fitted(lines, spacing) for spacing in (rough, rough / 2.0, rough * 2.0)]
    best = max((comb for comb in combs if comb is not None), key=lambda comb: comb.fit, default=None)
    if best is None or best.fit < _EXPLAINED or best.error_px > _LARGEST_ERROR * best.spacing_px:
        return None
    return best


def _rough_spacing(profile: F64) -> float | None:
    """The least lag, in pixels, at which a profile repeats itself."""
    centred = profile - profile.mean()
    n = len(centred)
    spectrum = np.fft.rfft(centred, 2 * n)
    raw = np.fft.irfft(np.abs(spectrum) ** 2)[: 2 * n // 3]
    repeat = raw / (n - np.arange(len(raw)))
    if repeat[0] <= 0.0:
        return None
    below = np.flatnonzero(repeat < 0.0)
    if len(below) == 0:
        return None
    inner = np.arange(max(int(below[0]), 1), len(repeat) - 1)
    peaks = inner[(repeat[inner] >= repeat[inner - 1]) & (repeat[inner] > repeat[inner + 1])]
    high = peaks[repeat[peaks] > 0.5 * repeat[peaks].max(initial=0.0)] if len(peaks) else peaks
    return float(high[0]) if len(high) else None


def _lines(profile: F64, spacing: float) -> F64:
    """Places of the dark lines of a profile, to a fraction of a pixel."""
    # As wide as a ruling: the top of a broad one is flat, and its middle lies where the noise puts it.
    sigma = max(1.0, _SOFT * spacing)
    soft = cv2.GaussianBlur(profile.reshape(1, -1), (0, 0), sigma).ravel()
    # The shorter rulings of a scale are not as dark in projection as the long ones.
    level = max(0.3 * float(np.percentile(soft, 97)), _LEAST_DARK)
    middle = soft[1:-1]
    at = 1 + np.flatnonzero((middle >= soft[:-2]) & (middle > soft[2:]) & (middle > level))
    # Of a ruling that the edge cuts, the middle is not known.
    at = at[(at > 3.0 * sigma) & (at < len(soft) - 3.0 * sigma)]
    bend = soft[at - 1] - 2.0 * soft[at] + soft[at + 1]
    return np.asarray(at + 0.5 * (soft[at - 1] - soft[at + 1]) / bend, dtype=np.float64)


def _fitted(lines: F64, spacing: float) -> _Ruling | None:
    """The comb near a spacing that fits some lines best, by least squares on those that belong to it."""
    origin = float(lines[len(lines) // 2])
    kept = np.ones(len(lines), dtype=np.bool_)
    number = np.round((lines - origin) / spacing)
    for _ in range(4):
        if np.count_nonzero(kept) < _LEAST_LINES or np.ptp(number[kept]) < _LEAST_LINES - 1:
            return None
        spacing, origin = (float(value) for value in np.polyfit(number[kept], lines[kept], 1))
        if spacing <= 0.0:
            return None
        number = np.round((lines - origin) / spacing)
        kept = np.abs(lines - origin - number * spacing) < _STRAY * spacing
    places = np.unique(number[kept])
    if len(places) < _LEAST_LINES:
        return None
    rest = lines[kept] - origin - number[kept] * spacing
    lever = float(np.sum((number[kept] - number[kept].mean()) ** 2))
    error = float(np.sqrt(np.sum(rest**2) / max(len(rest) - 2, 1) / lever))
    present = len(places) / (np.ptp(places) + 1.0)
    return _Ruling(spacing, error, len(places), min(float(kept.mean()), float(present)))
