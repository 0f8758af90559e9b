"""Everything that the audit needs of an image, in one reading: hashes, a small copy, facts and measures.

Twelve thousand fields do not fit into memory; twelve thousand records do (10 kB each). The measures are
those that must not tell the class: size, colour of the whole, colour of the plasma, colour of the frame.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from alledge.image_header import HeaderUnreadable
from alledge.images import read_image
from alledge.types import F64, U8
from alltrain.audit.file_facts import FileFacts, read_facts
from alltrain.audit.fingerprints import to_square
from alltrain.datasets.folder import DataFolder
from alltrain.datasets.groups import assign_groups
from alltrain.datasets.labels import is_learnable, order_labels
from alltrain.datasets.patches_folder import is_patches_folder
from alltrain.datasets.registry import open_data, recognise
from alltrain.datasets.study import Boxes, LabelledImage, Points

SQUARE_PX: Final = 96
_BRIGHTEST: Final = 0.1  # plasma: no cell is as bright
_FRAME: Final = 0.05  # of each side
_MEASURED_PX: Final = 400  # colours need no more pixels along a side

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class StudyImage:
    """An image of a study. label: of the whole image, None where its cells have no learnable label."""

    source: str
    path: Path
    group: str
    label: str | None


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """What is kept of one image.

    file_key, pixel_key: SHA-256 of the file and of the decoded pixels. square: (96, 96) uint8 grey.
    colour, background, frame: (6,) float64, `colour_numbers` of all pixels, of the brightest tenth, and of
    the outer twentieth.
    """

    image: StudyImage
    facts: FileFacts
    file_key: bytes
    pixel_key: bytes
    square: U8
    colour: F64
    background: F64
    frame: F64


def study_images(data: Path) -> tuple[StudyImage, ...]:
    """Images of a dataset with their groups; the image itself where none is known. Empty for patches.

    Raises as `load_patches`.
    """
    nested = open_data(data)
    if any(map(is_patches_folder, nested)):
        return ()
    layout, folder = recognise(nested)
    images = layout.read(folder).images
    return tuple(_with_label(image) for image in _grouped(folder, images))


def read_records(images: Sequence[StudyImage], progress: Progress | None = None) -> tuple[ImageRecord, ...]:
    """Read every image once, in threads. Raises ImageUnreadable, PathUnusable."""
    records: list[ImageRecord] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for record in pool.map(_read, images):
            records.append(record)
            if progress is not None:
                progress(len(records), len(images))
    return tuple(records)


def colour_numbers(pixels: U8) -> F64:
    """(6,) float64: log of mean and of standard deviation of each channel of (K, 3) uint8.

    Logarithms, because a lamp multiplies: its colour is then a difference of two numbers, however bright.
    """
    values = pixels.reshape(-1, 3).astype(np.float64)
    return np.asarray(np.log(np.concatenate([values.mean(axis=0), values.std(axis=0)]) + 1))


def brightest(pixels: U8) -> U8:
    """(K, 3) uint8: the brightest tenth of (H, W, 3)."""
    flat = pixels.reshape(-1, 3)
    level = flat.sum(axis=1, dtype=np.int64)
    return np.asarray(flat[level >= np.quantile(level, 1 - _BRIGHTEST)], dtype=np.uint8)


def frame_of(pixels: U8, share: float = _FRAME) -> U8:
    """(K, 3) uint8: the outer part of (H, W, 3), `share` of the side wide, at least one pixel."""
    height, width = pixels.shape[:2]
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    inside = np.zeros((height, width), dtype=np.bool_)
    inside[rows : height - rows, columns : width - columns] = True
    return pixels[~inside]


def _read(image: StudyImage) -> ImageRecord:
    pixels = read_image(image.path)
    data = image.path.read_bytes()
    try:
        facts = read_facts(data)
    except HeaderUnreadable as error:
        raise AssertionError("read_image has checked the header") from error
    scale = min(1.0, _MEASURED_PX / max(pixels.shape[:2]))
    size = (max(1, round(scale * pixels.shape[1])), max(1, round(scale * pixels.shape[0])))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    shape = str(pixels.shape).encode()
    return ImageRecord(
        image=image,
        facts=facts,
        file_key=hashlib.sha256(data).digest(),
        pixel_key=hashlib.sha256(shape + pixels.tobytes()).digest(),
        square=to_square(grey, SQUARE_PX),
        colour=colour_numbers(small),
        background=colour_numbers(brightest(small)),
        frame=colour_numbers(frame_of(small)),
    )


def _grouped(folder: DataFolder, images: Sequence[LabelledImage]) -> tuple[LabelledImage, ...]:
    return assign_groups(folder, images, allow_no_groups=True).images


def _with_label(image: LabelledImage) -> StudyImage:
    return StudyImage(image.source, image.path, image.group or image.source, _label(image))


def _label(image: LabelledImage) -> str | None:
    """One label of the image; of several the last from negative to positive, so one blast decides."""
    truth = image.truth
    if isinstance(truth, Points):
        return truth.label if truth.points else truth.other_label
    if isinstance(truth, Boxes):
        learnable = {box.label for box in truth.boxes if is_learnable(box.label)}
        return order_labels(learnable)[-1] if learnable else None
    return truth.label
