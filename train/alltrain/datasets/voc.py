"""Pascal VOC: one XML file an image, boxes in pixels.

    JPEGImages/a.jpg  Annotations/a.xml     or both side by side

M. Everingham et al., "The Pascal visual object classes challenge", Int. J. Comput. Vis. 88 (2010). Pixels
count from 1 there; many tools count from 0, and one pixel does not matter to a cell.
"""

from pathlib import PurePosixPath
from typing import Final
from xml.etree import ElementTree as ET

from alledge.errors import DatasetUnrecognised
from alltrain.datasets.boxes import boxed_study
from alltrain.datasets.folder import DataFolder, ImageIndex
from alltrain.datasets.labels import clean
from alltrain.datasets.study import Box, Boxes, Layout, Study


def _recognise(folder: DataFolder) -> bool:
    if not folder.images:
        return False
    return any("<annotation" in folder.read_text(file)[:2000] for file in folder.with_suffix(".xml")[:3])


def _read(folder: DataFolder) -> Study:
    index = ImageIndex(folder.images)
    truths: dict[PurePosixPath, Boxes] = {}
    n_lost = 0
    for file in folder.with_suffix(".xml"):
        root = _parse(folder, file)
        if root.tag != "annotation":
            continue
        # The name of the XML file is more faithful than the <filename> in it, which renaming leaves behind.
        found = index.find(file.stem, near=file) or index.find(root.findtext("filename", ""), near=file)
        if len(found) != 1:
            n_lost += 1
            continue
        truths[found[0]] = Boxes(tuple(_box(node, file) for node in root.iter("object")))
    notes = (f"Annotation files that belong to no image, or to several: {n_lost}.",) if n_lost else ()
    return boxed_study(LAYOUT.name, folder, truths, notes)


def _parse(folder: DataFolder, file: PurePosixPath) -> ET.Element:
    text = folder.read_text(file)
    # VOC files declare no entities; one that does is made to fill the memory.
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise DatasetUnrecognised(f"{file} declares XML entities.", "Take the file away.")
    try:
        return ET.fromstring(text)  # noqa: S314 (no entity gets here)
    except ET.ParseError as error:
        raise DatasetUnrecognised(f"{file} is no XML ({error}).", "Correct or remove the file.") from error


def _box(node: ET.Element, file: PurePosixPath) -> Box:
    try:
        x0, y0, x1, y1 = (
            float(node.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax")
        )
    except ValueError as error:
        raise DatasetUnrecognised(
            f"{file}: an object has no box of four numbers.", "Correct the file."
        ) from error
    return Box(clean(node.findtext("name", "")), min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


LAYOUT: Final = Layout(
    name="boxes (Pascal VOC)",
    looks_like="images + Annotations/*.xml",
    recognise=_recognise,
    read=_read,
)
