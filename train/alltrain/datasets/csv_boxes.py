"""Boxes in a table: one line an object, one table for all images. Phantom studies are written this way.

    images/a.png  annotations.csv       image,xmin,ymin,xmax,ymax,label

Coordinates are pixels, or fractions of the side when none of the table exceeds 1.
"""

from collections import defaultdict
from pathlib import PurePosixPath
from typing import Final

from alledge.errors import DatasetUnrecognised
from alltrain.datasets.boxes import boxed_study
from alltrain.datasets.folder import DataFolder, ImageIndex
from alltrain.datasets.labels import clean
from alltrain.datasets.study import Box, Boxes, Layout, Study
from alltrain.datasets.tables import Aliases, Row, read_table, table_has

_COLUMNS: Final[Aliases] = {
    "image": ("image", "filename", "file", "image_name", "image_path", "image_id"),
    "x0": ("xmin", "x_min", "x0", "left"),
    "y0": ("ymin", "y_min", "y0", "top"),
    "x1": ("xmax", "x_max", "x1", "right"),
    "y1": ("ymax", "y_max", "y1", "bottom"),
    "label": ("label", "class", "class_name", "category", "cell_type", "name"),
}
_PHANTOM_FILES: Final = frozenset({"phantom.txt", "truth.json"})


def _recognise(folder: DataFolder) -> bool:
    return bool(folder.images) and bool(_tables(folder))


def _tables(folder: DataFolder) -> list[PurePosixPath]:
    return [file for file in folder.with_suffix(".csv") if table_has(folder, file, _COLUMNS)]


def _read(folder: DataFolder) -> Study:
    index = ImageIndex(folder.images)
    boxes: dict[PurePosixPath, list[Box]] = defaultdict(list)
    fractions: dict[PurePosixPath, bool] = {}
    n_lost = 0
    for file in _tables(folder):
        rows = read_table(folder, file, _COLUMNS) or []
        parsed = [(_image(index, row, file), _box(row, file, n)) for n, row in enumerate(rows, start=2)]
        are_fractions = all(max(box.x1, box.y1) <= 1 for _, box in parsed)
        for image, box in parsed:
            if image is None:
                n_lost += 1
                continue
            boxes[image].append(box)
            fractions[image] = are_fractions
    truths = {image: Boxes(tuple(found), fractions[image]) for image, found in boxes.items()}
    is_phantom = any(file.name.lower() in _PHANTOM_FILES for file in folder.files)
    notes = (f"Annotated objects in images that are not here: {n_lost}.",) if n_lost else ()
    return boxed_study(LAYOUT.name, folder, truths, notes, is_phantom=is_phantom)


def _image(index: ImageIndex, row: Row, file: PurePosixPath) -> PurePosixPath | None:
    found = index.find(row["image"], near=file)
    if len(found) > 1:
        raise DatasetUnrecognised(
            f"{file}: '{row['image']}' can mean {found[0]} or {found[1]}.", "Write the folder too."
        )
    return found[0] if found else None


def _box(row: Row, file: PurePosixPath, line: int) -> Box:
    try:
        x0, y0, x1, y1 = (float(row[key]) for key in ("x0", "y0", "x1", "y1"))
    except ValueError as error:
        raise DatasetUnrecognised(
            f"{file}, line {line}: the coordinates are no numbers.", "Correct that line."
        ) from error
    return Box(clean(row["label"]), x0, y0, x1, y1)


LAYOUT: Final = Layout(
    name="boxes (CSV)",
    looks_like="images + annotations.csv with image,xmin,ymin,xmax,ymax,label",
    recognise=_recognise,
    read=_read,
)
