"""The pixel path from end to end: one frame in, one field result out.

    frame -> illumination -> pixel size -> quality -> cells -> patches -> logits -> calls

Every step is a pure function of the one before; this module only joins them. A field that fails
its quality check has no cells and no calls: the device says what is wrong instead of guessing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from alledge.calls import CUT_BY_BORDER, make_calls
from alledge.card import Card
from alledge.cells import find_cells
from alledge.classifier import Classifier, open_classifier
from alledge.illumination import Illumination, estimate_illumination
from alledge.model_file import read_model
from alledge.patches import PATCH_PX, cut_patches
from alledge.pixel_size import estimate_pixel_size
from alledge.quality import judge_quality
from alledge.types import U8, Call, Cell, FieldResult, Frame, PixelSize, PixelSizeSource, Verdict

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


def analyse_field(frame: Frame, model: FieldModel | None, pixel_um: float | None = None) -> FieldResult:
    """Finds and, where a model is given, classifies the white cells of one field.

    Args:
        frame: the field, (H, W, 3) uint8 BGR.
        model: None finds cells without calling them.
        pixel_um: micrometres a pixel when calibrated; None estimates it from the red cells.
    """
    return analyse_with_evidence(frame, model, pixel_um).result


def analyse_with_evidence(
    frame: Frame, model: FieldModel | None, pixel_um: float | None = None
) -> FieldAnalysis:
    """The same as `analyse_field`, with the patches that the calls rest on."""
    illumination = estimate_illumination(frame.pixels)
    pixel_size = _pixel_size(frame, illumination, pixel_um)
    quality = judge_quality(frame.pixels, illumination, pixel_size.pixel_um)
    identity = model.classifier.identity if model else None
    if quality.verdict is not Verdict.OK:
        refused = FieldResult(
            source=frame.source,
            width=frame.width,
            height=frame.height,
            pixel_size=pixel_size,
            quality=quality,
            cells=(),
            model=identity,
        )
        return FieldAnalysis(refused, NO_PATCHES, illumination)
    found = find_cells(frame.pixels, illumination, pixel_size.pixel_um)
    patches = _patches(frame, found.cells, pixel_size.pixel_um, illumination) if model else NO_PATCHES
    result = FieldResult(
        source=frame.source,
        width=frame.width,
        height=frame.height,
        pixel_size=pixel_size,
        quality=quality,
        cells=found.cells,
        calls=_call_cells(found.cells, patches, model) if model else (),
        n_smudges=found.n_smudges,
        n_platelets=found.n_platelets,
        model=identity,
        notes=_notes(pixel_size),
    )
    return FieldAnalysis(result, patches, illumination)


def _pixel_size(frame: Frame, illumination: Illumination, pixel_um: float | None) -> PixelSize:
    if pixel_um is not None:
        return PixelSize(pixel_um, PixelSizeSource.GIVEN)
    return estimate_pixel_size(frame.pixels, illumination)


def _patches(frame: Frame, cells: tuple[Cell, ...], pixel_um: float, illumination: Illumination) -> U8:
    if not cells:
        return NO_PATCHES
    return cut_patches(frame.pixels, [(cell.x, cell.y) for cell in cells], pixel_um, illumination)


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
