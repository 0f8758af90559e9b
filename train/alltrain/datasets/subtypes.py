"""subtypes.csv: which sort of blast an image shows, beside a dataset that only says blast or not.

    image,subtype
    Im001_1,L1
    Im004_1,L2

ALL-IDB and most other sets tell blasts from other cells and no more, while a laboratory knows the FAB type
or the stage of each patient. A patient's blasts are of one sort, so a line an image is enough. Normal cells
keep their label; blasts of images that the table does not list teach nothing, because "blast" beside "L1"
would be two names for one thing.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from alledge.errors import DatasetUnrecognised
from alltrain.datasets.folder import DataFolder, ImageIndex
from alltrain.datasets.labels import Meaning, clean, meaning
from alltrain.datasets.study import (
    Boxes,
    CentreCell,
    CropOrField,
    EveryCell,
    LabelledImage,
    Points,
    Study,
    Truth,
)
from alltrain.datasets.tables import Aliases, read_table

SUBTYPES_FILE: Final = "subtypes.csv"
_COLUMNS: Final[Aliases] = {
    "image": ("image", "filename", "file", "name"),
    "subtype": ("subtype", "stage", "type", "label"),
}


def tell_subtypes(study: Study, folders: Sequence[DataFolder]) -> Study:
    """The study with every positive label replaced by what subtypes.csv says of its image.

    folders: where the table may lie, the user's folder first; without a table the study stays as it is.

    Raises DatasetUnrecognised when the table lacks a column, is ambiguous, contradicts itself, or names a
    sort that does not mean leukaemia.
    """
    file = PurePosixPath(SUBTYPES_FILE)
    folder = next((folder for folder in folders if file in folder.files), None)
    if folder is None:
        return study
    listed = _read(folder, [PurePosixPath(image.source) for image in study.images])
    told = [_told(image, listed.get(image.source)) for image in study.images]
    kept = tuple(image for image in told if image is not None)
    n_untold = len(told) - len(kept)
    note = (f"Images with blasts that {SUBTYPES_FILE} does not list, left out: {n_untold}.",)
    return replace(study, images=kept, notes=(*study.notes, *(note if n_untold else ())))


def _read(folder: DataFolder, images: Sequence[PurePosixPath]) -> dict[str, str]:
    """Sort of each listed image, by source."""
    rows = read_table(folder, PurePosixPath(SUBTYPES_FILE), _COLUMNS)
    if rows is None:
        raise _refused("has no columns 'image' and 'subtype'", "Write the header 'image,subtype'.")
    index = ImageIndex(images)
    subtypes: dict[str, str] = {}
    for row in rows:
        found, subtype = index.find(row["image"]), clean(row["subtype"])
        if len(found) > 1:
            raise _refused(f"means {found[0]} or {found[1]} by '{row['image']}'", "Write the folder too.")
        if not found or not subtype:
            continue
        if meaning(subtype) is not Meaning.POSITIVE:
            raise _refused(f"names '{subtype}', which is no sort of blast", "Write L1, L2, L3 or a stage.")
        if subtypes.setdefault(found[0].as_posix(), subtype) != subtype:
            raise _refused(f"tells two subtypes of {found[0]}", "Keep one line per image.")
    return subtypes


def _told(image: LabelledImage, subtype: str | None) -> LabelledImage | None:
    """The image with its subtype; itself where it shows no blast, None where nobody told of which sort."""
    if not any(meaning(label) is Meaning.POSITIVE for label in _labels(image.truth)):
        return image
    return None if subtype is None else replace(image, truth=_renamed(image.truth, subtype))


def _labels(truth: Truth) -> list[str]:
    """Labels of the cells that a truth names; points name theirs only where there is one."""
    match truth:
        case Points(points=points, label=label):
            return [label] * len(points)
        case Boxes(boxes=boxes):
            return [box.label for box in boxes]
        case _:
            return [truth.label]


def _renamed(truth: Truth, subtype: str) -> Truth:
    def sort(label: str) -> str:
        return subtype if meaning(label) is Meaning.POSITIVE else label

    match truth:
        case Boxes(boxes=boxes):
            return replace(truth, boxes=tuple(replace(box, label=sort(box.label)) for box in boxes))
        case Points() | CentreCell() | EveryCell() | CropOrField():
            return replace(truth, label=sort(truth.label))


def _refused(why: str, next_step: str) -> DatasetUnrecognised:
    return DatasetUnrecognised(f"{SUBTYPES_FILE} {why}.", next_step)
