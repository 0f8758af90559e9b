"""The data that crosses module, thread and process borders: frozen, slotted, units in the names.

Coordinates are pixels of the frame as given, x to the right and y down, the centre of the first
pixel at (0, 0). Colour order is said here once: a Frame is BGR (OpenCV's and picamera2's order),
a patch is RGB (the order that model files declare).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

U8: TypeAlias = npt.NDArray[np.uint8]
I8: TypeAlias = npt.NDArray[np.int8]
F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]
I64: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a camera or an archive.

    pixels: (H, W, 3) uint8, BGR.
    sensor_timestamp_ns: monotonic clock at the exposure; None for archives.
    """

    pixels: U8
    source: str
    sensor_timestamp_ns: int | None = None
    exposure_us: int | None = None
    analogue_gain: float | None = None
    colour_gains: tuple[float, float] | None = None

    @property
    def width(self) -> int:
        """Columns of the frame, in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows of the frame, in pixels."""
        return int(self.pixels.shape[0])


class PixelSizeSource(StrEnum):
    """Where a pixel size comes from, best first."""

    GIVEN = "given"
    RED_CELLS = "red cells"
    NUCLEI = "nuclei"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Micrometres that one pixel of the frame spans, and how that is known.

    n_red_cells: red cells that the estimate rests on; 0 when it rests on something else.
    """

    pixel_um: float
    source: PixelSizeSource
    n_red_cells: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One nucleated (white) cell, with its morphology in physical units (FAB vocabulary).

    x, y: centre of the cell. box: (x0, y0, x1, y1), x1 and y1 exclusive.
    nucleus_cytoplasm_ratio: nucleus area over whole-cell area, 0 to 1.
    roundness: 4 pi area / perimeter^2 of the nucleus, 1 for a disc.
    texture: standard deviation of the optical density within the nucleus.
    touches_border: the cell is cut by the edge of the frame.
    """

    x: float
    y: float
    box: tuple[int, int, int, int]
    diameter_um: float
    nucleus_area_um2: float
    nucleus_cytoplasm_ratio: float
    roundness: float
    texture: float
    touches_border: bool


@dataclass(frozen=True, slots=True)
class CellsFound:
    """What the finder saw in one field: white cells, and counts of what it told apart from them."""

    cells: tuple[Cell, ...]
    n_smudges: int
    n_platelets: int


class Verdict(StrEnum):
    """Quality of a field, by name. Only OK fields have calls."""

    OK = "ok"
    OUT_OF_FOCUS = "out of focus"
    TOO_DARK = "too dark"
    SATURATED = "saturated"
    NO_SMEAR = "no smear"
    NOT_A_SMEAR = "not a smear"
    TOO_THICK = "cells overlap too much"
    STAIN_UNLIKE_TRAINING = "stain unlike training"
    LIGHT_CHANGED = "illumination changed"
    NOT_CALIBRATED = "calibration does not fit"


@dataclass(frozen=True, slots=True)
class Quality:
    """Whether a field can be judged, in a word, a sentence, and the numbers behind it."""

    verdict: Verdict
    advice: str
    focus: float
    brightness: float
    saturated_fraction: float
    smear_fraction: float


@dataclass(frozen=True, slots=True)
class Call:
    """The model's word on one cell: a label, or `review` when a person must look.

    label: the most likely label, also when `review` is set. p: calibrated probability per label.
    reason: why a person must look, None otherwise.
    """

    label: str
    p: Mapping[str, float]
    review: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What binds a result to the model that made it."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FieldResult:
    """Everything said about one field. `calls[i]` belongs to `cells[i]`; no model, no calls."""

    source: str
    width: int
    height: int
    pixel_size: PixelSize
    quality: Quality
    cells: tuple[Cell, ...]
    calls: tuple[Call, ...] = ()
    n_smudges: int = 0
    n_platelets: int = 0
    model: ModelIdentity | None = None
    notes: tuple[str, ...] = field(default=())
