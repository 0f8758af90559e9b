"""From pictures to a calibration: the pure part, with nobody to ask and nothing to write.

The pixel size comes from a stage micrometer, or, where none is at hand, from the red cells of a smear: their
mean diameter differs between people by a few per cent, and that is the error told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge import __version__
from alledge.calibration.calibration import Calibration, CameraControls, Scale, ScaleSource
from alledge.calibration.empty_field import EmptyField
from alledge.clock import WallTime
from alledge.errors import CalibrationRefused
from alledge.illumination import estimate_illumination
from alledge.pixel_size import estimate_pixel_size
from alledge.quality import judge_quality
from alledge.types import U8, PixelSizeSource, Verdict

_LEAST_RED_CELLS: Final = 12  # a field; fewer are a guess
# Mean cell volume of healthy people is 80 to 100 fl (ICSH); diameter goes with about its cube root.
_BETWEEN_PEOPLE: Final = 0.04


@dataclass(frozen=True, slots=True)
class About:
    """Whose calibration it is: the microscope's owner names the objective, the camera its SPEC."""

    objective: str
    camera: str
    controls: CameraControls
    wall: WallTime


def calibrate(empty: EmptyField, scale: Scale, focus: float | None, about: About) -> Calibration:
    """Puts what was measured together; the SHA-256 is given when it is saved."""
    return Calibration(
        scale=scale,
        illumination=empty.illumination,
        controls=about.controls,
        white=empty.white,
        focus=focus,
        objective=about.objective,
        camera=about.camera,
        software_version=__version__,
        wall=about.wall,
        sha256="",
    )


def measure_red_cells(smears: Sequence[U8]) -> Scale:
    """Micrometres per pixel from the red cells of one field or more, (H, W, 3) uint8 BGR.

    Raises:
        CalibrationRefused: no field shows a dozen red cells.
    """
    sizes = [estimate_pixel_size(smear, estimate_illumination(smear)) for smear in smears]
    good = [
        size
        for size in sizes
        if size.source is PixelSizeSource.RED_CELLS and size.n_red_cells >= _LEAST_RED_CELLS
    ]
    if not good:
        raise CalibrationRefused(
            f"Not {_LEAST_RED_CELLS} red cells can be measured.",
            "Show a thin, even part of a smear in sharp focus, or a stage micrometer.",
        )
    pixel_um = float(np.median([size.pixel_um for size in good]))
    n_red_cells = sum(size.n_red_cells for size in good)
    return Scale(pixel_um, _BETWEEN_PEOPLE * pixel_um, ScaleSource.RED_CELLS, n_red_cells)


def measure_focus(smears: Sequence[U8], pixel_um: float) -> float:
    """The best focus score, 1 / um, among fields of a smear, (H, W, 3) uint8 BGR.

    Raises:
        CalibrationRefused: none of them can be judged, with the advice for the last.
    """
    judged = [judge_quality(smear, estimate_illumination(smear), pixel_um) for smear in smears]
    good = [quality.focus for quality in judged if quality.verdict is Verdict.OK]
    if not good:
        raise CalibrationRefused(f"The smear is {judged[-1].verdict.value}.", judged[-1].advice)
    return max(good)
