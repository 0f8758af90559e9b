"""`alltrain cells`: the patches of a dataset as files, and how well the device's finder did on it.

To look through the patches is the cheapest check of a dataset there is. And where a dataset marks its
white cells, the same pass tells which part of them the device would have found at all: no classifier can
call a cell that it is never shown.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alledge.durable import write_folder_whole
from alledge.errors import DatasetUnrecognised, PathUnusable
from alltrain.datasets.dataset import PatchSet
from alltrain.datasets.loading import CutStudy, Progress, cut_study, to_patch_set
from alltrain.datasets.matching import FinderTally
from alltrain.datasets.patches_folder import CELLS_FILE, Place, is_patches_folder, write_patches
from alltrain.datasets.registry import open_data
from alltrain.intervals import wilson_interval

FINDER_FILE: Final = "finder.json"


@dataclass(frozen=True, slots=True)
class Proportion:
    """A counted share with its 95 % interval (Wilson), cells taken as independent."""

    successes: int
    n: int

    def figure(self) -> dict[str, object] | None:
        """{"value", "ci95", "n"} as in every report; None when nothing was counted."""
        if not self.n:
            return None
        return {
            "value": self.successes / self.n,
            "ci95": wilson_interval(self.successes, self.n),
            "n": self.n,
        }


@dataclass(frozen=True, slots=True)
class CellsReport:
    """What `write_cells` wrote. recall and precision are of the cell finder, on annotated images only."""

    out: Path
    layout: str
    n_images: int
    label_counts: dict[str, int]
    recall: Proportion
    precision: Proportion
    notes: tuple[str, ...]


def write_cells(
    data: Path, out: Path, *, allow_no_groups: bool = False, progress: Progress | None = None
) -> CellsReport:
    """Write every labelled patch of `data` to `out`, with a table and the figures of the finder.

    out: new, empty, or written by this command before; it appears whole or not at all.

    Raises as `load_patches`, PathUnusable when `out` is not ours or lies in `data`, StorageFailed.
    """
    if out.resolve().is_relative_to(data.resolve()):
        raise PathUnusable(f"{out} lies inside the dataset {data}.", "Name a folder outside of it.")
    nested = open_data(data)
    if any(map(is_patches_folder, nested)):
        raise DatasetUnrecognised(
            f"{data} holds patches already.", "Give the images that they were cut from."
        )
    cut = cut_study(nested, allow_no_groups=allow_no_groups, progress=progress)
    patch_set = to_patch_set(cut)
    report = _report(out, cut, patch_set)
    places = [Place(cell.x, cell.y) for image in cut.images for cell in image.cells]
    with write_folder_whole(out, marker=CELLS_FILE) as folder:
        write_patches(folder, patch_set, places)
        (folder / FINDER_FILE).write_text(json.dumps(_finder(report), indent=2) + "\n", encoding="utf-8")
    return report


def _report(out: Path, cut: CutStudy, patch_set: PatchSet) -> CellsReport:
    tally = sum((image.tally for image in cut.images), FinderTally())
    return CellsReport(
        out=out,
        layout=patch_set.layout,
        n_images=len(cut.images),
        label_counts=patch_set.label_counts,
        recall=Proportion(tally.n_found, tally.n_annotated),
        precision=Proportion(tally.n_right, tally.n_detected),
        notes=patch_set.notes,
    )


def _finder(report: CellsReport) -> dict[str, object]:
    return {
        "layout": report.layout,
        "n_images": report.n_images,
        "recall": report.recall.figure(),
        "precision": report.precision.figure(),
        "label_counts": report.label_counts,
        "notes": report.notes,
        "research_use_only": True,
    }
