"""Cost of a field on one core: `python bench/field_cost.py [IMAGE]`.

Times illumination, pixel size, cell finding, patches and quality on one field, decode excluded, and
beside it, in the same run on the same core, a named baseline: "plain Otsu" (full-resolution red
channel, Otsu threshold, distance transform, peaks), the least that finds cells at all. A ratio of the
two holds from machine to machine where milliseconds do not. Without IMAGE the field is rendered:
1712 x 1368 pixels, red cells and twelve nuclei.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from alledge.cells import find_cells
from alledge.illumination import estimate_illumination
from alledge.patches import cut_patches
from alledge.pixel_size import estimate_pixel_size
from alledge.quality import judge_quality
from alledge.types import U8

REPEATS = 20


def twelve_cells() -> U8:
    """A 1712 x 1368 field at 0.11 um a pixel: 400 red cells with pallor and twelve nuclei."""
    rng = np.random.default_rng(12)
    field = np.full((1368, 1712, 3), (150, 158, 160), np.uint8)
    for x, y in rng.uniform((0, 0), (1712, 1368), (400, 2)).astype(int).tolist():
        cv2.circle(field, (x, y), 33, (118, 112, 138), -1, cv2.LINE_AA)
        cv2.circle(field, (x, y), 12, (140, 138, 152), -1, cv2.LINE_AA)
    for index in range(12):
        centre = (200 + 420 * (index % 4), 250 + 430 * (index // 4))
        cv2.circle(field, centre, 58, (135, 105, 130), -1, cv2.LINE_AA)
        cv2.circle(field, centre, 46, (112, 40, 82), -1, cv2.LINE_AA)
    noisy = cv2.GaussianBlur(field, (0, 0), 2.0).astype(np.float32) + rng.normal(0, 2, field.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def plain_otsu(pixels: U8) -> int:
    """The baseline: nuclei counted by Otsu on the red channel and peaks of the distance transform."""
    red = np.ascontiguousarray(pixels[..., 2])
    _, mask = cv2.threshold(red, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    depth = cv2.distanceTransform(np.asarray(mask, dtype=np.uint8), cv2.DIST_L2, 5)
    peaks = (depth == cv2.dilate(depth, np.ones((31, 31), np.uint8))) & (depth > 20)
    return int(np.count_nonzero(peaks))


def seconds(work: Callable[[], object]) -> float:
    """Median processor time of a call: other programs on the machine do not count."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return float(np.median(times))


def main() -> None:
    """Time each stage and print it beside the baseline."""
    parser = argparse.ArgumentParser(description="Cost of a field on one core.")
    parser.add_argument("image", type=Path, nargs="?")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pixels = np.asarray(cv2.imread(str(options.image)), dtype=np.uint8) if options.image else twelve_cells()
    illumination = estimate_illumination(pixels)
    pixel_um = estimate_pixel_size(pixels, illumination).pixel_um
    cells = find_cells(pixels, illumination, pixel_um).cells
    centres = [(cell.x, cell.y) for cell in cells]
    stages: dict[str, Callable[[], object]] = {
        "illumination": lambda: estimate_illumination(pixels),
        "pixel size": lambda: estimate_pixel_size(pixels, illumination),
        "cells": lambda: find_cells(pixels, illumination, pixel_um),
        "patches": lambda: cut_patches(pixels, centres, pixel_um, illumination),
        "quality": lambda: judge_quality(pixels, illumination, pixel_um),
    }
    print(f"{pixels.shape[1]} x {pixels.shape[0]}, {pixel_um:.3f} um a pixel, {len(cells)} cells, one core")
    spent = {name: seconds(work) for name, work in stages.items()}
    for name, time_s in spent.items():
        print(f"{name:14s} {1e3 * time_s:6.1f} ms")
    whole, baseline = sum(spent.values()), seconds(lambda: plain_otsu(pixels))
    print(f"{'whole field':14s} {1e3 * whole:6.1f} ms")
    print(f"{'plain Otsu':14s} {1e3 * baseline:6.1f} ms (baseline; ratio {whole / baseline:.2f})")


if __name__ == "__main__":
    main()
