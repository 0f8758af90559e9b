"""Micrometres a pixel for every image of a study, also where one image alone cannot tell.

A field holds hundreds of red cells, a crop holds three. The crops of one session come from one objective
and camera, so their few red cells are pooled: the scale of a crop then rests on the red cells of all crops
of its size and group.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from alledge.types import PixelSize, PixelSizeSource

ENOUGH_RED_CELLS: Final = 8
"""Red cells that make the scale of one image its own affair: the median of 8 errs by a few per cent."""

CROP_SPAN_UM: Final = 40.0
"""An image that spans less holds one cell and its neighbours; a field spans 100 um and more."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Scale of one image as measured on it alone.

    width, height: pixels; 0 where the scale was given and the image not opened.
    group: patient or slide, "" when not known.
    """

    size: PixelSize
    width: int
    height: int
    group: str


@dataclass(frozen=True, slots=True)
class Scales:
    """pixel_um: scale of each image, in the order given. n_pooled: images that borrowed it from others."""

    pixel_um: tuple[float, ...]
    n_pooled: int
    n_assumed: int


def settle_scales(measured: Sequence[Measured]) -> Scales:
    """Keep the scale of images with enough red cells, pool it for the others.

    Pools are tried from narrow to wide: same size and group, same size; a pool counts when it holds
    ENOUGH_RED_CELLS together. Otherwise the image keeps its own estimate.
    """
    pools: list[Mapping[Hashable, float]] = [
        _pool(measured, [(m.width, m.height, m.group) for m in measured]),
        _pool(measured, [(m.width, m.height) for m in measured]),
    ]
    scales: list[float] = []
    n_pooled = n_assumed = 0
    for one in measured:
        if _is_sure(one.size):
            scales.append(one.size.pixel_um)
            continue
        keys: list[Hashable] = [(one.width, one.height, one.group), (one.width, one.height)]
        pooled = next((pool[key] for pool, key in zip(pools, keys, strict=True) if key in pool), None)
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
    """Median scale over the red cells of each pool that has enough of them."""
    per_cell: dict[Hashable, list[float]] = defaultdict(list)
    for one, key in zip(measured, keys, strict=True):
        if one.size.source is PixelSizeSource.RED_CELLS:
            per_cell[key] += [one.size.pixel_um] * one.size.n_red_cells
    return {key: median(values) for key, values in per_cell.items() if len(values) >= ENOUGH_RED_CELLS}
