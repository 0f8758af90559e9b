"""Taleqani hospital set: fields shrunk to 224 x 224, in a folder of their diagnosis.

    Benign/*.jpg  "Early Malignant"/*.jpg  "Pre Malignant"/*.jpg  "Pro Malignant"/*.jpg
    or Benign, "[Malignant] early Pre-B", "[Malignant] Pre-B", "[Malignant] Pro-B", or Early, Pre, Pro

M. Aria, M. Ghaderzadeh et al., "Acute Lymphoblastic Leukemia (ALL) image dataset", 2021. The class is the
field's, so every white cell in it inherits the class. There are no patient numbers, neighbours in number
are neighbours on the slide, and scale bar and background alone tell much of the class.
"""

from pathlib import PurePosixPath
from typing import Final

from alltrain.datasets.folder import DataFolder
from alltrain.datasets.labels import sort_of, words
from alltrain.datasets.study import EveryCell, LabelledImage, Layout, Study

_BENIGN: Final = "benign"
_STAGES: Final = ("early", "pre", "pro")
_CLASS_IS_THE_FIELDS: Final = "The class is given per field: every white cell inherits it, right or not."
_SHORTCUTS: Final = (
    "Scale bar and background alone tell much of the class in this set, and it holds near duplicates: a high "
    "accuracy here shows little."
)


def _recognise(folder: DataFolder) -> bool:
    found = {_stage(image) for image in folder.images if len(image.parts) == 2}
    return _BENIGN in found and len(found & set(_STAGES)) >= 2


def _read(folder: DataFolder) -> Study:
    images = tuple(
        LabelledImage(folder.source(image), folder.path(image), EveryCell(stage))
        for image in folder.images
        if len(image.parts) == 2 and (stage := _stage(image)) is not None
    )
    return Study(LAYOUT.name, images, (_CLASS_IS_THE_FIELDS, _SHORTCUTS))


def _stage(image: PurePosixPath) -> str | None:
    """Class by the words of the folder: benign, early, pre or pro."""
    if _BENIGN in words(image.parts[0]):
        return _BENIGN
    sort = sort_of(image.parts[0])
    return sort if sort in _STAGES else None


LAYOUT: Final = Layout(
    name="Taleqani",
    looks_like="Benign/, Early.../, Pre.../, Pro.../ with fields",
    recognise=_recognise,
    read=_read,
)
