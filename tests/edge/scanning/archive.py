"""Small archives for tests of scans: painted fields of 240 x 200 pixels, looked at in milliseconds."""

import json
from functools import cache
from pathlib import Path

from alledge.images import encode_image
from alledge.scan import Scan, find_images
from alledge.scanning.settings import ScanSettings, settings_for
from tests.edge.painted_fields import PaintedField

PIXEL_UM = 0.25


@cache
def painted(seed: int) -> bytes:
    """A PNG with red cells and one or two white cells, another for each of eight seeds."""
    field = PaintedField(60.0, 50.0, PIXEL_UM).red_cells(30, seed).white_cell(15.0 + 3 * (seed % 8), 25.0)
    if seed % 2:
        field.white_cell(45.0, 12.0)
    return encode_image(field.pixels(), ".png")


def make_archive(folder: Path, n: int) -> Path:
    folder.mkdir()
    for index in range(n):
        (folder / f"field{index:04}.png").write_bytes(painted(index % 8))
    return folder


def settings(model: Path | None = None, pictures: Path | None = None) -> ScanSettings:
    return settings_for(model, PIXEL_UM, pictures)


def scan_of(folder: Path, out: Path, n_jobs: int = 2) -> Scan:
    return Scan(find_images([folder]), out, settings(), n_jobs=n_jobs)


def sources(file: Path) -> list[str]:
    return [json.loads(line)["source"] for line in file.read_text().splitlines()]


def quiet(n_done: int, n_images: int) -> None:
    """No progress is told."""
