"""A synthetic study on disk: rendered slides with the boxes and groups that a real study would have.

The folder has a layout that alltrain recognises (fields with boxes in a CSV, groups in groups.csv),
and two files no real study has: truth.json, with every outline and every parameter, and PHANTOM.txt,
which marks all that is made from it. The study is written into a folder aside and renamed when it is
whole, so a half-written study is never mistaken for a study.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from alledge.durable import write_folder_whole
from alledge.errors import PathUnusable
from alledge.phantom import PhantomField, TrueCell, parameters_for_slide, render_field
from alledge.types import F32

MARK: Final = "PHANTOM.txt"
FIELDS_PER_SLIDE: Final = 3
LEAST_SLIDES: Final = 6  # grouped folds need several groups of each class
NOTICE: Final = """\
These images are phantoms: rendered by a program, not taken through a microscope. No patient, no blood.

They exist to exercise software and optics. Nothing measured on them says anything about clinical
performance, and nobody should be told otherwise. White cells lie denser here than in most real smears.

images/          fields, one JPEG each: slideNN_fieldMM.jpg
annotations.csv  image,xmin,ymin,xmax,ymax,label,kind: boxes in pixels, xmax and ymax exclusive;
                 label is blast, normal, platelet or smudge, kind the exact kind of cell
                 (with --labels kind both are the exact kind)
groups.csv       image,group: the slide that a field belongs to
truth.json       centre and outline of every cell, and all parameters of every field
"""

Progress = Callable[[int, int], None]


def write_study(
    out: Path,
    n_fields: int,
    seed: int,
    progress: Progress | None = None,
    *,
    by_kind: bool = False,
) -> int:
    """Render `n_fields` fields into folder `out`; returns the number of labelled nucleated cells.

    An earlier phantom study in `out` is replaced. progress(done, n_fields) is called after each field.
    by_kind: cells are labelled with their exact kind (three subtypes of blast, three kinds of normal
        cells) instead of blast or normal.

    Raises:
        PathUnusable: fewer than one field is asked for, or `out` holds something else.
        StorageFailed: the study could not be written; nothing is left behind.
    """
    if n_fields < 1:
        raise PathUnusable(f"A study of {n_fields} fields is no study.", "Ask for one field or more.")
    with write_folder_whole(out, marker=MARK) as folder:
        return _fill(folder, n_fields, seed, progress, by_kind=by_kind)


def slide_of_field(index: int, n_fields: int) -> tuple[int, int]:
    """(slide, field on that slide) of the field `index`: neighbours share a slide, as on a stage."""
    n_slides = min(n_fields, max(LEAST_SLIDES, round(n_fields / FIELDS_PER_SLIDE)))
    slide = index * n_slides // n_fields
    first = -(-slide * n_fields // n_slides)
    return slide, index - first


def _fill(folder: Path, n_fields: int, seed: int, progress: Progress | None, *, by_kind: bool) -> int:
    n_cells = 0
    (folder / "images").mkdir()
    boxes: list[Sequence[object]] = []
    groups: list[Sequence[object]] = []
    truth: list[dict[str, object]] = []
    for index in range(n_fields):
        slide, on_slide = slide_of_field(index, n_fields)
        name = f"slide{slide:02d}_field{on_slide:02d}.jpg"
        field = render_field(parameters_for_slide(seed, slide, on_slide))
        (folder / "images" / name).write_bytes(field.jpeg)
        boxes += _boxes(name, field, by_kind=by_kind)
        n_cells += sum(cell.label is not None for cell in field.cells)
        groups.append((name, f"slide{slide:02d}"))
        truth.append(_truth(name, field))
        if progress is not None:
            progress(index + 1, n_fields)
    header = ("image", "xmin", "ymin", "xmax", "ymax", "label", "kind")
    (folder / "annotations.csv").write_bytes(_csv(header, boxes))
    (folder / "groups.csv").write_bytes(_csv(("image", "group"), groups))
    everything = {"seed": seed, "fields": truth}
    (folder / "truth.json").write_text(json.dumps(everything, separators=(",", ":")), encoding="utf-8")
    (folder / MARK).write_text(NOTICE, encoding="utf-8")
    return n_cells


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _boxes(name: str, field: PhantomField, *, by_kind: bool) -> list[Sequence[object]]:
    height, width = field.pixels.shape[:2]
    rows: list[Sequence[object]] = []
    for cell in field.cells:
        left, top = (max(int(low), 0) for low in cell.outline.min(axis=0))
        right, bottom = (int(high) + 1 for high in cell.outline.max(axis=0))
        label = str(cell.kind) if by_kind or cell.label is None else cell.label
        rows.append((name, left, top, min(right, width), min(bottom, height), label, str(cell.kind)))
    return rows


def _truth(name: str, field: PhantomField) -> dict[str, object]:
    return {
        "image": name,
        "parameters": dataclasses.asdict(field.parameters),
        "cells": [_cell(cell, 1) for cell in field.cells],
        "red_cells": [_cell(cell, 4) for cell in field.red_cells],
    }


def _cell(cell: TrueCell, every: int) -> dict[str, object]:
    """One cell as JSON; `every` thins the points of its outline."""
    entry: dict[str, object] = {
        "kind": str(cell.kind),
        "label": cell.label,
        "x": round(cell.x, 2),
        "y": round(cell.y, 2),
        "diameter_um": round(cell.diameter_um, 2),
        "touches_border": cell.touches_border,
        "outline": _points(cell.outline[::every]),
    }
    if cell.nucleus_outline is not None:
        entry["nucleus_cytoplasm_ratio"] = round(cell.nucleus_cytoplasm_ratio, 3)
        entry["nucleus_outline"] = _points(cell.nucleus_outline)
    return entry


def _points(outline: F32) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in outline]
