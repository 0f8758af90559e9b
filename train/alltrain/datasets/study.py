"""What a layout says before any pixel is looked at: images, and how labels get to the cells in them.

Layouts differ in where the truth is written, not in kind. There are five kinds, and each says which of
the cells that the device's finder sees become labelled patches (cutting.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from alltrain.datasets.folder import DataFolder


@dataclass(frozen=True, slots=True)
class CentreCell:
    """The image is a crop around one cell, which has this label."""

    label: str


@dataclass(frozen=True, slots=True)
class EveryCell:
    """The image is a field; every white cell in it inherits the label."""

    label: str


@dataclass(frozen=True, slots=True)
class CropOrField:
    """An image in a folder of its class: a crop when the images of the study are small, else a field."""

    label: str


@dataclass(frozen=True, slots=True)
class Points:
    """Centres of all cells with `label`; every other white cell has `other_label`. x, y in pixels."""

    points: tuple[tuple[float, float], ...]
    label: str
    other_label: str


@dataclass(frozen=True, slots=True)
class Box:
    """One annotated object; pixels, or fractions of the side where its `Boxes` says so."""

    label: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes around all white cells, and around other things too."""

    boxes: tuple[Box, ...]
    are_fractions: bool = False


Truth: TypeAlias = CentreCell | EveryCell | CropOrField | Points | Boxes


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image file and its truth.

    source: path relative to the dataset. group: patient or slide where the layout knows it.
    pixel_um: where the layout fixes it; None when it is to be measured.
    """

    source: str
    path: Path
    truth: Truth
    group: str | None = None
    pixel_um: float | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """A recognised dataset, unread. notes: what every report must repeat about this layout."""

    layout: str
    images: tuple[LabelledImage, ...]
    notes: tuple[str, ...] = ()
    is_phantom: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to arrange a dataset on disk.

    name: as reports show it. looks_like: its tree in a few words, for the message that nothing fits.
    recognise: decides from names (and the first lines of text files), never from pixels.
    read: builds the Study of a folder that was recognised.
    """

    name: str
    looks_like: str
    recognise: Callable[[DataFolder], bool]
    read: Callable[[DataFolder], Study]


NORMAL: Final = "normal"
BLAST: Final = "blast"
