"""YOLO: one text file an image, "class x y width height" as fractions of the sides.

    images/a.jpg  labels/a.txt  classes.txt (or obj.names, or data.yaml with names:)

Lines with more numbers outline the object as a polygon; its box is taken. Without a list of names the
classes are called "class 0", "class 1", ...
"""

import re
from pathlib import PurePosixPath
from typing import Final

from alledge.errors import DatasetUnrecognised
from alltrain.datasets.boxes import boxed_study
from alltrain.datasets.folder import DataFolder, ImageIndex
from alltrain.datasets.labels import clean
from alltrain.datasets.study import Box, Boxes, Layout, Study

_NAME_LISTS: Final = frozenset(
    {"classes.txt", "obj.names", "labels.txt", "predefined_classes.txt", "names.txt"}
)
_LINE: Final = re.compile(r"\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*", re.IGNORECASE)
_YAML_FLOW: Final = re.compile(r"^names\s*:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)
_YAML_BLOCK: Final = re.compile(r"^names\s*:[^\n\[]*\n((?:[ \t]*(?:-|\d+\s*:)[^\n]*\n?)+)", re.MULTILINE)
_YAML_MARK: Final = re.compile(r"^\s*(?:-|\d+\s*:)\s*")


def _recognise(folder: DataFolder) -> bool:
    index = ImageIndex(folder.images)
    for file in _label_files(folder):
        first = folder.read_text(file).strip().partition("\n")[0]
        if first:
            return bool(_LINE.fullmatch(first)) and bool(index.find(file.stem, near=file))
    return False


def _read(folder: DataFolder) -> Study:
    names = _class_names(folder)
    index = ImageIndex(folder.images)
    truths: dict[PurePosixPath, Boxes] = {}
    for file in _label_files(folder):
        found = index.find(file.stem, near=file)
        if len(found) > 1:
            raise DatasetUnrecognised(
                f"{file} can belong to {found[0]} or {found[1]}.", "Keep label files beside their images."
            )
        if found:
            lines = [line for line in folder.read_text(file).splitlines() if line.strip()]
            boxes = tuple(_box(line, names, file) for line in lines)
            truths[found[0]] = Boxes(boxes, are_fractions=True)
    notes = () if names else ("The YOLO files come without class names; classes are called by number.",)
    return boxed_study(LAYOUT.name, folder, truths, notes)


def _label_files(folder: DataFolder) -> list[PurePosixPath]:
    """Text files that have an image of the same name; notes and licences have none."""
    stems = {image.stem for image in folder.images}
    return [
        file
        for file in folder.with_suffix(".txt")
        if file.name.lower() not in _NAME_LISTS and file.stem in stems
    ]


def _box(line: str, names: list[str], file: PurePosixPath) -> Box:
    if not _LINE.fullmatch(line.strip()):
        raise DatasetUnrecognised(
            f"{file}: '{line.strip()[:60]}' is no YOLO line.", "Write: class x y width height."
        )
    number, *rest = line.split()
    try:
        values = [float(value) for value in rest]
    except ValueError as error:
        raise DatasetUnrecognised(
            f"{file}: '{line.strip()[:60]}' holds no numbers.", "Correct it."
        ) from error
    label = clean(names[int(number)]) if int(number) < len(names) else f"class {int(number)}"
    if len(values) > 5:
        xs, ys = values[0::2], values[1::2]
        return Box(label, min(xs), min(ys), max(xs), max(ys))
    x, y, width, height = values[:4]
    return Box(label, x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _class_names(folder: DataFolder) -> list[str]:
    for file in folder.files:
        if file.name.lower() in _NAME_LISTS:
            return [line.strip() for line in folder.read_text(file).splitlines() if line.strip()]
    for file in folder.with_suffix(".yaml", ".yml"):
        names = _names_in_yaml(folder.read_text(file))
        if names:
            return names
    return []


def _names_in_yaml(text: str) -> list[str]:
    """The `names:` of a data.yaml: a list in brackets, or one name a line."""
    flow = _YAML_FLOW.search(text)
    if flow:
        return [name.strip().strip("'\"") for name in flow.group(1).split(",") if name.strip()]
    block = _YAML_BLOCK.search(text)
    if block:
        return [
            _YAML_MARK.sub("", line).strip().strip("'\"")
            for line in block.group(1).splitlines()
            if line.strip()
        ]
    return []


LAYOUT: Final = Layout(
    name="boxes (YOLO)",
    looks_like="images/*.jpg + labels/*.txt",
    recognise=_recognise,
    read=_read,
)
