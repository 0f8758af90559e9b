"""Small operations on binary masks that several stages of the pixel path share."""

import cv2
import numpy as np

from alledge.types import U8


def fill_holes(mask: U8, largest_px: int) -> U8:
    """Fill the background that the foreground encloses, up to a size.

    Args:
        mask: (h, w) uint8 0/1.
        largest_px: area in pixels of the largest hole to fill.

    Returns:
        (h, w) uint8 0/1.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    height, width = mask.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    hole = (left > 0) & (top > 0) & (right < width) & (bottom < height)
    hole &= stats[:, cv2.CC_STAT_AREA] <= largest_px
    hole[0] = False
    return np.asarray(mask | hole.astype(np.uint8)[labels], dtype=np.uint8)
