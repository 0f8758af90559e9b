"""Say whether a field can be judged, before anything is said about its cells.

The worst that a screening aid can do is to count cells in a picture that shows none. Each way of
failing has a name and a sentence that tells a technician what to do.

- Light: the level of the background, and how much of the frame is at the top of the scale.
- Blood: a smear is clear plasma with matter on it that takes one family of colours, because haemoglobin
  and the Romanowsky dyes all absorb green. Noise, text and landscapes do not.
- Thickness: cells that lie on one another cannot be told apart (crowding.py).
- Focus: blur once more by a known amount and see how much steepness is lost (the blur effect: Crete et
  al., Proc SPIE 2007, 6492). Where an edge is blurred by s and then by r, its slope falls by
  s / sqrt(s^2 + r^2) whatever its contrast, so s follows, in micrometres, on pale and dark slides alike.
"""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from alledge.crowding import is_too_thick
from alledge.illumination import Illumination
from alledge.stain import optical_density
from alledge.types import F32, U8, Quality, Verdict

_ADVICE: Final = {
    Verdict.OK: "The field can be judged.",
    Verdict.OUT_OF_FOCUS: "Turn the fine focus until the rims of the red cells are crisp.",
    Verdict.TOO_DARK: "Turn the lamp up or open the condenser.",
    Verdict.SATURATED: "Turn the lamp or the exposure down: the picture is washed out.",
    Verdict.NO_SMEAR: "Move the slide: there are no cells here.",
    Verdict.NOT_A_SMEAR: "Check the slide and the camera: this does not look like a stained blood smear.",
    Verdict.TOO_THICK: "Move towards the feathered edge: the cells overlap here.",
    Verdict.STAIN_UNLIKE_TRAINING: "Check stain and buffer: the model has seen no cells of this colour.",
    Verdict.LIGHT_CHANGED: "Restore lamp and condenser, or run `alledge calibrate`.",
    Verdict.NOT_CALIBRATED: "Restore the camera's settings, or run `alledge calibrate`.",
}

_WORKING_UM: Final = 0.36
_ASSUMED_UM: Final = 0.1  # where no pixel size is known
_LEAST_SIDE_PX: Final = 16
_SAMPLES_A_SIDE: Final = 200
_FOCUS_SIDE_PX: Final = 384  # the middle of the field is enough to judge focus by

_DARK_LEVEL: Final = 60.0  # of 255; the darkest of 900 real fields has 135
_SATURATED: Final = 0.25  # fraction of the frame at the top of the scale; overexposed real fields have 0.14
_EMPTY: Final = 0.01  # fraction of the frame that is stained; the thinnest real field has 0.03
_LEAST_PLASMA: Final = 0.08  # fraction of clear plasma; the most crowded real field has 0.17
_LEAST_BLOOD: Final = 0.6  # fraction of the stained that has colours of blood
_LEAST_NUCLEUS: Final = 0.2  # fraction of a cell cut out on black that has the colours of a nucleus
_MOST_BLACK: Final = 0.1  # fraction that lets through less than 1 % of the light: no cell does
_COLOUR_CAST: Final = 0.4  # of the lamp, natural log; the strongest filter seen has 0.23
_SOFTEST_UM: Final = 1.05  # standard deviation of the blur; of 2114 real pictures five exceed it

_STAINED: Final = 0.25  # total optical density of the palest cells
_BLACK: Final = 5.0  # total optical density
_CLEAR: Final = 0.1  # optical density per channel of plasma with its noise
_FINE_UM: Final = 0.3  # first blur, against noise
_COARSE_UM: Final = 0.8  # second blur
_EDGE_PERCENTILE: Final = 95.0  # of steepness: what is judged are edges


def refuse(quality: Quality, verdict: Verdict, finding: str) -> Quality:
    """The same figures under another verdict; its advice opens with what was found, a sentence."""
    return replace(quality, verdict=verdict, advice=f"{finding} {_ADVICE[verdict]}")


def judge_quality(pixels: U8, illumination: Illumination, pixel_um: float | None) -> Quality:
    """Quality of a field.

    Args:
        pixels: (H, W, 3) uint8 BGR frame.
        illumination: of that frame.
        pixel_um: micrometres per pixel where known.

    Returns:
        The verdict with the figures it rests on: focus (1 / blur, per um), brightness (level of the
        background, 0 to 1), and the fractions of the frame that are saturated and stained.
    """
    matter = _weigh_matter(pixels, illumination)
    known_um = _ASSUMED_UM if pixel_um is None else pixel_um
    blur_um = _blur_um(pixels, known_um)
    level = float(illumination.background.mean())
    blue, green, red = cv2.split(np.ascontiguousarray(pixels[::8, ::8]))
    saturated = float((np.minimum(np.minimum(blue, green), red) >= 254).mean())
    verdict = _verdict(level, saturated, matter, blur_um, illumination)
    if verdict is Verdict.OK and not illumination.masked and is_too_thick(pixels, illumination, known_um):
        verdict = Verdict.TOO_THICK
    return Quality(
        verdict, _ADVICE[verdict], 1.0 / max(blur_um, 1e-3), level / 255.0, saturated, matter.stained
    )


@dataclass(frozen=True, slots=True)
class _Matter:
    """Fractions of a frame: stained, clear plasma, black; and of the stained, in colours of blood."""

    stained: float
    plasma: float
    black: float
    blood: float


def _verdict(
    level: float, saturated: float, matter: _Matter, blur_um: float, illumination: Illumination
) -> Verdict:
    """The first of the failings that applies, gravest first."""
    if illumination.masked:
        return Verdict.OK if matter.stained * matter.blood >= _LEAST_NUCLEUS else Verdict.NOT_A_SMEAR
    lamp = np.log(illumination.background.mean(axis=(0, 1)) / level)
    strange = matter.black > _MOST_BLACK or float(np.abs(lamp).max()) > _COLOUR_CAST
    strange = strange or matter.plasma < _LEAST_PLASMA
    if level < _DARK_LEVEL:
        return Verdict.TOO_DARK
    if saturated > _SATURATED:
        return Verdict.SATURATED
    if matter.stained < _EMPTY:
        return Verdict.NOT_A_SMEAR if strange else Verdict.NO_SMEAR
    if strange:
        return Verdict.NOT_A_SMEAR
    if blur_um > _SOFTEST_UM:
        return Verdict.OUT_OF_FOCUS
    return Verdict.OK if matter.blood >= _LEAST_BLOOD else Verdict.NOT_A_SMEAR


def _weigh_matter(pixels: U8, illumination: Illumination) -> _Matter:
    """What a frame is made of; in a masked one, what lies within the mask."""
    step = max(1, round(max(pixels.shape[:2]) / _SAMPLES_A_SIDE))
    sampled = illumination.normalise(np.ascontiguousarray(pixels[::step, ::step]), scale=float(step))
    density = optical_density(sampled).reshape(-1, 3)
    if illumination.masked:
        density = density[sampled.reshape(-1, 3).any(axis=1)]
    blue, green, red = density.T
    total = blue + green + red
    stained = total > _STAINED
    blood = _like_blood(density[stained], total[stained], illumination.masked)
    return _Matter(
        stained=float(stained.mean()),
        plasma=float(((np.abs(blue) < _CLEAR) & (np.abs(green) < _CLEAR) & (np.abs(red) < _CLEAR)).mean()),
        black=float((total > _BLACK).mean()),
        blood=float(blood.mean()) if blood.size else 0.0,
    )


def _like_blood(density: F32, total: F32, masked: bool) -> npt.NDArray[np.bool_]:
    """Which stained pixels have colours that blood can have: all of it absorbs green, none of it is grey."""
    if masked:  # A nucleus behind an unknown lamp.
        return np.asarray(density[:, 1] > 1.05 * np.maximum(density[:, 0], density[:, 2]), dtype=np.bool_)
    blue, green, red = (density / total[:, np.newaxis]).T
    coloured = (np.abs(green - 1 / 3) > 0.04) | (np.abs(blue - 1 / 3) > 0.04)
    possible = (green > 0.26) & (blue > -0.15) & (blue < 0.5) & (red > -0.15) & (red < 0.68)
    return np.asarray(coloured & possible, dtype=np.bool_)


def _blur_um(pixels: U8, frame_um: float) -> float:
    """Standard deviation of the blur of the edges in the middle of a frame."""
    factor = max(1, min(int(_WORKING_UM / frame_um), min(pixels.shape[:2]) // _LEAST_SIDE_PX))
    pixel_um = frame_um * factor
    side = _FOCUS_SIDE_PX * factor
    top, left = (max(0, (size - side) // 2) for size in pixels.shape[:2])
    green = np.ascontiguousarray(pixels[top : top + side, left : left + side, 1])
    size = (green.shape[1] // factor, green.shape[0] // factor)
    middle = cv2.resize(green, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    fine = np.asarray(cv2.GaussianBlur(middle, (0, 0), max(_FINE_UM / pixel_um, 0.3)), dtype=np.float32)
    coarse = np.asarray(cv2.GaussianBlur(fine, (0, 0), _COARSE_UM / pixel_um), dtype=np.float32)
    before, after = _steepness(fine), _steepness(coarse)
    edge = after >= np.percentile(after, _EDGE_PERCENTILE)
    kept = float(after[edge].sum()) / max(float(before[edge].sum()), 1e-6)
    kept = min(kept, 0.999)
    return _COARSE_UM * kept / float(np.sqrt(1.0 - kept**2))


def _steepness(image: F32) -> F32:
    """Brightness gradient at every second pixel."""
    across = cv2.Sobel(image, cv2.CV_32F, 1, 0, scale=1 / 8)[::2, ::2]
    down = cv2.Sobel(image, cv2.CV_32F, 0, 1, scale=1 / 8)[::2, ::2]
    return np.hypot(across, down).astype(np.float32)
