"""Put phantom fields beside real ones, so that a person can judge by eye how well they imitate.

    python bench/phantom_beside_real.py DATA OUT [--seed S]

DATA is a folder that holds `all-idb1/im`, and `all-idb2/img` with its `crops.csv` (docs/data.md); OUT
gets three pictures:

fields.png    whole fields, real on the left, phantom on the right
cells.png     cells at 257 x 257 pixels (that of ALL-IDB2): two rows real, two rows phantom, blasts first
patches.png   the same at 50 x 50 pixels for 20 um, enlarged three times, as a network sees them
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from alledge.phantom import PhantomField, parse_phantom_spec, render_field
from alledge.types import U8

REAL_FIELDS = ("Im020_1", "Im042_0", "Im056_1", "Im084_0")
PHANTOM_LOOKS = (
    (
        "stain_strength=1.35,stain_hue=0.5,haemoglobin_strength=0.9,red_cell_pallor=0.75,lamp_red_level=155,lamp_green_level=154"
        ",n_blasts_l1=2,n_blasts_l2=0,n_blasts_l3=0,n_lymphocytes=0,n_neutrophils=0,n_monocytes=0,n_smudges=0"
    ),
    (
        "stain_hue=1,rouleaux_fraction=0.5,overlap_darkening=0.25,red_cell_pallor=0.35,n_blasts_l1=0,n_blasts_l2=0,n_blasts_l3=0"
        ",n_lymphocytes=1,n_neutrophils=1,n_monocytes=0,n_smudges=0,stain_strength=1.2,n_platelets=30"
    ),
    (
        "stain_strength=0.85,haemoglobin_strength=0.65,red_cell_pallor=0.05,n_blasts_l1=7,n_blasts_l2=5,n_lymphocytes=0,n_neutrophils=2"
        ",n_monocytes=0,n_blasts_l3=0,n_smudges=5,n_platelets=2"
    ),
    (
        "stain_hue=-0.4,red_cell_pallor=0.6,n_blasts_l1=0,n_blasts_l2=0,n_blasts_l3=0,n_lymphocytes=1"
        ",n_neutrophils=1,n_monocytes=0,n_smudges=0,large_platelet_fraction=0.5,n_platelets=8"
    ),
)
ALL_IDB1_PIXEL_UM = 0.083  # red cells of 7.2 um are about 87 pixels wide
FIELD_SIZE = "pixel_um=0.083,width=2592,height=1944,n_red_cells=400"
CROP_PX, PATCH_UM, PATCH_PX = 257, 20.0, 50


def beside(data: Path, seed: int) -> U8:
    """Whole fields: one row a pair."""
    rows = []
    for offset, (name, look) in enumerate(zip(REAL_FIELDS, PHANTOM_LOOKS, strict=True)):
        field = render_field(parse_phantom_spec(f"seed={seed + offset},{FIELD_SIZE},{look}"))
        pair = (read(data / "all-idb1" / "im" / f"{name}.jpg"), field.pixels)
        rows.append(np.hstack([cv2.resize(one, (960, 720), interpolation=cv2.INTER_AREA) for one in pair]))
    return np.asarray(np.vstack(rows), np.uint8)


def real_crops(data: Path, rng: np.random.Generator, n: int) -> list[list[U8]]:
    """Two rows of n crops of ALL-IDB2: blasts, and other white cells."""
    with (data / "all-idb2" / "crops.csv").open(encoding="utf-8") as file:
        crops = [crop for crop in csv.DictReader(file) if int(crop["w"]) == int(crop["h"]) == CROP_PX]
    rows = []
    for content in ("blast", "wbc_other"):
        names = [crop["image"] for crop in crops if crop["content"] == content]
        chosen = rng.choice(names, n, replace=False)
        rows.append([read(data / "all-idb2" / "img" / f"{name}.tif") for name in chosen])
    return rows


def phantom_crops(seed: int, n: int) -> list[list[U8]]:
    """Two rows of n crops of phantom fields, one field a pair: blasts, and other white cells."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[U8]] = {"blast": [], "normal": []}
    while min(len(row) for row in rows.values()) < n:
        look = f"stain_strength={rng.uniform(0.8, 1.4):.2f},stain_hue={rng.uniform(-0.7, 1):.2f}"
        look += f",red_cell_pallor={rng.uniform(0, 0.6):.2f}"
        field = render_field(parse_phantom_spec(f"seed={rng.integers(2**31)},{FIELD_SIZE},{look}"))
        for label, row in rows.items():
            row += crops_of(field, label)[:2]
    return [row[:n] for row in rows.values()]


def crops_of(field: PhantomField, label: str) -> list[U8]:
    """Crops about the cells with a label that lie far enough from the border."""
    half = CROP_PX // 2
    found = []
    for cell in field.cells:
        x, y = round(cell.x), round(cell.y)
        crop = field.pixels[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        if cell.label == label and crop.shape[:2] == (CROP_PX, CROP_PX):
            found.append(crop)
    return found


def as_patch(crop: U8) -> U8:
    """A 20 um square of the crop's middle at 50 x 50 pixels, enlarged three times."""
    half = round(PATCH_UM / ALL_IDB1_PIXEL_UM / 2)
    middle = CROP_PX // 2
    square = crop[middle - half : middle + half, middle - half : middle + half]
    patch = cv2.resize(square, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(patch, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST), np.uint8)


def grid(rows: Sequence[Sequence[U8]]) -> U8:
    """Rows of equal pictures as one picture."""
    return np.asarray(np.vstack([np.hstack(row) for row in rows]), np.uint8)


def read(path: Path) -> U8:
    """An image, BGR; a missing one ends the program with its name."""
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise SystemExit(f"{path} is missing or no image; see docs/data.md.")
    return np.asarray(pixels, np.uint8)


def main() -> None:
    """Write the three pictures."""
    parser = argparse.ArgumentParser(description="Phantom fields beside real ones, as pictures.")
    parser.add_argument("data", type=Path, help="folder with all-idb1 and all-idb2")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    crops = real_crops(given.data, np.random.default_rng(given.seed), 6) + phantom_crops(given.seed, 6)
    pictures = {
        "fields.png": beside(given.data, given.seed),
        "cells.png": grid(crops),
        "patches.png": grid([[as_patch(crop) for crop in row] for row in crops]),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(given.out / name), picture)
        print(given.out / name)


if __name__ == "__main__":
    main()
