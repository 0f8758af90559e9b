"""Recall and precision of the cell finder on annotated smears: `python bench/cell_finding.py --data FOLDER`.

Every set is scored by the same rule. A white cell is found when a detection's centre lies within 5 um of
its centre (by the field's own pixel size), each detection used once, nearest pairs first. Cells and
detections near the border are ignored, and so are detections on what the annotators left open
(smudges, uncertain ones). Boxes larger than 10 um are matched within half their shorter side.
`--pictures OUT` writes a contact sheet of the misses (red) and false alarms (yellow) of each set.
`--under CONDITION` changes every picture first, as another lamp, stain or camera would.
"""

import argparse
import csv
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from alledge.cells import find_cells
from alledge.illumination import PLASMA_LEVEL, estimate_illumination
from alledge.pixel_size import estimate_pixel_size
from alledge.types import U8, Cell

MATCH_UM = 5.0
TILE_PX = 300


@dataclass(frozen=True)
class Truth:
    """One annotated cell: centre and, where a box was drawn, half its shorter side, in pixels."""

    x: float
    y: float
    half_side: float = 0.0


@dataclass(frozen=True)
class Field:
    """An image with its annotated white cells and the places where a detection is neither right nor wrong."""

    path: Path
    group: str
    cells: tuple[Truth, ...]
    ignore: tuple[Truth, ...] = ()
    border_px: float = 0.0


@dataclass
class Tally:
    """Hits, misses and false alarms, with a picture of each mistake."""

    found: int = 0
    missed: int = 0
    false: int = 0
    pictures: list[U8] = field(default_factory=list)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson, JASA 1927, 22:209)."""
    if trials == 0:
        return 0.0, 1.0
    z, p = 1.959964, successes / trials
    middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def all_idb1(data: Path) -> Iterator[Field]:
    """Fields of ALL-IDB1 with typed points; smudges and uncertain points are left open."""
    folder = data / "all-idb1"
    session = {row["image"]: row["session_group"] for row in _rows(folder / "images.csv")}
    points: dict[str, list[dict[str, str]]] = {name: [] for name in session}
    for row in _rows(folder / "wbc_points.csv"):
        points[row["image"]].append(row)
    for name in sorted(session):
        cells = [_point(r) for r in points[name] if r["type"] in ("blast", "wbc_other")]
        unclear = [_point(r) for r in points[name] if r["type"] in ("smudge", "uncertain")]
        yield Field(folder / "im" / f"{name}.jpg", session[name], tuple(cells), tuple(unclear), 40.0)


def all_idb2(data: Path) -> Iterator[Field]:
    """Crops of ALL-IDB2 with a white cell in the centre; neighbours in the crop are left open."""
    folder = data / "all-idb2"
    for row in _rows(folder / "crops.csv"):
        if row["content"] in ("blast", "wbc_other"):
            middle = Truth(int(row["w"]) / 2, int(row["h"]) / 2)
            yield Field(folder / "img" / f"{row['image']}.tif", "", (middle,), _all_but_middle(middle), 0.0)


def bccd(data: Path) -> Iterator[Field]:
    """BCCD: Pascal VOC boxes."""
    folder = data / "bccd"
    for path in sorted((folder / "Annotations").glob("*.xml")):
        image = folder / "JPEGImages" / f"{path.stem}.jpg"
        boxes = []
        for thing in ET.parse(path).getroot().iter("object"):
            box = thing.find("bndbox")
            if thing.findtext("name") == "WBC" and box is not None:
                boxes.append(_box(*(float(box.findtext(k, "0")) for k in ("xmin", "ymin", "xmax", "ymax"))))
        if image.exists():
            yield Field(image, "", tuple(boxes), (), 20.0)


def txl_raabin(data: Path) -> Iterator[Field]:
    """TXL Raabin crops: YOLO boxes, class 0 is a white cell."""
    folder = data / "txl-raabin"
    for image in sorted((folder / "images").glob("*.jpg")):
        boxes = []
        for line in (folder / "labels" / f"{image.stem}.txt").read_text().splitlines():
            kind, x, y, w, h = (float(value) for value in line.split())
            if kind == 0:
                boxes.append(_box(575 * (x - w / 2), 575 * (y - h / 2), 575 * (x + w / 2), 575 * (y + h / 2)))
        yield Field(image, "", tuple(boxes), (), 20.0)


def draaslan(data: Path) -> Iterator[Field]:
    """Draaslan BCD: boxes as fractions of the side."""
    folder = data / "draaslan-bcd"
    boxes: dict[str, list[Truth]] = {path.name: [] for path in sorted((folder / "images").glob("*.png"))}
    for row in _rows(folder / "annotations.csv"):
        if row["label"] == "wbc":
            boxes[row["image"]].append(_box(*(256 * float(row[k]) for k in ("xmin", "ymin", "xmax", "ymax"))))
    for name, cells in boxes.items():
        yield Field(folder / "images" / name, "", tuple(cells), (), 10.0)


def pbc(data: Path) -> Iterator[Field]:
    """PBC: one white cell in the centre; platelet pictures hold none there. Neighbours are left open."""
    for path in sorted((data / "pbc").glob("*/*.jpg")):
        height, width = np.asarray(cv2.imread(str(path))).shape[:2]
        middle = Truth(width / 2, height / 2)
        if path.parent.name == "platelet":
            yield Field(path, "platelet", (), (), width / 4)
        else:
            yield Field(path, path.parent.name, (middle,), _all_but_middle(middle), 0.0)


SETS = {
    "all-idb1": all_idb1,
    "all-idb2": all_idb2,
    "bccd": bccd,
    "txl-raabin": txl_raabin,
    "draaslan-bcd": draaslan,
    "pbc": pbc,
}


def _stain(strength: float) -> Callable[[U8], U8]:
    """Every optical density times a factor; plasma stays as it is."""

    def change(pixels: U8) -> U8:
        white = estimate_illumination(pixels)
        density = -np.log(np.maximum(white.normalise(pixels), 1) / PLASMA_LEVEL)
        return np.asarray(np.clip(PLASMA_LEVEL * np.exp(-strength * density), 0, 255), dtype=np.uint8)

    return change


def _lamp(blue: float, green: float, red: float) -> Callable[[U8], U8]:
    """A lamp of another colour."""
    return lambda pixels: np.asarray(np.clip(pixels * (blue, green, red), 0, 255), dtype=np.uint8)


def _jpeg(pixels: U8) -> U8:
    return np.asarray(
        cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR),
        dtype=np.uint8,
    )


CONDITIONS: dict[str, Callable[[U8], U8]] = {
    "as it is": lambda pixels: pixels,
    "yellow lamp": _lamp(0.65, 0.95, 1.05),
    "blue lamp": _lamp(1.1, 0.95, 0.7),
    "dim lamp": _lamp(0.55, 0.55, 0.55),
    "pale stain": _stain(0.6),
    "dark stain": _stain(1.4),
    "JPEG 40": _jpeg,
    "noise": lambda pixels: np.asarray(
        np.clip(pixels + np.random.default_rng(0).normal(0, 8, pixels.shape), 0, 255), dtype=np.uint8
    ),
    "blur 3 px": lambda pixels: np.asarray(cv2.GaussianBlur(pixels, (0, 0), 3.0), dtype=np.uint8),
}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _point(row: dict[str, str]) -> Truth:
    return Truth(float(row["x"]), float(row["y"]))


def _box(x0: float, y0: float, x1: float, y1: float) -> Truth:
    return Truth((x0 + x1) / 2, (y0 + y1) / 2, min(x1 - x0, y1 - y0) / 2)


def _all_but_middle(middle: Truth) -> tuple[Truth, ...]:
    """A ring of open places around a centred cell: whatever is found off the centre is not counted."""
    ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    far = 0.75 * min(middle.x, middle.y)
    return tuple(
        Truth(middle.x + far * r * math.cos(a), middle.y + far * r * math.sin(a), far / 2.2)
        for a in ring
        for r in (1.0, 1.6)
    )


def score(one: Field, tally: Tally, condition: str) -> None:
    """Add one field to a tally."""
    pixels = CONDITIONS[condition](np.asarray(cv2.imread(str(one.path)), dtype=np.uint8))
    height, width = pixels.shape[:2]
    illumination = estimate_illumination(pixels)
    pixel_um = estimate_pixel_size(pixels, illumination).pixel_um
    found = find_cells(pixels, illumination, pixel_um).cells

    def inside(x: float, y: float) -> bool:
        edge = one.border_px
        return bool(edge <= x < width - edge and edge <= y < height - edge)

    truths = [t for t in one.cells if inside(t.x, t.y)]
    pairs = sorted(
        (math.hypot(c.x - t.x, c.y - t.y), i, j) for i, t in enumerate(truths) for j, c in enumerate(found)
    )
    hit: set[int] = set()
    used: set[int] = set()
    for distance, i, j in pairs:
        reach = max(MATCH_UM / pixel_um, truths[i].half_side)
        if distance <= reach and i not in hit and j not in used:
            hit.add(i)
            used.add(j)
    misses = [t for i, t in enumerate(truths) if i not in hit]
    edge_truths = [t for t in one.cells if not inside(t.x, t.y)]
    alarms = [
        c
        for j, c in enumerate(found)
        if j not in used
        and inside(c.x, c.y)
        and not any(_near(c, t, pixel_um) for t in (*one.ignore, *edge_truths))
    ]
    tally.found += len(hit)
    tally.missed += len(misses)
    tally.false += len(alarms)
    wrong = [(t.x, t.y, (0, 0, 255)) for t in misses] + [(c.x, c.y, (0, 220, 255)) for c in alarms]
    tally.pictures += [_picture(pixels, found, x, y, colour, pixel_um, one) for x, y, colour in wrong]


def _near(cell: Cell, place: Truth, pixel_um: float) -> bool:
    return math.hypot(cell.x - place.x, cell.y - place.y) <= max(MATCH_UM / pixel_um, place.half_side)


def _picture(
    pixels: U8,
    found: tuple[Cell, ...],
    x: float,
    y: float,
    colour: tuple[int, int, int],
    pixel_um: float,
    one: Field,
) -> U8:
    """60 um around a mistake, with all detections in green."""
    scale = TILE_PX * pixel_um / 60.0
    to_tile = np.array([[scale, 0, TILE_PX / 2 - scale * x], [0, scale, TILE_PX / 2 - scale * y]])
    tile = cv2.warpAffine(pixels, to_tile, (TILE_PX, TILE_PX), flags=cv2.INTER_AREA)
    for cell in found:
        at = (to_tile @ np.array([cell.x, cell.y, 1.0])).astype(int)
        cv2.circle(tile, (int(at[0]), int(at[1])), int(cell.diameter_um / 2 / 60 * TILE_PX), (0, 160, 0), 1)
    cv2.drawMarker(tile, (TILE_PX // 2, TILE_PX // 2), colour, cv2.MARKER_CROSS, 14, 2)
    text = f"{one.path.stem[:22]} {pixel_um:.3f}"
    cv2.putText(tile, text, (3, TILE_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1)
    return np.asarray(tile, dtype=np.uint8)


def contact_sheet(pictures: list[U8], columns: int = 6) -> U8:
    """Pictures side by side."""
    blank = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    padded = pictures + [blank] * (-len(pictures) % columns)
    rows = [np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    return np.vstack(rows)


def _line(name: str, tally: Tally) -> dict[str, object]:
    cells, detections = tally.found + tally.missed, tally.found + tally.false
    recall, precision = tally.found / max(cells, 1), tally.found / max(detections, 1)
    r, p = wilson(tally.found, cells), wilson(tally.found, detections)
    print(
        f"{name:26s} recall {tally.found:4d}/{cells:<4d} {recall:.3f} [{r[0]:.3f}, {r[1]:.3f}]   "
        f"precision {tally.found:4d}/{detections:<4d} {precision:.3f} [{p[0]:.3f}, {p[1]:.3f}]"
    )
    return {"set": name, "recall": recall, "recall_ci95": r, "precision": precision, "precision_ci95": p}


def main() -> None:
    """Score the sets of a data folder that are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--under", choices=list(CONDITIONS), default="as it is")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    lines = []
    for name in options.sets:
        if not (options.data / name).is_dir():
            print(f"{name:26s} not in {options.data}")
            continue
        tallies: dict[str, Tally] = {}
        for one in SETS[name](options.data):
            score(one, tallies.setdefault(one.group, Tally()), options.under)
        whole = Tally()
        for group, tally in sorted(tallies.items()):
            if len(tallies) > 1:
                lines.append(_line(f"  {name}/{group}", tally))
            whole = Tally(
                whole.found + tally.found,
                whole.missed + tally.missed,
                whole.false + tally.false,
                whole.pictures + tally.pictures,
            )
        lines.append(_line(name, whole))
        if options.pictures and whole.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            for start in range(0, len(whole.pictures), 36):
                sheet = contact_sheet(whole.pictures[start : start + 36])
                cv2.imwrite(str(options.pictures / f"{name}-{start // 36}.png"), sheet)
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
