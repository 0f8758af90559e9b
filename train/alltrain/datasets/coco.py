"""COCO: one JSON file for many images, boxes as x, y, width, height in pixels.

    images/a.jpg  annotations.json      {"images": [...], "annotations": [...], "categories": [...]}

T.-Y. Lin et al., "Microsoft COCO: common objects in context", ECCV 2014.
"""

import json
from collections import defaultdict
from pathlib import PurePosixPath
from typing import Final

from alledge.errors import DatasetUnrecognised
from alltrain.datasets.boxes import boxed_study
from alltrain.datasets.folder import DataFolder, ImageIndex
from alltrain.datasets.labels import clean
from alltrain.datasets.study import Box, Boxes, Layout, Study

_KEYS: Final = ("images", "annotations", "categories")


def _recognise(folder: DataFolder) -> bool:
    return bool(folder.images) and bool(_coco_files(folder))


def _coco_files(folder: DataFolder) -> list[PurePosixPath]:
    return [
        file
        for file in folder.with_suffix(".json")
        if all(f'"{key}"' in (text := folder.read_text(file)) for key in _KEYS) and text
    ]


def _read(folder: DataFolder) -> Study:
    index = ImageIndex(folder.images)
    boxes: dict[PurePosixPath, list[Box]] = defaultdict(list)
    n_lost = 0
    for file in _coco_files(folder):
        for name, found in _objects(folder, file).items():
            images = index.find(name, near=file)
            if len(images) == 1:
                boxes[images[0]] += found
            else:
                n_lost += 1
    notes = (f"Images of the COCO file that are not here, or there twice: {n_lost}.",) if n_lost else ()
    truths = {image: Boxes(tuple(found)) for image, found in boxes.items()}
    return boxed_study(LAYOUT.name, folder, truths, notes)


def _objects(folder: DataFolder, file: PurePosixPath) -> dict[str, list[Box]]:
    """Boxes of every image that one JSON file lists, by file name; an image may have none."""
    try:
        content = json.loads(folder.read_text(file))
        categories = {entry["id"]: clean(str(entry["name"])) for entry in content["categories"]}
        names = {entry["id"]: str(entry["file_name"]) for entry in content["images"]}
        objects: dict[str, list[Box]] = {name: [] for name in names.values()}
        for entry in content["annotations"]:
            x, y, width, height = map(float, entry["bbox"])
            box = Box(categories[entry["category_id"]], x, y, x + width, y + height)
            objects[names[entry["image_id"]]].append(box)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetUnrecognised(f"{file} is no COCO file ({error!r}).", "Export it again.") from error
    return objects


LAYOUT: Final = Layout(
    name="boxes (COCO)",
    looks_like="images + annotations.json",
    recognise=_recognise,
    read=_read,
)
