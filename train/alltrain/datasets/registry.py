"""Which layout a folder has, told by itself: no flag that a user would have to know.

Layouts are tried from the most telling to the most general; the first that fits is taken. An archive is
often unpacked into a folder in a folder, so folders that hold nothing but one other are stepped through.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alledge.errors import DatasetUnrecognised
from alltrain.datasets import (
    all_idb1,
    all_idb2,
    c_nmc,
    class_folders,
    coco,
    csv_boxes,
    patches_folder,
    taleqani,
    voc,
    yolo,
)
from alltrain.datasets.folder import DataFolder, list_folder
from alltrain.datasets.study import Layout

LAYOUTS: Final[tuple[Layout, ...]] = (
    all_idb1.LAYOUT,
    all_idb2.LAYOUT,
    c_nmc.LAYOUT,
    coco.LAYOUT,
    voc.LAYOUT,
    csv_boxes.LAYOUT,
    yolo.LAYOUT,
    taleqani.LAYOUT,
    class_folders.LAYOUT,
)
_MAX_DEPTH: Final = 5
# One of two equal trees: the other holds the same images with everything but the cells painted over.
_ORIGINALS: Final = {"original": "segmented"}


def open_data(data: Path) -> list[DataFolder]:
    """The folder, and the folders below it that hold all of its images; the layout is in one of them.

    Raises PathUnusable, FolderEmpty.
    """
    nested = [list_folder(data)]
    for _ in range(_MAX_DEPTH):
        name = _only_holder(nested[-1])
        if name is None:
            break
        nested.append(nested[-1].enter(name))
    return nested


def recognise(nested: Sequence[DataFolder]) -> tuple[Layout, DataFolder]:
    """Layout of a dataset, and which of its nested folders has it.

    Raises DatasetUnrecognised with what was seen and what is known.
    """
    for layout in LAYOUTS:
        for folder in nested:
            if layout.recognise(folder):
                return layout, folder
    known = (*(layout.looks_like for layout in LAYOUTS), patches_folder.LOOKS_LIKE)
    raise DatasetUnrecognised(
        f"{nested[0].root} has no layout that alltrain knows: it holds {_what_is_there(nested[0])}.",
        f"Known are {'; '.join(known)} (docs/data.md).",
    )


def _only_holder(folder: DataFolder) -> str | None:
    """The one subfolder with images, when there is no image outside it."""
    if not folder.images or any(len(image.parts) == 1 for image in folder.images):
        return None
    holders = sorted({image.parts[0] for image in folder.images})
    if len(holders) == 2 and _ORIGINALS.get(holders[0].lower()) == holders[1].lower():
        return holders[0]
    return holders[0] if len(holders) == 1 else None


def _what_is_there(folder: DataFolder) -> str:
    """A few words on a listing: "3 .jpg, 1 .txt files in a/, b/"."""
    kinds = Counter(file.suffix.lower() or "nameless" for file in folder.files).most_common(4)
    files = ", ".join(f"{n} {suffix}" for suffix, n in kinds)
    places = folder.subfolders()
    if not places:
        return f"{files} file{'s' * (len(folder.files) > 1)} and no subfolder"
    return f"{files} file{'s' * (len(folder.files) > 1)} in {', '.join(f'{name}/' for name in places[:4])}"
