"""The walk through a calibration: what to put under the objective, in which order, and what is made of it.

Whoever shows the pictures, a person at a microscope or files on a disk, is behind one small port, so the
order and the checks are the same for both. Each step is measured as soon as its pictures are there: a wrong
one is said at once, while the slide still lies there, and can be shown again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from alledge.calibration.calibration import Calibration, CameraControls, Scale
from alledge.calibration.empty_field import EmptyField, measure_empty_field
from alledge.calibration.measure import About, calibrate, measure_focus, measure_red_cells
from alledge.calibration.micrometer import measure_micrometer
from alledge.calibration.settle import told_controls
from alledge.clock import WallTime
from alledge.errors import CalibrationRefused
from alledge.types import U8, Frame

Measured = TypeVar("Measured")


class Step(StrEnum):
    """What is to be seen, as a person is told."""

    EMPTY_FIELD = "a clean, empty part of the slide, in focus as for cells"
    MICROMETER = "the rulings of the stage micrometer, in focus, across the whole field"
    SMEAR = "a thin, even part of a stained smear, as sharp as it gets"


class Viewer(Protocol):
    """Whoever shows pictures and hears what became of them."""

    def show(self, step: Step) -> Sequence[Frame]:
        """Gives pictures of what a step needs; an empty sequence where there is none to be had."""
        ...

    def again(self, refused: CalibrationRefused) -> bool:
        """Tells why pictures were refused; whether others will be shown."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known before: how far the rulings lie apart, and names."""

    division_um: float
    objective: str
    camera: str


def walk(viewer: Viewer, asked: Asked, wall: Callable[[], WallTime]) -> tuple[Calibration, U8]:
    """Goes through all steps.

    Returns:
        The calibration, not yet saved, and the picture of its empty field.

    Raises:
        CalibrationRefused: a step was refused and the viewer gave up, or nothing shows the scale.
    """
    controls = CameraControls()

    def empty_field(frames: Sequence[Frame]) -> EmptyField:
        nonlocal controls
        controls = told_controls(frames[-1])
        return measure_empty_field([frame.pixels for frame in frames])

    empty = _measured(viewer, Step.EMPTY_FIELD, empty_field)
    if empty is None:
        raise CalibrationRefused("There is no picture of the empty field.", "Give one with --empty.")

    def micrometer(frames: Sequence[Frame]) -> Scale:
        picture = _same_size(frames, empty)[-1]
        return measure_micrometer(picture, empty.illumination, asked.division_um)

    def red_cells(frames: Sequence[Frame]) -> tuple[Scale, float]:
        smears = _same_size(frames, empty)
        known = scale if scale is not None else measure_red_cells(smears)
        return known, measure_focus(smears, known.pixel_um)

    scale = _measured(viewer, Step.MICROMETER, micrometer)
    smear = _measured(viewer, Step.SMEAR, red_cells)
    final, focus = smear if smear is not None else (scale, None)
    if final is None:
        raise CalibrationRefused(
            "Nothing shows the size of a pixel.", "Give a picture with --micrometer, or one with --smear."
        )
    about = About(asked.objective, asked.camera, controls, wall())
    return calibrate(empty, final, focus, about), empty.pixels


def _measured(viewer: Viewer, step: Step, measure: Callable[[Sequence[Frame]], Measured]) -> Measured | None:
    """What a step gives, shown again as often as the viewer likes; None when there is nothing to show."""
    while True:
        frames = viewer.show(step)
        if not frames:
            return None
        try:
            return measure(frames)
        except CalibrationRefused as refused:
            if not viewer.again(refused):
                raise


def _same_size(frames: Sequence[Frame], empty: EmptyField) -> list[U8]:
    """The pictures, if they are of the empty field's size."""
    height, width = empty.pixels.shape[:2]
    for frame in frames:
        if (frame.width, frame.height) != (width, height):
            raise CalibrationRefused(
                f"This has {frame.width} x {frame.height} pixels, the empty field {width} x {height}.",
                "Take all pictures in one mode of the camera.",
            )
    return [frame.pixels for frame in frames]
