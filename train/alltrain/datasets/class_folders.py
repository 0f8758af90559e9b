"""Class folders: one folder a class, whatever the classes are called.

    blast/a.png            normal/b.png             one folder a class
    train/blast/a.png      test/normal/b.png        split by somebody else: their split is not used
    blast/patient-07/a.png normal/patient-09/b.png  a folder per patient inside: the group
    ALL/L1/a.png  ALL/L2/b.png  normal/c.png        sorts of leukaemic cells inside: the class

The images are crops around one cell when they span little more than a cell, else fields in which every
white cell inherits the class; the pixels decide that once for the whole study (scale.py).
"""

from pathlib import PurePosixPath
from typing import Final

from alltrain.datasets.folder import DataFolder
from alltrain.datasets.labels import Meaning, clean, meaning, sort_of
from alltrain.datasets.study import CropOrField, LabelledImage, Layout, Study

_SPLITS: Final = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
# Folders that say that images are inside, not which.
_GENERIC: Final = frozenset({"images", "image", "img", "im", "data", "dataset", "jpegimages", "originals"})


def _recognise(folder: DataFolder) -> bool:
    return bool(folder.images) and _classes(folder) is not None


def _read(folder: DataFolder) -> Study:
    classes = _classes(folder) or {}
    images = tuple(
        LabelledImage(folder.source(image), folder.path(image), CropOrField(label), group)
        for image, (label, group) in classes.items()
    )
    return Study(LAYOUT.name, images)


def _classes(folder: DataFolder) -> dict[PurePosixPath, tuple[str, str | None]] | None:
    """Class and patient of every image by the folders above it; None when they do not tell."""
    above = {image: _without_the_wider_class(_telling_folders(image)) for image in folder.images}
    if not {len(names) for names in above.values()} <= {1, 2}:
        return None
    outer = {names[0] for names in above.values()}
    inner = {names[1] for names in above.values() if len(names) == 2}
    if not inner:
        return {image: (names[0], None) for image, names in above.items()}
    inner_are_classes = any(meaning(name) is not Meaning.UNKNOWN for name in inner)
    everywhere = all(len(names) == 2 for names in above.values())
    if any(meaning(name) is Meaning.UNKNOWN for name in outer) or not (everywhere or inner_are_classes):
        return None
    if len(outer) == 1 and inner_are_classes:
        return None
    # Folders like normal/lymphocyte/ are kinds of a class, not patients.
    return {image: (names[0], None if inner_are_classes else names[1]) for image, names in above.items()}


def _without_the_wider_class(names: list[str]) -> list[str]:
    """ALL/L1 is L1: a sort of leukaemic cell says more than the leukaemia it is a sort of."""
    narrower = len(names) > 1 and meaning(names[0]) is Meaning.POSITIVE and sort_of(names[0]) is None
    return names[1:] if narrower and sort_of(names[1]) else names


def _telling_folders(image: PurePosixPath) -> list[str]:
    folders = [clean(name) for name in image.parts[:-1]]
    return [name for name in folders if name not in _SPLITS and name not in _GENERIC]


LAYOUT: Final = Layout(
    name="class folders",
    looks_like="one folder a class (blast/*.png, normal/*.png)",
    recognise=_recognise,
    read=_read,
)
