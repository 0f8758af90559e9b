"""Pictures spoilt as cameras, cables and lamps do it; each takes (H, W, 3) uint8 BGR and gives a copy."""

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from alledge.types import U8

Spoil = Callable[[U8, np.random.Generator], U8]


def black(pixels: U8, rng: np.random.Generator) -> U8:
    """The shutter is closed: sensor noise alone."""
    return np.asarray(rng.integers(0, 4, pixels.shape), dtype=np.uint8)


def dim(pixels: U8, rng: np.random.Generator) -> U8:
    """The lamp is turned down to a tenth or two."""
    return _noisy(pixels * rng.uniform(0.1, 0.2), rng)


def saturated(pixels: U8, rng: np.random.Generator) -> U8:
    """The exposure is far too long."""
    return _noisy(pixels * rng.uniform(2.5, 4.0), rng)


def defocused(pixels: U8, rng: np.random.Generator) -> U8:
    """The fine focus was knocked."""
    sigma_px = max(pixels.shape[:2]) * rng.uniform(0.02, 0.04)
    return _noisy(cv2.GaussianBlur(pixels, (0, 0), sigma_px).astype(np.float64), rng)


def colour_drift(pixels: U8, rng: np.random.Generator) -> U8:
    """The lamp ages or the white balance drifts: a tenth more of one of red and blue, less of the other."""
    away = rng.uniform(0.08, 0.14) * rng.choice((-1, 1))
    return _noisy(pixels * np.array([1 - away, 1.0, 1 + away]) * 0.9, rng)


def colour_cast(pixels: U8, rng: np.random.Generator) -> U8:
    """A filter slipped into the light."""
    away = rng.uniform(0.25, 0.35) * rng.choice((-1, 1))
    return _noisy(pixels * np.array([1 - away, 1.0, 1 + away]) * 0.85, rng)


def shading_flip(pixels: U8, rng: np.random.Generator) -> U8:
    """The condenser was swung aside: one half of the field is much darker than before."""
    across = np.linspace(0.45, 1.0, pixels.shape[1])[np.newaxis, :, np.newaxis]
    return _noisy(pixels * (across if rng.random() < 0.5 else across[:, ::-1]), rng)


def negative(pixels: U8, rng: np.random.Generator) -> U8:
    """The camera inverts its picture."""
    return _noisy(255.0 - pixels, rng)


def static(pixels: U8, rng: np.random.Generator) -> U8:
    """Noise and nothing else, as of a broken cable."""
    return np.asarray(rng.integers(0, 256, pixels.shape), dtype=np.uint8)


def stripes(pixels: U8, rng: np.random.Generator) -> U8:
    """Rows in turn black and white, as of a wrong pixel clock."""
    rows = np.arange(pixels.shape[0]) // int(rng.integers(2, 6)) % 2
    return _noisy(np.broadcast_to(255.0 * rows[:, np.newaxis, np.newaxis], pixels.shape), rng)


def one_colour_lost(pixels: U8, rng: np.random.Generator) -> U8:
    """A channel of the sensor reads nothing."""
    lost = pixels.astype(np.float64)
    lost[..., int(rng.integers(0, 3))] = 0.0
    return _noisy(lost, rng)


def torn_black(pixels: U8, rng: np.random.Generator) -> U8:
    """The transfer broke off: the lower part is zero."""
    torn = pixels.copy()
    torn[_seam(pixels, rng) :] = 0
    return torn


def torn_grey(pixels: U8, rng: np.random.Generator) -> U8:
    """An unfinished JPEG of a USB camera: the lower part is flat grey."""
    torn = pixels.copy()
    torn[_seam(pixels, rng) :] = 128
    return torn


def torn_shifted(pixels: U8, rng: np.random.Generator) -> U8:
    """Lines were lost: the lower part lies a third of the width aside."""
    torn = pixels.copy()
    seam = _seam(pixels, rng)
    torn[seam:] = np.roll(pixels, pixels.shape[1] // 3, axis=1)[seam:]
    return torn


def turned(pixels: U8, _rng: np.random.Generator) -> U8:
    """Another mode of the sensor: rows and columns exchanged."""
    return np.ascontiguousarray(pixels.transpose(1, 0, 2))


def binned(pixels: U8, _rng: np.random.Generator) -> U8:
    """Another mode of the sensor: half as many rows and columns."""
    return np.ascontiguousarray(pixels[::2, ::2])


def colourless(pixels: U8, _rng: np.random.Generator) -> U8:
    """Another pixel format: one plane, no colour."""
    return np.ascontiguousarray(pixels[..., 1])


def ten_bit(pixels: U8, _rng: np.random.Generator) -> U8:
    """Another pixel format: 16-bit words; the type is wrong on purpose."""
    return pixels.astype(np.uint16) * 4  # type: ignore[return-value]


SPOILS: Final[Mapping[str, Spoil]] = {
    spoil.__name__.replace("_", "-"): spoil
    for spoil in (
        black, dim, saturated, defocused, colour_drift, colour_cast, shading_flip, negative, static, stripes,
        one_colour_lost, torn_black, torn_grey, torn_shifted, turned, binned, colourless, ten_bit,
    )
}  # fmt: skip


def _noisy(levels: npt.NDArray[np.floating], rng: np.random.Generator) -> U8:
    """Levels as a sensor would read them: with noise, clipped."""
    return np.clip(levels + rng.normal(0.0, 1.5, levels.shape), 0, 255).astype(np.uint8)


def _seam(pixels: U8, rng: np.random.Generator) -> int:
    height = pixels.shape[0]
    return int(rng.integers(height // 5, 4 * height // 5))
