"""Pixel size against annotated red cells: `python bench/pixel_size.py --data FOLDER`.

Prints, for each set with boxes round red cells, the diameter of a red cell by the estimate over the
median side of the boxes in the same picture (boxes cut by the border left out), and for ALL-IDB1 the
spread of the estimates of each camera, whose true size is one number.
"""

import argparse
import csv
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from alledge.illumination import estimate_illumination
from alledge.pixel_size import RED_CELL_UM, estimate_pixel_size

Boxes = list[tuple[float, float, float, float]]


def bccd(folder: Path) -> Iterator[tuple[Path, Boxes]]:
    """Pictures of BCCD with their red cells as x0, y0, x1, y1 in fractions of the sides."""
    for path in sorted((folder / "Annotations").glob("*.xml")):
        cells = [thing.find("bndbox") for thing in ET.parse(path).getroot().iter("object") if _is_red(thing)]
        corners = [
            [float(box.findtext(k, "0")) for k in ("xmin", "ymin", "xmax", "ymax")]
            for box in cells
            if box is not None
        ]
        yield (
            folder / "JPEGImages" / f"{path.stem}.jpg",
            [(x0 / 640, y0 / 480, x1 / 640, y1 / 480) for x0, y0, x1, y1 in corners],
        )


def txl_raabin(folder: Path) -> Iterator[tuple[Path, Boxes]]:
    """Pictures of TXL Raabin with their red cells."""
    for image in sorted((folder / "images").glob("*.jpg")):
        lines = (folder / "labels" / f"{image.stem}.txt").read_text().splitlines()
        parts = [[float(value) for value in line.split()] for line in lines]
        yield image, [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for kind, x, y, w, h in parts if kind == 1]


def draaslan(folder: Path) -> Iterator[tuple[Path, Boxes]]:
    """Pictures of Draaslan BCD with their red cells."""
    found: dict[str, Boxes] = {}
    with (folder / "annotations.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["label"] == "rbc":
                x0, y0, x1, y1 = (float(row[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
                found.setdefault(row["image"], []).append((x0, y0, x1, y1))
    for name, boxes in found.items():
        yield folder / "images" / name, boxes


SETS = {"bccd": bccd, "txl-raabin": txl_raabin, "draaslan-bcd": draaslan}


def _is_red(thing: ET.Element) -> bool:
    return thing.findtext("name") == "RBC"


def _pixel_um(path: Path) -> tuple[float, tuple[int, int]]:
    pixels = np.asarray(cv2.imread(str(path)), dtype=np.uint8)
    height, width = pixels.shape[:2]
    return estimate_pixel_size(pixels, estimate_illumination(pixels)).pixel_um, (width, height)


def _line(name: str, values: list[float]) -> None:
    low, middle, high = np.percentile(values, [2.5, 50, 97.5])
    print(f"{name:34s} {len(values):4d} pictures, median {middle:.3f}, 95 % of them {low:.3f} to {high:.3f}")


def main() -> None:
    """Print one line a set and one a camera."""
    parser = argparse.ArgumentParser(description="Pixel size against annotated red cells.")
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    cv2.setNumThreads(1)
    for name, read in SETS.items():
        ratios = []
        for path, boxes in read(data / name) if (data / name).is_dir() else ():
            whole = [b for b in boxes if min(b) > 0.01 and max(b) < 0.99]
            if len(whole) >= 2 and path.exists():
                pixel_um, (width, height) = _pixel_um(path)
                sides = [np.sqrt((x1 - x0) * width * (y1 - y0) * height) for x0, y0, x1, y1 in whole]
                ratios.append(RED_CELL_UM / pixel_um / float(np.median(sides)))
        if ratios:
            _line(f"{name}: red cell over its box", ratios)
    cameras: dict[str, list[float]] = {}
    if (data / "all-idb1").is_dir():
        with (data / "all-idb1" / "images.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                if int(row["width"]) in (1712, 2592):
                    path = data / "all-idb1" / "im" / f"{row['image']}.jpg"
                    cameras.setdefault(row["camera"], []).append(_pixel_um(path)[0])
    for camera, sizes in cameras.items():
        _line(f"ALL-IDB1, {camera}: um", sizes)


if __name__ == "__main__":
    main()
