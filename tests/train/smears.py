"""Small drawn smears in any layout: discs that the device's pixel path takes for red and white cells."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from alledge.images import encode_image
from alledge.types import U8

PIXEL_UM = 0.2
PLASMA_BGR, RED_CELL_BGR = (232, 228, 230), (165, 150, 212)
CYTOPLASM_BGR, NUCLEUS_BGR = (215, 165, 185), (140, 50, 95)
RED_CELL_UM, WHITE_CELL_UM, NUCLEUS_UM = 7.2, 11.0, 9.0

Points = Sequence[tuple[float, float]]


def draw_field(white_cells: Points, width: int = 480, height: int = 360, pixel_um: float = PIXEL_UM) -> U8:
    """(height, width, 3) uint8 BGR: red cells all over, a white cell around each point."""
    pixels = np.full((height, width, 3), PLASMA_BGR, np.uint8)
    step = round(1.5 * RED_CELL_UM / pixel_um)
    for y in range(step // 2, height, step):
        for x in range(step // 2, width, step):
            if all(np.hypot(x - wx, y - wy) > 9.3 / pixel_um for wx, wy in white_cells):
                _disc(pixels, x, y, RED_CELL_UM / pixel_um, RED_CELL_BGR)
    for x, y in white_cells:
        _disc(pixels, x, y, WHITE_CELL_UM / pixel_um, CYTOPLASM_BGR)
        _disc(pixels, x, y, NUCLEUS_UM / pixel_um, NUCLEUS_BGR)
    noise = np.random.default_rng(0).normal(0, 2, pixels.shape)
    return np.asarray(np.clip(cv2.GaussianBlur(pixels, (0, 0), 0.8) + noise, 0, 255), dtype=np.uint8)


def draw_crop(side: int = 160, pixel_um: float = PIXEL_UM) -> U8:
    """(side, side, 3) uint8 BGR: one white cell in the centre."""
    return draw_field([((side - 1) / 2, (side - 1) / 2)], side, side, pixel_um)


def draw_masked_crop(side: int = 450, diameter_px: int = 200) -> U8:
    """(side, side, 3) uint8 BGR: one cell on pure black, right of the centre by 20 pixels."""
    pixels = np.zeros((side, side, 3), np.uint8)
    _disc(pixels, side / 2 + 20, side / 2, diameter_px, CYTOPLASM_BGR, soft=False)
    _disc(pixels, side / 2 + 20, side / 2, 0.8 * diameter_px, NUCLEUS_BGR, soft=False)
    return pixels


def _disc(
    pixels: U8, x: float, y: float, diameter: float, bgr: tuple[int, int, int], *, soft: bool = True
) -> None:
    line = cv2.LINE_AA if soft else cv2.LINE_8
    centre, radius = (round(x * 16), round(y * 16)), round(diameter * 8)
    cv2.circle(pixels, centre, radius, bgr, thickness=-1, lineType=line, shift=4)


def save(path: Path, pixels: U8) -> Path:
    """Write an image, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_image(pixels, path.suffix))
    return path


def write(path: Path, *lines: str) -> Path:
    """Write a text file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
