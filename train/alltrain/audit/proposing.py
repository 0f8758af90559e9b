"""Which pairs are worth a closer look: the nearest neighbours of each picture, by matrix products in blocks.

All pairs are compared, but as one product of two matrices: 12,000 pictures are 144 million pairs and take
seconds. Only the few nearest of each are kept, so memory does not grow with the pairs.
"""

from typing import Final

import numpy as np

from alledge.types import F32, I64

_BLOCK_ELEMENTS: Final = 16_000_000  # 64 MB of similarities at a time


def nearest_pairs(first: F32, second: F32 | None, at_most: int, least: float) -> I64:
    """(K, 2) int64 pairs (row of first, row of second) that are among the nearest of either.

    first, second: (N, D), (M, D) float32; similarity is the product of two rows. second None: pairs i < j
    within `first`.
    at_most: neighbours kept for each row of `first`. least: similarity below which a pair is none.
    """
    other = first if second is None else second
    if len(first) == 0 or len(other) == 0:
        return np.empty((0, 2), np.int64)
    rows = max(1, _BLOCK_ELEMENTS // len(other))
    found = [
        _of_block(first, other, start, rows, at_most, least, second is None)
        for start in range(0, len(first), rows)
    ]
    pairs = np.concatenate(found)
    if second is None:
        pairs = np.sort(pairs, axis=1)
    return unique_pairs(pairs)


def unique_pairs(pairs: I64) -> I64:
    """The distinct rows of (K, 2), sorted."""
    return np.unique(pairs.reshape(-1, 2), axis=0).astype(np.int64)


def _of_block(
    first: F32, other: F32, start: int, rows: int, at_most: int, least: float, is_same: bool
) -> I64:
    similar = first[start : start + rows] @ other.T
    own = np.arange(len(similar))
    if is_same:
        similar[own, start + own] = -np.inf
    kept = min(at_most, similar.shape[1])
    # Rows without any near neighbour, most of them, need no sorting.
    busy = np.flatnonzero(similar.max(axis=1) >= least)
    nearest = np.argpartition(similar[busy], -kept, axis=1)[:, -kept:]
    values = np.take_along_axis(similar[busy], nearest, axis=1)
    at, place = np.nonzero(values >= least)
    return np.stack([start + busy[at], nearest[at, place]], axis=1).astype(np.int64)
