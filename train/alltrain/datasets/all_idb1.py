"""ALL-IDB1: whole fields, with the centre of every blast in a text file beside them.

    im/Im001_1.jpg  xyc/Im001_1.xyc     lines "x<TAB>y", one blast each
    im/Im002_0.jpg  xyc/Im002_0.xyc     empty, or not there

All blasts are annotated, so every other white cell is a normal one. Those in the fields of patients are
the best negatives there are: same slide, same lamp, same camera as the blasts.
"""

import re
from pathlib import PurePosixPath
from typing import Final

from alledge.errors import DatasetUnrecognised
from alltrain.datasets.all_idb import leukaemic
from alltrain.datasets.folder import DataFolder
from alltrain.datasets.study import BLAST, NORMAL, LabelledImage, Layout, Points, Study

_IMAGES: Final = "im"
_CENTRES: Final = "xyc"
_NUMBERS_APART: Final = re.compile(r"[\s,;]+")


def _recognise(folder: DataFolder) -> bool:
    return any(_in(_CENTRES, file) for file in folder.with_suffix(".xyc")) and bool(_fields(folder))


def _read(folder: DataFolder) -> Study:
    centres = {file.stem.lower(): file for file in folder.with_suffix(".xyc") if _in(_CENTRES, file)}
    images: list[LabelledImage] = []
    without: list[str] = []
    for field in _fields(folder):
        file = centres.get(field.stem.lower())
        if file is None and leukaemic(field):
            without.append(field.name)
            continue
        points = () if file is None else _read_centres(folder, file)
        truth = Points(points, label=BLAST, other_label=NORMAL)
        images.append(LabelledImage(folder.source(field), folder.path(field), truth))
    notes: tuple[str, ...] = ()
    if without:
        notes = (f"Fields of patients without .xyc file, left out: {len(without)} ({without[0]}, ...).",)
    return Study(LAYOUT.name, tuple(images), notes)


def _fields(folder: DataFolder) -> list[PurePosixPath]:
    return [image for image in folder.images if _in(_IMAGES, image) and leukaemic(image) is not None]


def _in(name: str, file: PurePosixPath) -> bool:
    return len(file.parts) == 2 and file.parts[0].lower() == name


def _read_centres(folder: DataFolder, file: PurePosixPath) -> tuple[tuple[float, float], ...]:
    points: list[tuple[float, float]] = []
    for number, line in enumerate(folder.read_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            x, y = map(float, _NUMBERS_APART.split(line.strip()))
        except ValueError as error:
            raise DatasetUnrecognised(
                f"{folder.path(file)}, line {number}: '{line.strip()[:40]}' is no pair of coordinates.",
                "Write x and y, separated by a tab.",
            ) from error
        points.append((x, y))
    return tuple(points)


LAYOUT: Final = Layout(
    name="ALL-IDB1",
    looks_like="im/ImNNN_Y.jpg + xyc/ImNNN_Y.xyc",
    recognise=_recognise,
    read=_read,
)
