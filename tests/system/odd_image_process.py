"""In the place of `alledge.scanning.worker` on an odd worker of a cluster: see odd_dask_worker.py."""

import os
from dataclasses import replace
from pathlib import Path

from alledge.errors import PathUnusable
from alledge.pipeline import FieldModel, analyse_field
from alledge.scanning import worker
from alledge.types import FieldResult, Frame


def no_disk(path: Path) -> bytes:
    raise PathUnusable(f"{path} is no file.", "Give the path of an image.")


def other_digits(frame: Frame, model: FieldModel | None, pixel_um: float | None) -> FieldResult:
    result = analyse_field(frame, model, pixel_um)
    cells = tuple(replace(cell, diameter_um=cell.diameter_um * 1.001) for cell in result.cells)
    return replace(result, cells=cells)


if __name__ == "__main__":
    if os.environ["ODD_WORKER"] == "blind":
        worker.read_image_file = no_disk
    else:
        worker.analyse_field = other_digits
    worker.main()
