"""Small operations on binary masks of the pixel path."""

from typing import Final

import cv2
import numpy as np

from alledge.types import U8

_ROUND: Final = 0.75  # area over that of the ellipse in its box; the gap between three discs has 0.4


def fill_round_holes(mask: U8, largest_px: int) -> U8:
    """Fill the round background that the foreground encloses, up to a size.

    Vacuoles and the eye of a ring are round; the gap that three cells in a clump leave is a triangle with
    hollow sides, and must stay open for the clump to be cut there.

    Args:
        mask: (h, w) uint8 0/1.
        largest_px: area in pixels of the largest hole to fill.

    Returns:
        (h, w) uint8 0/1.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    height, width = mask.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    wide, high = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    area = stats[:, cv2.CC_STAT_AREA]
    hole = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    hole &= (area <= largest_px) & (area > _ROUND * np.pi / 4 * wide * high)
    hole[0] = False
    return np.asarray(mask | hole.astype(np.uint8)[labels], dtype=np.uint8)
