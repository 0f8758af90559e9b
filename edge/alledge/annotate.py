"""A field as a person wants to see it: boxes, labels, probabilities and a scale bar on the picture.

Meaning is never in colour alone: a positive call has a thick box, a cell for review a dashed one and
a question mark, and every box bears its label. With several labels a side, findings have warm colours,
other cells cool ones, and a legend names them. A strip under the picture says what was counted, by which
model, and for what use.
"""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from alledge import RESEARCH_USE_ONLY
from alledge.annotate_tags import FONT, INK, Area, Colour, TagWriter, words_of
from alledge.field_json import field_counts
from alledge.types import U8, Call, FieldResult, Frame, Verdict

# BGR. From Okabe and Ito's palette (2008), which colour-blind readers can tell apart.
_WARM: Final = ((0, 94, 213), (0, 159, 230), (66, 228, 240))
_COOL: Final = ((178, 114, 0), (233, 180, 86), (115, 158, 0))
_REVIEW: Final = (167, 121, 204)
_UNCALLED: Final = (115, 158, 0)
_PAPER: Final = (250, 250, 250)
_OVERVIEW: Final = 2  # labels that need no legend: one a side
_REFERENCE_WIDTH_PX: Final = 1280.0
_MOST_ENLARGED: Final = 8
_MOST_HEIGHT_PX: Final = 8000
_LEAST_WIDTH_PX: Final = 1000  # below which the caption's letters run together
_SCALE_BAR_UM: Final = 10.0


def annotate_field(frame: Frame, result: FieldResult, positive_labels: tuple[str, ...] = ()) -> U8:
    """Draws a field result on a copy of its frame.

    Args:
        frame: the frame that the result was made from.
        result: cells with or without calls.
        positive_labels: labels drawn with a thick box.

    Returns:
        (H + strip, W, 3) uint8 BGR; a small frame is enlarged by a whole number, for its words need room.
    """
    factor = enlargement(frame.width, frame.height)
    canvas = np.repeat(np.repeat(frame.pixels, factor, axis=0), factor, axis=1)  # a copy; no pixel is made up
    width = canvas.shape[1]
    scale = max(0.4, width / _REFERENCE_WIDTH_PX)
    boxes: list[Area] = [_enlarged(cell.box, factor) for cell in result.cells]
    colours = label_colours(tuple(result.calls[0].p) if result.calls else (), positive_labels)
    calls: list[Call | None] = list(result.calls) or [None] * len(result.cells)
    tags = TagWriter(canvas, scale, list(boxes))
    for box, call in zip(boxes, calls, strict=True):
        _draw_box(canvas, box, call, positive_labels, colours, scale)
    for cell, box, call in zip(result.cells, boxes, calls, strict=True):
        size = f"{cell.diameter_um:.0f} um"
        words = words_of(call) if call else (size, size)
        tags.write(words, box, _colour_of(call, colours))
    if result.quality.verdict is Verdict.OK:
        _draw_scale_bar(tags, result.pixel_size.pixel_um / factor)
    return np.vstack([canvas, _strip(result, colours, width, scale)])


def enlargement(width_px: int, height_px: int) -> int:
    """By how much a frame is enlarged for its annotated picture; a tall and narrow one is left alone."""
    wanted = -(-_LEAST_WIDTH_PX // max(1, width_px))
    return max(1, min(wanted, _MOST_ENLARGED, _MOST_HEIGHT_PX // max(1, height_px)))


def _enlarged(box: Area, factor: int) -> Area:
    x0, y0, x1, y1 = box
    return factor * x0, factor * y0, factor * x1, factor * y1


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


def _colour_of(call: Call | None, colours: Mapping[str, Colour]) -> Colour:
    if call is None:
        return _UNCALLED
    return _REVIEW if call.review else colours[call.label]


def _draw_box(
    canvas: U8,
    box: Area,
    call: Call | None,
    positive_labels: tuple[str, ...],
    colours: Mapping[str, Colour],
    scale: float,
) -> None:
    x0, y0, x1, y1 = box
    colour, thickness = _colour_of(call, colours), max(1, round(2 * scale))
    if call is not None and call.review:
        _dashed_box(canvas, box, colour, thickness)
        return
    if call is not None and call.label in positive_labels:
        thickness *= 2
    cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), colour, thickness, cv2.LINE_AA)


def _dashed_box(canvas: U8, box: Area, colour: Colour, thickness: int) -> None:
    """Dashes with paper between them, so that they are seen on pale red cells and on dark nuclei."""
    x0, y0, x1, y1 = box[0], box[1], box[2] - 1, box[3] - 1
    dash = max(4, (x1 - x0) // 9)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), _PAPER, thickness)
    for x in range(x0, x1, 2 * dash):
        for y in (y0, y1):
            cv2.line(canvas, (x, y), (min(x + dash, x1), y), colour, thickness)
    for y in range(y0, y1, 2 * dash):
        for x in (x0, x1):
            cv2.line(canvas, (x, y), (x, min(y + dash, y1)), colour, thickness)


def _draw_scale_bar(tags: TagWriter, pixel_um: float) -> None:
    """On a plate of its own, in the lower corner where no cell lies: it may be as dark as the letters."""
    canvas, scale = tags.canvas, tags.scale
    length, text, weight = round(_SCALE_BAR_UM / pixel_um), f"{_SCALE_BAR_UM:.0f} um", round(1.5 * scale) or 1
    (text_width, text_height), baseline = cv2.getTextSize(text, FONT, 0.6 * scale, weight)
    side, bar = round(8 * scale), round(5 * scale) or 1
    plate_width, plate_height = max(length, text_width) + 2 * side, text_height + baseline + bar + 3 * side
    right, y1 = canvas.shape[1] - side - plate_width, canvas.shape[0] - side
    corners = ((x, y1 - plate_height, x + plate_width, y1) for x in (right, side))
    x0, y0, x1, _ = next(filter(tags.is_free, corners), (right, y1 - plate_height, right + plate_width, y1))
    cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), _PAPER, cv2.FILLED)
    middle = (x0 + x1) // 2
    left = middle - length // 2
    cv2.rectangle(canvas, (left, y1 - side - bar), (left + length - 1, y1 - side), INK, cv2.FILLED)
    where = (middle - text_width // 2, y1 - 2 * side - bar - baseline // 2)
    cv2.putText(canvas, text, where, FONT, 0.6 * scale, INK, weight, cv2.LINE_AA)


def _strip(result: FieldResult, colours: Mapping[str, Colour], width: int, scale: float) -> U8:
    """The caption: what was counted, how good the field is, which model, research use."""
    line_height = round(22 * scale)
    lines = _caption(result)
    legend = colours if len(colours) > _OVERVIEW else {}
    n_lines = len(lines) + bool(legend)
    strip = np.full((line_height * n_lines + round(10 * scale), width, 3), 250, dtype=np.uint8)
    margin = round(10 * scale)
    for i, line in enumerate(lines, start=1):
        _write(strip, _fitted(line, width - 2 * margin, scale), margin, line_height * i, scale)
    _draw_legend(strip, legend, line_height * n_lines, scale)
    return strip


def _draw_legend(strip: U8, colours: Mapping[str, Colour], baseline: int, scale: float) -> None:
    """A square of colour before each label, in one line."""
    side, x = round(12 * scale), round(10 * scale)
    for label, colour in colours.items():
        cv2.rectangle(strip, (x, baseline - side), (x + side, baseline), colour, cv2.FILLED)
        x = _write(strip, label, x + round(18 * scale), baseline, scale) + round(22 * scale)


def _fitted(text: str, room_px: int, scale: float) -> str:
    """The line, or as much of its end as there is room for: a path tells most at its end."""
    fitted, weight = text, max(1, round(scale))
    while len(fitted) > 8 and cv2.getTextSize(fitted, FONT, 0.5 * scale, weight)[0][0] > room_px:
        fitted = "..." + fitted[7:]
    return fitted


def _write(strip: U8, text: str, x: int, baseline: int, scale: float) -> int:
    """One line of the caption; returns where it ends, in pixels."""
    # OpenCV's Hershey fonts hold ASCII only; anything else would show as question marks.
    plain, thickness = text.encode("ascii", "replace").decode(), max(1, round(scale))
    cv2.putText(strip, plain, (x, baseline), FONT, 0.5 * scale, INK, thickness, cv2.LINE_AA)
    return x + cv2.getTextSize(plain, FONT, 0.5 * scale, thickness)[0][0]


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
