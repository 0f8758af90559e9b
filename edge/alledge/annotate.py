"""A field as a person wants to see it: boxes, labels, probabilities and a scale bar on the picture.

Meaning is never in colour alone: a positive call has a thick box, a cell for review a dashed one and
a question mark, and every box bears its label. With several labels a side, findings have warm colours,
other cells cool ones, and a legend names them. A strip under the picture says what was counted, by which
model, and for what use.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import cv2
import numpy as np

from alledge import RESEARCH_USE_ONLY
from alledge.field_json import field_counts
from alledge.types import U8, Call, Cell, FieldResult, Frame, Verdict

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, 0 to 255."""

_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
# BGR. From Okabe and Ito's palette (2008), which colour-blind readers can tell apart.
_WARM: Final = ((0, 94, 213), (0, 159, 230), (66, 228, 240))
_COOL: Final = ((178, 114, 0), (233, 180, 86), (115, 158, 0))
_REVIEW: Final = (167, 121, 204)
_UNCALLED: Final = (115, 158, 0)
_INK: Final = (30, 30, 30)
_PAPER: Final = (250, 250, 250)
_GREY_OF_BGR: Final = (0.114, 0.587, 0.299)  # ITU-R BT.601
_BRIGHT: Final = 140.0  # grey level of a colour from which dark letters read better on it than white ones
_OVERVIEW: Final = 2  # labels that need no legend: one a side
_REFERENCE_WIDTH_PX: Final = 1280.0
_SCALE_BAR_UM: Final = 10.0


def annotate_field(frame: Frame, result: FieldResult, positive_labels: tuple[str, ...] = ()) -> U8:
    """Draws a field result on a copy of its frame.

    Args:
        frame: the frame that the result was made from.
        result: cells with or without calls.
        positive_labels: labels drawn with a thick box.

    Returns:
        (H + strip, W, 3) uint8 BGR.
    """
    scale = max(0.4, frame.width / _REFERENCE_WIDTH_PX)
    canvas = frame.pixels.copy()
    colours = label_colours(tuple(result.calls[0].p) if result.calls else (), positive_labels)
    calls: list[Call | None] = list(result.calls) or [None] * len(result.cells)
    for cell, call in zip(result.cells, calls, strict=True):
        _draw_cell(canvas, cell, call, positive_labels, colours, scale)
    if result.quality.verdict is Verdict.OK:
        _draw_scale_bar(canvas, result.pixel_size.pixel_um, scale)
    return np.vstack([canvas, _strip(result, colours, frame.width, scale)])


def label_colours(labels: tuple[str, ...], positive_labels: tuple[str, ...]) -> dict[str, Colour]:
    """BGR colour of each label: warm ones for findings, cool ones for the rest, in the order of the labels.

    More labels of a side than the palette has take its colours again, in darker shades.
    """
    used = {True: 0, False: 0}
    colours: dict[str, Colour] = {}
    for label in labels:
        is_positive = label in positive_labels
        palette = _WARM if is_positive else _COOL
        shade, place = divmod(used[is_positive], len(palette))
        blue, green, red = (round(level * 0.6**shade) for level in palette[place])
        colours[label] = (blue, green, red)
        used[is_positive] += 1
    return colours


def _draw_cell(
    canvas: U8,
    cell: Cell,
    call: Call | None,
    positive_labels: tuple[str, ...],
    colours: Mapping[str, Colour],
    scale: float,
) -> None:
    x0, y0, x1, y1 = cell.box
    thickness = max(1, round(2 * scale))
    if call is None:
        colour, text = _UNCALLED, f"{cell.diameter_um:.0f} um"
    elif call.review:
        colour, text = _REVIEW, f"? {call.label} {100 * call.p[call.label]:.0f} %"
    else:
        colour = colours[call.label]
        thickness *= 2 if call.label in positive_labels else 1
        text = f"{call.label} {100 * call.p[call.label]:.0f} %"
    if call is not None and call.review:
        _dashed_box(canvas, cell.box, colour, thickness)
    else:
        cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), colour, thickness, cv2.LINE_AA)
    _tag(canvas, text, (x0, y0), colour, scale)


def _dashed_box(canvas: U8, box: tuple[int, int, int, int], colour: Colour, thickness: int) -> None:
    x0, y0, x1, y1 = box[0], box[1], box[2] - 1, box[3] - 1
    dash = max(4, (x1 - x0) // 9)
    for x in range(x0, x1, 2 * dash):
        for y in (y0, y1):
            cv2.line(canvas, (x, y), (min(x + dash, x1), y), colour, thickness, cv2.LINE_AA)
    for y in range(y0, y1, 2 * dash):
        for x in (x0, x1):
            cv2.line(canvas, (x, y), (x, min(y + dash, y1)), colour, thickness, cv2.LINE_AA)


def _tag(canvas: U8, text: str, corner: tuple[int, int], colour: Colour, scale: float) -> None:
    """Writes on the box's colour, above the box, or within the picture where it would be cut."""
    size = 0.45 * scale
    (width, height), baseline = cv2.getTextSize(text, _FONT, size, max(1, round(scale)))
    x = max(0, min(corner[0], canvas.shape[1] - width - 4))
    y = max(height + baseline + 2, corner[1])
    cv2.rectangle(canvas, (x, y - height - baseline - 2), (x + width + 4, y), colour, cv2.FILLED)
    ink = _INK if np.dot(colour, _GREY_OF_BGR) > _BRIGHT else (255, 255, 255)
    cv2.putText(canvas, text, (x + 2, y - baseline), _FONT, size, ink, max(1, round(scale)), cv2.LINE_AA)


def _draw_scale_bar(canvas: U8, pixel_um: float, scale: float) -> None:
    height, width = canvas.shape[:2]
    length = round(_SCALE_BAR_UM / pixel_um)
    margin = round(24 * scale)
    start = (width - margin - length, height - margin)
    end = (width - margin, height - margin)
    cv2.line(canvas, start, end, _PAPER, max(3, round(9 * scale)))
    cv2.line(canvas, start, end, _INK, max(1, round(5 * scale)))
    where = (start[0], start[1] - round(12 * scale))
    text = f"{_SCALE_BAR_UM:.0f} um"
    cv2.putText(canvas, text, where, _FONT, 0.6 * scale, _PAPER, max(3, round(4 * scale)), cv2.LINE_AA)
    cv2.putText(canvas, text, where, _FONT, 0.6 * scale, _INK, max(1, round(1.5 * scale)), cv2.LINE_AA)


def _strip(result: FieldResult, colours: Mapping[str, Colour], width: int, scale: float) -> U8:
    """The caption: what was counted, how good the field is, which model, research use."""
    line_height = round(22 * scale)
    lines = _caption(result)
    legend = colours if len(colours) > _OVERVIEW else {}
    n_lines = len(lines) + bool(legend)
    strip = np.full((line_height * n_lines + round(10 * scale), width, 3), 250, dtype=np.uint8)
    for i, line in enumerate(lines, start=1):
        _write(strip, line, round(10 * scale), line_height * i, scale)
    _draw_legend(strip, legend, line_height * n_lines, scale)
    return strip


def _draw_legend(strip: U8, colours: Mapping[str, Colour], baseline: int, scale: float) -> None:
    """A square of colour before each label, in one line."""
    side, x = round(12 * scale), round(10 * scale)
    for label, colour in colours.items():
        cv2.rectangle(strip, (x, baseline - side), (x + side, baseline), colour, cv2.FILLED)
        x = _write(strip, label, x + round(18 * scale), baseline, scale) + round(22 * scale)


def _write(strip: U8, text: str, x: int, baseline: int, scale: float) -> int:
    """One line of the caption; returns where it ends, in pixels."""
    # OpenCV's Hershey fonts hold ASCII only; anything else would show as question marks.
    plain, thickness = text.encode("ascii", "replace").decode(), max(1, round(scale))
    cv2.putText(strip, plain, (x, baseline), _FONT, 0.5 * scale, _INK, thickness, cv2.LINE_AA)
    return x + cv2.getTextSize(plain, _FONT, 0.5 * scale, thickness)[0][0]


def _caption(result: FieldResult) -> list[str]:
    counts = ", ".join(f"{name} {n}" for name, n in field_counts(result).items())
    model = f"{result.model.name} {result.model.sha256[:12]}" if result.model else "no model: cells only"
    size = f"{result.pixel_size.pixel_um:.3f} um a pixel ({result.pixel_size.source.value})"
    advice = "" if result.quality.verdict is Verdict.OK else f": {result.quality.advice}"
    return [
        f"{result.source}   {size}",
        f"Quality: {result.quality.verdict.value}{advice}",
        f"Counts: {counts}   Model: {model}",
        RESEARCH_USE_ONLY,
    ]
