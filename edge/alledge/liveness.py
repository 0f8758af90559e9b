"""Is the camera alive? A picture that arrives is no proof: drivers repeat the last one, or hand out old ones.

- Frozen: no sensor gives the same noise twice. Where there is light, two exposures differ in some of any
  thousand pixels, so a tile that is equal to the last pixel was copied, not exposed. Tiles without noise to
  compare (black, or at the top of the scale) say nothing.
- Stale: the sensor stamps each exposure by the monotonic clock. One that began before it was asked for, or
  that is not later than the one before, shows the past (picamera2 issues 426 and 849).
"""

from typing import Final

import numpy as np

from alledge.types import U8

_TILES_A_SIDE: Final = 8
_SAMPLES_A_TILE: Final = 48  # rows and columns looked at within a tile
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
    height, width = current.shape[:2]
    tall, wide = max(1, height // _TILES_A_SIDE), max(1, width // _TILES_A_SIDE)
    told = copied = 0
    for top in range(0, height - tall + 1, tall):
        rows = slice(top, top + tall, max(1, tall // _SAMPLES_A_TILE))
        for left in range(0, width - wide + 1, wide):
            columns = slice(left, left + wide, max(1, wide // _SAMPLES_A_TILE))
            now = current[rows, columns]
            noisy = (now > _DARKEST) & (now < _BRIGHTEST)
            if np.count_nonzero(noisy) >= _LEAST_NOISY * now.size:
                told += 1
                copied += bool(np.array_equal(previous[rows, columns], now))
    return copied / told if told >= min(_LEAST_TILES, _TILES_A_SIDE**2) else None


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
