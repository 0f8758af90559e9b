"""Would cells be the same, found on the camera's own small stream? `python bench/lores.py [--fields N]`.

A Raspberry Pi's image processor gives a second, reduced stream (lores) beside the main one, on a Pi 4 in
YUV420 only: chroma at a quarter of the pixels, limited range. The finder reduces the main stream by itself.
Each rendered field is looked at three ways: as the device does (main, averaged by blocks), on a lores stream
of half the size in BGR (what a Pi 5 could give), and on one in YUV420. Told are cells found by one way only,
how far centres move, patches in which a pixel differs by more than a step, and what the reduction costs,
which is all that lores could save.
"""

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np

from alledge.cells import find_cells
from alledge.illumination import estimate_illumination
from alledge.patches import cut_patches
from alledge.phantom import PhantomParameters, render_field
from alledge.reduced import reduce_by
from alledge.types import U8, Cell

WIDTH, HEIGHT, PIXEL_UM, FACTOR = 2028, 1520, 0.14, 2
_SAME_CELL_UM = 4.0


def small_bgr(pixels: U8) -> U8:
    """The field at half its size by bilinear scaling with prefiltering, as an image processor scales."""
    size = (pixels.shape[1] // FACTOR // 2 * 2, pixels.shape[0] // FACTOR // 2 * 2)
    return np.asarray(cv2.resize(cv2.GaussianBlur(pixels, (0, 0), 0.6), size), dtype=np.uint8)


def small_yuv420(pixels: U8) -> U8:
    """The same through YUV420 and back."""
    yuv = cv2.cvtColor(small_bgr(pixels), cv2.COLOR_BGR2YUV_I420)
    return np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR_I420), dtype=np.uint8)


def cells_in(pixels: U8, factor: int) -> list[tuple[float, float]]:
    """Centres of the cells, in pixels of the main stream."""
    found = find_cells(pixels, estimate_illumination(pixels), PIXEL_UM * factor).cells
    return [(_to_main(cell.x, factor), _to_main(cell.y, factor)) for cell in found if _whole(cell)]


def matched(
    ours: list[tuple[float, float]], theirs: list[tuple[float, float]]
) -> list[tuple[int, int, float]]:
    """Pairs of nearest centres within a few micrometres, with their distance in micrometres."""
    pairs = []
    for index, centre in enumerate(ours):
        distances = [PIXEL_UM * float(np.hypot(centre[0] - x, centre[1] - y)) for x, y in theirs]
        if distances and min(distances) < _SAME_CELL_UM:
            pairs.append((index, int(np.argmin(distances)), min(distances)))
    return pairs


def compare(fields: list[U8], lores: Callable[[U8], U8], name: str) -> None:
    """Print one line on a way of making the small picture."""
    moved: list[float] = []
    n_ours = n_theirs = n_pairs = n_changed = 0
    for pixels in fields:
        ours, theirs = cells_in(pixels, 1), cells_in(lores(pixels), FACTOR)
        pairs = matched(ours, theirs)
        light = estimate_illumination(pixels)
        first = cut_patches(pixels, [ours[i] for i, _, _ in pairs], PIXEL_UM, light)
        second = cut_patches(pixels, [theirs[j] for _, j, _ in pairs], PIXEL_UM, light)
        steps = np.abs(first.astype(np.int16) - second.astype(np.int16)).reshape(len(pairs), -1)
        n_changed += int(np.count_nonzero(steps.max(axis=1, initial=0) > 1))
        moved += [distance for _, _, distance in pairs]
        n_ours, n_theirs, n_pairs = n_ours + len(ours), n_theirs + len(theirs), n_pairs + len(pairs)
    print(
        f"{name:16s} main {n_ours} cells, lores {n_theirs}, both {n_pairs}; centres move by "
        f"{np.median(moved):.3f} um (median), {max(moved):.2f} (most); patches that differ {n_changed}"
    )


def milliseconds(work: Callable[[], object], repeats: int = 9) -> float:
    """Median processor time of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def _to_main(position: float, factor: int) -> float:
    return position * factor + (factor - 1) / 2


def _whole(cell: Cell) -> bool:
    return not cell.touches_border


def main() -> None:
    """Render, compare, time."""
    parser = argparse.ArgumentParser(description="Cells on the main stream against the lores stream.")
    parser.add_argument("--fields", type=int, default=10)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    asked = [PhantomParameters(seed=seed, width_px=WIDTH, height_px=HEIGHT) for seed in range(options.fields)]
    fields = [render_field(parameters).pixels for parameters in asked]
    compare(fields, small_bgr, "lores BGR")
    compare(fields, small_yuv420, "lores YUV420")
    light = estimate_illumination(fields[0])
    reduction = milliseconds(lambda: reduce_by(fields[0], light, FACTOR))
    unpacking = milliseconds(lambda: cv2.cvtColor(_i420(fields[0]), cv2.COLOR_YUV2BGR_I420))
    whole = milliseconds(lambda: find_cells(fields[0], light, PIXEL_UM))
    print(f"reduction {reduction:.1f} ms of {whole:.1f} ms for finding; unpacking YUV420 {unpacking:.1f} ms")


def _i420(pixels: U8) -> U8:
    return np.asarray(cv2.cvtColor(small_bgr(pixels), cv2.COLOR_BGR2YUV_I420), dtype=np.uint8)


if __name__ == "__main__":
    main()
