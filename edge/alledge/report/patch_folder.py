"""Cells that persons judged, as a folder that `alltrain fit` reads: corrections train the next model.

    cells.csv                   one line a patch: patch_id,file,label,group,source,x,y and its morphology
    patches/LABEL/NAME.png      the journal's own PNG files, byte for byte
    patches.json                label order, layout, notes

This is the layout `patches` of docs/data.md, which passes pixels on unchanged: a model is fitted on exactly
what the device saw. Images in class folders would be searched for cells and cut again. The group of every
patch is its slide, so that folds never split one. The truth is a person's word; with `judged_only=False` the
model's own calls are taken as well, and the notes, which every report of a fit repeats, say so.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from alledge.errors import RefusedError
from alledge.illumination import ILLUMINATION_VERSION
from alledge.journal.chain import picture_hash
from alledge.journal.reading import JournalReader, SlideSummary
from alledge.patches import PATCH_PX, PATCH_UM
from alledge.report.contents import RESEARCH_WORDS
from alledge.report.tally import BLAST, MEASURES, counted_label
from alledge.review import ReviewedCell, read_review

MARKER: Final = "patches.json"
"""Names such a folder; one that holds it may be replaced."""

LAYOUT: Final = "cells judged on the device"
_FORMAT: Final = 1
_TABLE: Final = "cells.csv"
_COLUMNS: Final = ("patch_id", "file", "label", "group", "source", "x", "y", *MEASURES)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]+")


class NothingToExport(RefusedError):
    """No cell of the slides was judged by a person, or none has its picture any more."""

    code = "nothing-to-export"


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPatch:
    """One patch with its label. png: the journal's file. is_phantom: rendered, not photographed."""

    slide: SlideSummary
    cell: ReviewedCell
    label: str
    png: bytes
    is_phantom: bool

    @property
    def patch_id(self) -> str:
        """Unique within one journal, and the same at every export."""
        return f"slide-{self.slide.slide_id}/field-{self.cell.field_id}#{self.cell.position}"


def judged_patches(
    reader: JournalReader, slide_ids: Iterable[int], *, judged_only: bool = True
) -> Iterator[JudgedPatch]:
    """Patches of slides with what is known of them, in the order of the journal.

    Args:
        reader: of the journal.
        slide_ids: which slides.
        judged_only: only cells that a person confirmed or called something else; else also those that the
            model called. Cells that wait, and those that a person calls no cell, are never among them.

    Raises:
        SlideUnusable: there is no such slide.
    """
    for slide_id in slide_ids:
        review = read_review(reader, slide_id)
        phantoms = {
            n for n, field in reader.all_fields(slide_id) if field.result.source.startswith("phantom")
        }
        for cell in review.cells:
            is_judged = cell.opinion is not None or cell.amendment is not None
            label = cell.amended_label if is_judged else counted_label(cell)
            png = reader.picture(cell.field_id, cell.position) if is_judged or not judged_only else None
            if label is not None and png is not None and picture_hash(png) == cell.patch_sha256:
                yield JudgedPatch(review.slide, cell, label, png, cell.field_id in phantoms)


def write_patch_folder(
    folder: Path, patches: Sequence[JudgedPatch], positive: Iterable[str], *, judged_only: bool = True
) -> None:
    """Fill an empty folder.

    Args:
        folder: exists, empty.
        patches: as from `judged_patches`.
        positive: labels that mean a blast, from the model's card.
        judged_only: as for `judged_patches`, for the notes.

    Raises:
        NothingToExport: there is no patch. OSError: as the file system does.
    """
    if not patches:
        raise NothingToExport(
            "No cell of these slides was judged by a person.",
            "Review some on the page, or give --all for the model's own calls.",
        )
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number, patch in enumerate(patches):
        file = PurePosixPath("patches", _safe(patch.label), f"{number:06d}-{_safe(patch.patch_id)}.png")
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(patch.png)
        writer.writerow(_row(patch, file))
    (folder / _TABLE).write_text(table.getvalue(), encoding="utf-8")
    described = json.dumps(_description(patches, frozenset({*positive, BLAST}), judged_only), indent=2)
    (folder / MARKER).write_text(described + "\n", encoding="utf-8")


def _row(patch: JudgedPatch, file: PurePosixPath) -> tuple[str, ...]:
    cell = patch.cell.cell
    return (
        patch.patch_id,
        file.as_posix(),
        patch.label,
        patch.slide.identifier,
        patch.patch_id.partition("#")[0],
        f"{cell.x:.1f}",
        f"{cell.y:.1f}",
        *(f"{getattr(cell, name):.4f}" for name in MEASURES),
    )


def _description(
    patches: Sequence[JudgedPatch], positive: frozenset[str], judged_only: bool
) -> dict[str, object]:
    labels = {patch.label for patch in patches}
    names = (*sorted(labels - positive), *sorted(labels & positive))
    by_model = sum(patch.cell.opinion is None and patch.cell.amendment is None for patch in patches)
    notes = [RESEARCH_WORDS]
    if not judged_only:
        notes.append(f"Labels that are the model's own calls, seen by nobody: {by_model} of {len(patches)}.")
    is_phantom = any(patch.is_phantom for patch in patches)
    if is_phantom:
        notes.append("Rendered phantom images: they say nothing about clinical performance.")
    return {
        "format": _FORMAT,
        "patch": {"um": PATCH_UM, "px": PATCH_PX, "illumination_version": ILLUMINATION_VERSION},
        "layout": LAYOUT,
        "label_names": names,
        "positive_labels": [name for name in names if name in positive],
        "grouped": True,
        "is_phantom": is_phantom,
        "notes": notes,
    }


def _safe(name: str) -> str:
    """A name for the file system; the number in front makes it unique."""
    return _UNSAFE.sub("_", name).strip(".") or "_"
