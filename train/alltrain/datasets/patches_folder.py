"""Patches as `alltrain cells` writes them: to look at, to correct by hand, and to fit on again.

    cells.csv                   one line a patch: patch_id,file,label,group,source,x,y and its morphology
    patches/LABEL/NAME.png      50 x 50, lossless
    patches.json                label order, layout, whether groups are known, notes

Read back, it is the same PatchSet bit for bit. A person may move a file to another label's folder only by
changing its line in cells.csv too: the table is the truth, the folders are for the eye.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from alledge.errors import DatasetUnrecognised
from alledge.illumination import ILLUMINATION_VERSION
from alledge.images import encode_image, read_image
from alledge.patches import PATCH_PX, PATCH_UM
from alledge.types import U8
from alltrain.datasets.dataset import MORPHOLOGY, PatchSet
from alltrain.datasets.folder import DataFolder
from alltrain.datasets.labels import order_labels, positive_among
from alltrain.datasets.tables import Aliases, Row, read_table, table_has

CELLS_FILE: Final = "cells.csv"
PATCHES_FILE: Final = "patches.json"
LOOKS_LIKE: Final = "cells.csv + patches/ as written by alltrain cells"
_PATCHES: Final = "patches"
_COLUMNS: Final = ("patch_id", "file", "label", "group", "source", "x", "y", *MORPHOLOGY)
_NEEDED: Final[Aliases] = {key: (key,) for key in ("patch_id", "file", "label", "group", "source")}
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]+")
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patch was cut. x, y: pixels of the source image."""

    x: float
    y: float


def is_patches_folder(folder: DataFolder) -> bool:
    """Whether a folder has the layout of this module."""
    return PurePosixPath(CELLS_FILE) in folder.files and PurePosixPath(PATCHES_FILE) in folder.files


def write_patches(folder: Path, patch_set: PatchSet, places: Sequence[Place]) -> None:
    """Fill an empty folder. places: (N) one a patch. Raises OSError as the file system does."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for k, place in enumerate(places):
        label = patch_set.label_names[int(patch_set.labels[k])]
        file = PurePosixPath(_PATCHES, _safe(label), f"{k:06d}-{_safe(patch_set.patch_ids[k])[-80:]}.png")
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_image(_swap_red_and_blue(patch_set.patches[k]), ".png"))
        measured = ("" if np.isnan(value) else f"{value:.4f}" for value in patch_set.morphology[k])
        row = (
            patch_set.patch_ids[k],
            file.as_posix(),
            label,
            patch_set.groups[k],
            patch_set.sources[k],
            f"{place.x:.1f}",
            f"{place.y:.1f}",
            *measured,
        )
        writer.writerow(row)
    (folder / CELLS_FILE).write_text(table.getvalue(), encoding="utf-8")
    (folder / PATCHES_FILE).write_text(json.dumps(_description(patch_set), indent=2) + "\n", encoding="utf-8")


def _description(patch_set: PatchSet) -> dict[str, object]:
    return {
        "format": _FORMAT,
        "patch": {"um": PATCH_UM, "px": PATCH_PX, "illumination_version": ILLUMINATION_VERSION},
        "layout": patch_set.layout,
        "label_names": patch_set.label_names,
        "positive_labels": patch_set.positive_labels,
        "grouped": patch_set.grouped,
        "is_phantom": patch_set.is_phantom,
        "notes": patch_set.notes,
    }


def read_patches(folder: DataFolder) -> PatchSet:
    """The PatchSet that `write_patches` wrote, with whatever a person corrected in cells.csv.

    Raises DatasetUnrecognised when table, description and files contradict each other or were cut through
    another pixel path; ImageUnreadable for a damaged patch.
    """
    rows = read_table(folder, PurePosixPath(CELLS_FILE), _columns_there(folder))
    if not rows:
        raise _broken(
            folder, f"{CELLS_FILE} lists no patch, or lacks one of the columns {', '.join(_NEEDED)}"
        )
    described = _Described.parse(folder)
    ids = [row["patch_id"] for row in rows]
    if len(set(ids)) < len(ids):
        raise _broken(folder, f"{CELLS_FILE} lists a patch_id twice")
    present = {row["label"] for row in rows}
    names = described.label_names
    if not present <= set(names):
        names = order_labels(present | set(names))
    names = tuple(name for name in names if name in present)
    listed = frozenset(folder.images)
    positive = {*described.positive_labels, *positive_among(present - set(described.label_names))}
    return PatchSet(
        patches=np.stack([_read_patch(folder, listed, row) for row in rows]),
        labels=np.array([names.index(row["label"]) for row in rows], dtype=np.int64),
        label_names=names,
        positive_labels=tuple(name for name in names if name in positive),
        groups=tuple(row["group"] for row in rows),
        patch_ids=tuple(ids),
        sources=tuple(row["source"] for row in rows),
        layout=described.layout,
        grouped=described.grouped,
        is_phantom=described.is_phantom,
        notes=described.notes,
        morphology=np.array([_read_morphology(folder, row) for row in rows], dtype=np.float64),
    )


def _columns_there(folder: DataFolder) -> Aliases:
    """The columns to read: those that are needed, and the measures that it has (old tables lack some)."""
    measures: Aliases = {name: (name,) for name in MORPHOLOGY}
    there = {
        name: as_written
        for name, as_written in measures.items()
        if table_has(folder, PurePosixPath(CELLS_FILE), {name: as_written})
    }
    return {**_NEEDED, **there}


def _read_morphology(folder: DataFolder, row: Row) -> list[float]:
    try:
        return [float(row.get(name) or "nan") for name in MORPHOLOGY]
    except ValueError as error:
        raise _broken(folder, f"{CELLS_FILE} measures '{row['patch_id']}' in no numbers") from error


@dataclass(frozen=True, slots=True)
class _Described:
    """What patches.json says."""

    layout: str
    label_names: tuple[str, ...]
    positive_labels: tuple[str, ...]
    grouped: bool
    is_phantom: bool
    notes: tuple[str, ...]

    @classmethod
    def parse(cls, folder: DataFolder) -> "_Described":
        try:
            content = json.loads(folder.read_text(PurePosixPath(PATCHES_FILE)))
            patch = content["patch"]
            contract = (content["format"], patch["um"], patch["px"], patch["illumination_version"])
            described = cls(
                str(content["layout"]),
                tuple(map(str, content["label_names"])),
                tuple(map(str, content["positive_labels"])),
                content["grouped"] is True,
                content["is_phantom"] is True,
                tuple(map(str, content["notes"])),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _broken(folder, f"{PATCHES_FILE} cannot be understood ({error!r})") from error
        if contract != (_FORMAT, PATCH_UM, PATCH_PX, ILLUMINATION_VERSION):
            raise _broken(folder, "the patches were cut through another pixel path than this version's")
        return described


def _read_patch(folder: DataFolder, listed: frozenset[PurePosixPath], row: Row) -> U8:
    file = PurePosixPath(row["file"])
    if file not in listed:
        raise _broken(folder, f"{CELLS_FILE} names '{row['file']}', which is not there")
    patch = read_image(folder.path(file))
    if patch.shape != (PATCH_PX, PATCH_PX, 3):
        raise _broken(
            folder, f"{file} is {patch.shape[1]} x {patch.shape[0]} pixels, not {PATCH_PX} x {PATCH_PX}"
        )
    return _swap_red_and_blue(patch)


def _swap_red_and_blue(patch: U8) -> U8:
    return np.ascontiguousarray(patch[..., ::-1])


def _safe(name: str) -> str:
    """A name for the file system; uniqueness comes from the number in front of it."""
    return _UNSAFE.sub("_", name).strip(".") or "_"


def _broken(folder: DataFolder, why: str) -> DatasetUnrecognised:
    return DatasetUnrecognised(
        f"{folder.root / folder.inside} is no usable folder of patches: {why}.",
        "Write it again with alltrain cells.",
    )
