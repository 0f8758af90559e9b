"""The pixel path from end to end: one frame in, one field result out.

    frame -> illumination -> pixel size -> quality -> cells -> patches -> stain -> logits -> calls

Every step is a pure function of the one before; this module only joins them. A field that fails
its quality check has no cells and no calls: the device says what is wrong instead of guessing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from alledge.calibration.calibration import Calibration
from alledge.calibration.lamp_check import follow_level, lamp_change
from alledge.calls import CUT_BY_BORDER, make_calls
from alledge.card import Card
from alledge.cells import find_cells
from alledge.classifier import Classifier, open_classifier
from alledge.illumination import Illumination, estimate_illumination
from alledge.model_file import read_model
from alledge.patches import PATCH_PX, cut_patches
from alledge.pixel_size import estimate_pixel_size
from alledge.quality import judge_quality, refuse
from alledge.reduced import Halvings
from alledge.stain_check import is_stain_strange
from alledge.types import (
    U8,
    Call,
    Cell,
    FieldResult,
    Frame,
    PixelSize,
    PixelSizeSource,
    Quality,
    Verdict,
)

NO_PATCHES: Final[U8] = np.empty((0, PATCH_PX, PATCH_PX, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class FieldModel:
    """A model ready to serve: the interpreter, built once, and the card that tells how to read it."""

    classifier: Classifier
    card: Card


def load_field_model(path: Path) -> FieldModel:
    """Reads, checks and opens a model file.

    Raises:
        PathUnusable, ModelUnreadable, ModelDamaged, ModelNotInt8, ModelLabelsDiffer: see `alledge.errors`.
        RuntimeMissing: no TFLite runtime is installed.
    """
    model = read_model(path)
    return FieldModel(classifier=open_classifier(model), card=model.card)


@dataclass(frozen=True, slots=True, eq=False)
class FieldAnalysis:
    """A field result with what it was made from, for whoever keeps evidence of it.

    patches: (N, 50, 50, 3) uint8 RGB, one a cell of the result; none when no model looked at them.
    illumination: the empty field behind the frame.
    """

    result: FieldResult
    patches: U8
    illumination: Illumination


def analyse_field(
    frame: Frame,
    model: FieldModel | None,
    pixel_um: float | None = None,
    calibration: Calibration | None = None,
) -> FieldResult:
    """Finds and, where a model is given, classifies the white cells of one field.

    Args:
        frame: the field, (H, W, 3) uint8 BGR.
        model: None finds cells without calling them.
        pixel_um: micrometres a pixel when given; None takes the calibration's, or else estimates it from
            the red cells.
        calibration: of the microscope; a frame that it does not hold for, or whose light has changed since,
            is refused.
    """
    return analyse_with_evidence(frame, model, pixel_um, calibration).result


def analyse_with_evidence(
    frame: Frame,
    model: FieldModel | None,
    pixel_um: float | None = None,
    calibration: Calibration | None = None,
    seen: Halvings | None = None,
) -> FieldAnalysis:
    """The same as `analyse_field`, with the patches that the calls rest on.

    seen: the same frame, where others look at reduced copies of it as well.
    """
    field = _judge_field(frame, pixel_um, calibration)
    if field.quality.verdict is not Verdict.OK:
        return _refused(frame, model, field)
    found = find_cells(frame.pixels, field.illumination, field.pixel_size.pixel_um, seen)
    patches = _patches(frame, found.cells, field) if model else NO_PATCHES
    if model and _is_stain_strange(found.cells, patches, model.card):
        finding = "The cells of this field differ in colour from those that the model was fitted on."
        strange = refuse(field.quality, Verdict.STAIN_UNLIKE_TRAINING, finding)
        return _refused(frame, model, replace(field, quality=strange))
    result = FieldResult(
        source=frame.source,
        width=frame.width,
        height=frame.height,
        pixel_size=field.pixel_size,
        quality=field.quality,
        cells=found.cells,
        calls=_call_cells(found.cells, patches, model) if model else (),
        n_smudges=found.n_smudges,
        n_platelets=found.n_platelets,
        model=model.classifier.identity if model else None,
        notes=_notes(field.pixel_size),
    )
    return FieldAnalysis(result, patches, field.illumination)


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """What is known of a frame before its cells are looked for."""

    illumination: Illumination
    pixel_size: PixelSize
    quality: Quality


def _judge_field(frame: Frame, pixel_um: float | None, calibration: Calibration | None) -> _Field:
    """Light, scale and quality, with the calibration where there is one."""
    estimated = estimate_illumination(frame.pixels)
    if pixel_um is None and calibration is not None:
        pixel_um = calibration.pixel_um
    pixel_size = _pixel_size(frame, estimated, pixel_um)
    # By the frame's own light: a lamp that changed must not make a good smear look like a bad one.
    quality = judge_quality(frame.pixels, estimated, pixel_size.pixel_um)
    if calibration is None:
        return _Field(estimated, pixel_size, quality)
    misfit = calibration.mismatch(frame)
    if misfit is not None:
        return _Field(estimated, pixel_size, refuse(quality, Verdict.NOT_CALIBRATED, misfit))
    if quality.verdict is not Verdict.OK or estimated.masked:
        return _Field(estimated, pixel_size, quality)
    change = lamp_change(calibration.illumination, estimated).finding
    if change is not None:
        return _Field(estimated, pixel_size, refuse(quality, Verdict.LIGHT_CHANGED, change))
    return _Field(follow_level(calibration.illumination, estimated), pixel_size, quality)


def _refused(frame: Frame, model: FieldModel | None, field: _Field) -> FieldAnalysis:
    """A field that nothing is said about but why."""
    result = FieldResult(
        source=frame.source,
        width=frame.width,
        height=frame.height,
        pixel_size=field.pixel_size,
        quality=field.quality,
        cells=(),
        model=model.classifier.identity if model else None,
    )
    return FieldAnalysis(result, NO_PATCHES, field.illumination)


def _is_stain_strange(cells: tuple[Cell, ...], patches: U8, card: Card) -> bool:
    """Whether the whole cells of a field, as the model was fitted on, have another colour than those."""
    if card.familiarity is None:
        return False
    whole = np.array([not cell.touches_border for cell in cells], dtype=np.bool_)
    return is_stain_strange(patches[whole], card.familiarity)


def _pixel_size(frame: Frame, illumination: Illumination, pixel_um: float | None) -> PixelSize:
    if pixel_um is not None:
        return PixelSize(pixel_um, PixelSizeSource.GIVEN)
    return estimate_pixel_size(frame.pixels, illumination)


def _patches(frame: Frame, cells: tuple[Cell, ...], field: _Field) -> U8:
    if not cells:
        return NO_PATCHES
    centres = [(cell.x, cell.y) for cell in cells]
    return cut_patches(frame.pixels, centres, field.pixel_size.pixel_um, field.illumination)


def _call_cells(cells: tuple[Cell, ...], patches: U8, model: FieldModel) -> tuple[Call, ...]:
    if not cells:
        return ()
    calls = make_calls(model.classifier.logits(patches), patches, model.card)
    return tuple(map(_unless_cut, calls, cells))


def _unless_cut(call: Call, cell: Cell) -> Call:
    """Training leaves out cells that the border cuts, so a person looks at what the model says of one."""
    return replace(call, review=True, reason=CUT_BY_BORDER) if cell.touches_border else call


def _notes(pixel_size: PixelSize) -> tuple[str, ...]:
    if pixel_size.source in (PixelSizeSource.GIVEN, PixelSizeSource.RED_CELLS):
        return ()
    rough = f"Pixel size {pixel_size.source.value}, not measured on red cells: sizes in um are rough."
    return (f"{rough} Give --pixel-um from a stage micrometer.",)
