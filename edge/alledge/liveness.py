"""Is the camera alive? A picture that arrives is no proof: drivers repeat the last one, or hand out old ones.

- Frozen: no sensor gives the same noise twice. Where there is light, two exposures differ in some of any
  thousand pixels, so a tile that is equal to the last pixel was copied, not exposed. Tiles without noise to
  compare (black, or at the top of the scale) say nothing.
- Stale: the sensor stamps each exposure by the monotonic clock. One that began before it was asked for, or
  that is not later than the one before, shows the past (picamera2 issues 426 and 849).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.types import F64, U8

_TILES_A_SIDE: Final = 8
_SAMPLES_A_SIDE: Final = 192  # so each tile is judged by hundreds of pixels
_LEAST_TILES: Final = 8  # of 64; in fewer there is too little light to judge by
_LEAST_NOISY: Final = 0.05  # of the samples of a tile, neither black nor at the top of the scale
_FROZEN: Final = 0.5  # of the tiles that can be compared; of a torn frame one part is old, too
_DARKEST, _BRIGHTEST = 4, 251  # grey levels between which a sensor shows its noise


def frozen_fraction(previous: U8, current: U8) -> float | None:
    """Fraction of the frame that is a copy of the frame before, by tiles.

    Args:
        previous: (H, W, 3) uint8 of one camera.
        current: the next one of it, of the same shape.

    Returns:
        0 for two exposures, 1 for one exposure handed out twice; None when shapes differ or no tile can tell.
    """
    if previous.shape != current.shape:
        return None
    step = max(1, min(current.shape[:2]) // _SAMPLES_A_SIDE)
    now, before = (np.ascontiguousarray(frame[::step, ::step]) for frame in (current, previous))
    noisy = _by_tile((now > _DARKEST) & (now < _BRIGHTEST))
    told = noisy >= _LEAST_NOISY
    if np.count_nonzero(told) < _LEAST_TILES:
        return None
    changed = _by_tile(now != before)
    return float(np.mean(changed[told] == 0.0))


def _by_tile(marks: npt.NDArray[np.bool_]) -> F64:
    """(tiles,) share of the marks, (h, w, 3) bool, that are set in each tile."""
    tall, wide = (max(1, side // _TILES_A_SIDE) for side in marks.shape[:2])
    rows, columns = marks.shape[0] // tall, marks.shape[1] // wide
    tiles = marks[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide * 3)
    return np.asarray(tiles.mean(axis=(1, 3)).ravel(), dtype=np.float64)


def is_frozen(previous: U8, current: U8) -> bool:
    """Whether the camera repeats itself; frames too dark or too bright to tell are no proof."""
    fraction = frozen_fraction(previous, current)
    return fraction is not None and fraction >= _FROZEN


def is_stale(
    timestamp_ns: int, exposure_us: int | None, asked_ns: int, previous_ns: int | None = None
) -> bool:
    """Whether a frame shows the past.

    Args:
        timestamp_ns: of the sensor, monotonic: the end of the exposure.
        exposure_us: how long it lasted; None counts as 0.
        asked_ns: monotonic time since which the exposure must have begun.
        previous_ns: timestamp of the frame before, where there was one.
    """
    began_ns = timestamp_ns - 1000 * (exposure_us or 0)
    return began_ns < asked_ns or (previous_ns is not None and timestamp_ns <= previous_ns)
