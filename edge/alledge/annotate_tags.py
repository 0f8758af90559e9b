"""Names beside boxes: where they hide no cell and no other name; where cells crowd, a letter in the corner.

Blasts lie in clumps, and a name that covers its neighbour's is worse than none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import cv2
import numpy as np

from alledge.likeliest import likeliest, whole_percent
from alledge.types import U8, Call

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, 0 to 255."""

Area: TypeAlias = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; the upper ends do not belong to it."""

FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
INK: Final = (30, 30, 30)
_GREY_OF_BGR: Final = (0.114, 0.587, 0.299)  # ITU-R BT.601
_BRIGHT: Final = 140.0  # grey level of a colour from which dark letters read better on it than white ones
_SIDE_PX: Final = 2  # of ground at each side of the letters


def words_of(call: Call) -> tuple[str, str, str]:
    """What a tag says: in full, shorter, and as one letter. A cell for review bears its likeliest label."""
    label = likeliest(call) if call.review else call.label
    mark = "? " if call.review else ""
    return (
        f"{mark}{label} {whole_percent(call.p[label])} %",
        f"{mark}{label}",
        "?" if call.review else label[:1].upper(),
    )


@dataclass(slots=True)
class TagWriter:
    """Writes tags on a canvas, and remembers where something lies.

    canvas: (H, W, 3) uint8 BGR. taken: boxes of all cells; tags join them.
    """

    canvas: U8
    scale: float
    taken: list[Area] = field(default_factory=list)

    def write(self, words: Sequence[str], box: Area, colour: Colour) -> None:
        """Write the first of `words` that has room beside the box, else the last into its corner."""
        for text in words[:-1]:
            width, height = self._size(text)
            for area in _beside(box, width, height, self.canvas.shape[1]):
                if self.is_free(area):
                    return self._put(text, area, colour)
        width, height = self._size(words[-1])
        x, y = max(0, box[0]), max(0, box[1])
        return self._put(words[-1], (x, y, x + width, y + height), colour)

    def _size(self, text: str) -> tuple[int, int]:
        (width, height), baseline = cv2.getTextSize(text, FONT, 0.45 * self.scale, self._weight())
        return width + 2 * _SIDE_PX, height + baseline + _SIDE_PX

    def _weight(self) -> int:
        return max(1, round(self.scale))

    def is_free(self, area: Area) -> bool:
        """Whether an area lies within the picture and nothing lies there yet."""
        height, width = self.canvas.shape[:2]
        is_inside = area[0] >= 0 and area[1] >= 0 and area[2] <= width and area[3] <= height
        return is_inside and not any(_meet(area, other) for other in self.taken)

    def _put(self, text: str, area: Area, colour: Colour) -> None:
        x0, y0, x1, y1 = area
        _, baseline = cv2.getTextSize(text, FONT, 0.45 * self.scale, self._weight())
        cv2.rectangle(self.canvas, (x0, y0), (x1 - 1, y1 - 1), colour, cv2.FILLED)
        ink = INK if np.dot(colour, _GREY_OF_BGR) > _BRIGHT else (255, 255, 255)
        where = (x0 + _SIDE_PX, y1 - baseline)
        cv2.putText(self.canvas, text, where, FONT, 0.45 * self.scale, ink, self._weight(), cv2.LINE_AA)
        self.taken.append(area)


def _beside(box: Area, width: int, height: int, canvas_width: int) -> Iterable[Area]:
    """Above and below the box, from its left edge or up to its right one, within the picture."""
    x0, y0, x1, y1 = box
    for top in (y0 - height, y1):
        for left in (x0, x1 - width):
            within = max(0, min(left, canvas_width - width))
            yield within, top, within + width, top + height


def _meet(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
