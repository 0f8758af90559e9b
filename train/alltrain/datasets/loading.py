"""From a folder to a PatchSet: recognise, group, measure, cut.

    recognise -> read the study -> groups -> scale of every image -> patches of every image -> PatchSet

What can be refused from names alone is refused before any pixel is read. Images are read twice, once for
their scale and once for their cells, so that only patches are ever held in memory, each of them once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import numpy as np

from alledge.errors import DatasetUnrecognised
from alledge.patches import PATCH_PX
from alledge.types import U8
from alltrain.datasets import patches_folder
from alltrain.datasets.cutting import ImageCells, cut_image, measure_image, settle_crop_or_field
from alltrain.datasets.dataset import NOT_MEASURED, PatchSet
from alltrain.datasets.folder import DataFolder
from alltrain.datasets.groups import GroupedImages, assign_groups
from alltrain.datasets.labels import order_labels, positive_among
from alltrain.datasets.matching import NO_TALLY
from alltrain.datasets.parallel import PatchStore, in_parallel
from alltrain.datasets.registry import open_data, recognise
from alltrain.datasets.scale import Measured, Scales, are_crops, settle_scales
from alltrain.datasets.study import CropOrField, LabelledImage, Study
from alltrain.datasets.subtypes import tell_subtypes

Progress: TypeAlias = Callable[[int, int], None]
"""Called with steps done and steps in all; the last call has both equal."""

PHANTOM_NOTE: Final = "Rendered phantom images: they say nothing about clinical performance."

_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, eq=False)
class CutStudy:
    """A dataset cut into patches, with what each image told about the finder.

    images: in study order, their patches taken out. patches: (N, 50, 50, 3) uint8 RGB of all cells, in order.
    """

    study: Study
    images: tuple[ImageCells, ...]
    patches: U8
    grouped: bool
    notes: tuple[str, ...]


def load_patches(data: Path, *, allow_no_groups: bool, progress: Progress | None = None) -> PatchSet:
    """Labelled patches of a dataset in any layout of docs/data.md.

    allow_no_groups: go on when patients or slides are unknown; `grouped` is then False.

    Raises DatasetUnrecognised, FolderEmpty, PathUnusable, GroupsMissing, ImageUnreadable.
    """
    nested = open_data(data)
    for folder in nested:
        if patches_folder.is_patches_folder(folder):
            return patches_folder.read_patches(folder)
    return to_patch_set(cut_study(nested, allow_no_groups=allow_no_groups, progress=progress))


def cut_study(
    nested: Sequence[DataFolder], *, allow_no_groups: bool, progress: Progress | None = None
) -> CutStudy:
    """Cut a dataset of images into patches; errors as in `load_patches`.

    nested: as from `registry.open_data`.
    """
    layout, folder = recognise(nested)
    study = tell_subtypes(layout.read(folder), nested)
    if not study.images:
        raise DatasetUnrecognised(
            f"{folder.root} holds no labelled image ({layout.name}).", "See docs/data.md."
        )
    grouped = assign_groups(folder, study.images, allow_no_groups=allow_no_groups)
    steps = _Steps(2 * len(study.images), progress)
    # Without real groups the image is no pool of its own.
    asked = grouped.images if grouped.grouped else study.images
    measured = list(steps.count(in_parallel(measure_image, asked)))
    scales = settle_scales(measured)
    jobs = list(zip(_settled(grouped.images, measured, scales), scales.pixel_um, strict=True))
    images, patches = _stored(steps.count(in_parallel(lambda job: cut_image(*job), jobs)))
    notes = (*study.notes, *_grouping_notes(study, grouped), *_counted_notes(images, scales))
    return CutStudy(study, images, patches, grouped.grouped, notes)


def _stored(images: Iterator[ImageCells]) -> tuple[tuple[ImageCells, ...], U8]:
    """All images without their patches, and their patches in one array."""
    store, none = PatchStore(), np.empty((0, PATCH_PX, PATCH_PX, 3), dtype=np.uint8)
    emptied = []
    for image in images:
        store.add(_patches(image))
        emptied.append(replace(image, patches=none))
    return tuple(emptied), store.take()


def to_patch_set(cut: CutStudy) -> PatchSet:
    """The patches of all images in one array, in the order of the study.

    Raises DatasetUnrecognised when no labelled cell was found at all.
    """
    cells = [(image.image, cell) for image in cut.images for cell in image.cells]
    if not cells:
        raise DatasetUnrecognised(
            f"No labelled white cell was found in {len(cut.images)} images ({cut.study.layout}).",
            "Check that they show stained blood smears at 40x to 100x, and that annotations fit them.",
        )
    names = order_labels(cell.label for _, cell in cells)
    return PatchSet(
        patches=cut.patches,
        labels=np.array([names.index(cell.label) for _, cell in cells], dtype=np.int64),
        label_names=names,
        positive_labels=positive_among(names),
        groups=tuple(image.group or image.source for image, _ in cells),
        patch_ids=tuple(f"{image.source}#{cell.index}" for image, cell in cells),
        sources=tuple(image.source for image, _ in cells),
        layout=cut.study.layout,
        grouped=cut.grouped,
        is_phantom=cut.study.is_phantom,
        notes=cut.notes,
        morphology=np.array([cell.morphology or NOT_MEASURED for _, cell in cells], dtype=np.float64),
    )


def _patches(image: ImageCells) -> U8:
    return image.patches.reshape(-1, PATCH_PX, PATCH_PX, 3)


def _settled(
    images: Sequence[LabelledImage], measured: Sequence[Measured], scales: Scales
) -> list[LabelledImage]:
    """Images whose truth says crop or field; one decision for all images that leave it open."""
    open_ones = [k for k, image in enumerate(images) if isinstance(image.truth, CropOrField)]
    if not open_ones:
        return list(images)
    crops = are_crops((measured[k].width for k in open_ones), (scales.pixel_um[k] for k in open_ones))
    return [settle_crop_or_field(image, crops=crops) for image in images]


class _Steps:
    """Counts finished images for whoever watches."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._done, self._progress = total, 0, progress

    def step(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)

    def count(self, results: Iterator[_R]) -> Iterator[_R]:
        """The same results, each a step."""
        for result in results:
            self.step()
            yield result


def _grouping_notes(study: Study, grouped: GroupedImages) -> tuple[str, ...]:
    return (*((PHANTOM_NOTE,) if study.is_phantom else ()), *grouped.notes)


def _counted_notes(images: Sequence[ImageCells], scales: Scales) -> tuple[str, ...]:
    """What was left out or assumed while cutting, in sentences with numbers; nothing to say, no sentence."""
    of_images = f" of {len(images)}"
    tally = sum((image.tally for image in images), NO_TALLY)
    counted = (
        ("Images with too few red cells, scale pooled", scales.n_pooled, of_images),
        ("Images without red cells, scale assumed", scales.n_assumed, of_images),
        (
            "Annotated white cells that were not found and are not in the patches",
            tally.n_annotated - tally.n_found,
            f" of {tally.n_annotated}",
        ),
        ("Cells left out because the border cuts them", sum(i.n_cut_by_border for i in images), ""),
        ("Cells left out as halves or clumps of annotated cells", sum(i.n_doubtful for i in images), ""),
        ("Cells left out for want of an annotation", sum(i.n_unannotated for i in images), ""),
        ("Crops without a cell found, cut in their centre", sum(i.n_off_centre for i in images), of_images),
    )
    return tuple(f"{what}: {n}{out_of}." for what, n, out_of in counted if n)
