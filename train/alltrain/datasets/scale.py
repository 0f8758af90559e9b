"""Micrometres a pixel for every image of a study, also where one image alone cannot tell.

A field holds hundreds of red cells, a crop holds five, and five of them miss the scale by 15 % now and then.
Crops of one microscope share their scale, so their few red cells are pooled. Who shares a microscope is
told by the group; where groups are unknown, by the colour of the lamp: a pool over two cameras would make
the cells of one of them larger, and a classifier would learn the camera.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from alledge.types import PixelSize, PixelSizeSource

ENOUGH_RED_CELLS: Final = 12
"""Red cells that make the scale of one image its own affair. On ALL-IDB2, against the scale of the whole
field: crops with 8 still err by 7 % (nine in ten), pooled ones by 4 %."""

SIMILAR_LAMPS: Final = 20
"""Images with the most similar lamp that make a pool where groups are unknown. On ALL-IDB2 without its
groups this errs by 6 % (nine in ten), a pool over both cameras by 12 %."""

CROP_SPAN_UM: Final = 40.0
"""An image that spans less holds one cell and its neighbours; a field spans 100 um and more."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Scale of one image as measured on it alone.

    width, height: pixels; 0 where the scale was given and the image not opened.
    lamp_bgr: mean background, 0 to 255, likewise.
    group: patient or slide, "" when not known.
    """

    size: PixelSize
    width: int
    height: int
    lamp_bgr: tuple[float, float, float]
    group: str


@dataclass(frozen=True, slots=True)
class Scales:
    """pixel_um: scale of each image, in the order given. n_pooled: images that borrowed it from others."""

    pixel_um: tuple[float, ...]
    n_pooled: int
    n_assumed: int


def settle_scales(measured: Sequence[Measured]) -> Scales:
    """Keep the scale of images with enough red cells, pool it for the others.

    Pools are tried from narrow to wide: same size and group, same size and similar lamp, same group. A pool
    counts when it holds ENOUGH_RED_CELLS together; an image without such a pool keeps its own estimate.
    """
    by_size_and_group = _pool(measured, [(m.width, m.height, m.group) if m.group else None for m in measured])
    by_group = _pool(measured, [m.group for m in measured])
    lamps = _Lamps(measured)
    scales: list[float] = []
    n_pooled = n_assumed = 0
    for one in measured:
        pooled: float | None = None
        if not _is_sure(one.size):
            pooled = by_size_and_group.get((one.width, one.height, one.group))
            pooled = pooled or lamps.pool(one) or by_group.get(one.group)
        n_pooled += pooled is not None
        n_assumed += pooled is None and one.size.source is PixelSizeSource.ASSUMED
        scales.append(one.size.pixel_um if pooled is None else pooled)
    return Scales(tuple(scales), n_pooled, n_assumed)


def are_crops(widths: Iterable[int], pixel_um: Iterable[float]) -> bool:
    """Whether the images of a study are crops around one cell: half of them span less than CROP_SPAN_UM."""
    return median(width * um for width, um in zip(widths, pixel_um, strict=True)) < CROP_SPAN_UM


def _is_sure(size: PixelSize) -> bool:
    return size.source is PixelSizeSource.GIVEN or size.n_red_cells >= ENOUGH_RED_CELLS


def _pool(measured: Sequence[Measured], keys: Sequence[Hashable]) -> Mapping[Hashable, float]:
    """Scale of each pool that has enough red cells; images with the key None are in no pool."""
    members: dict[Hashable, list[Measured]] = defaultdict(list)
    for one, key in zip(measured, keys, strict=True):
        if key is not None:
            members[key].append(one)
    scales = {key: _scale_of(pool) for key, pool in members.items()}
    return {key: scale for key, scale in scales.items() if scale is not None}


def _scale_of(pool: Iterable[Measured]) -> float | None:
    """Median over the red cells of all images of a pool; None when there are not enough."""
    per_cell: list[float] = []
    for one in pool:
        if one.size.source is PixelSizeSource.RED_CELLS:
            per_cell += [one.size.pixel_um] * one.size.n_red_cells
    return median(per_cell) if len(per_cell) >= ENOUGH_RED_CELLS else None


class _Lamps:
    """Images of a study by size and by the colour of their background."""

    def __init__(self, measured: Sequence[Measured]) -> None:
        self._images: dict[tuple[int, int], list[Measured]] = defaultdict(list)
        for one in measured:
            self._images[one.width, one.height].append(one)
        self._colours = {
            size: np.log(np.maximum([one.lamp_bgr for one in images], 1.0))
            for size, images in self._images.items()
        }

    def pool(self, one: Measured) -> float | None:
        """Scale over the images of the same size whose lamp resembles this one's most."""
        size = (one.width, one.height)
        unlike = np.abs(self._colours[size] - np.log(np.maximum(one.lamp_bgr, 1.0))).max(axis=1)
        nearest = np.argsort(unlike, kind="stable")[:SIMILAR_LAMPS]
        return _scale_of(self._images[size][k] for k in nearest)
