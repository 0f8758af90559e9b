"""One field result as JSON: what `snap --json` prints and every line of `scan` holds.

Key names are a contract with scripts outside this repository (docs/field-json.md); add, never rename.
"""

import json
from collections import Counter

from alledge.types import Call, Cell, FieldResult

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def field_to_dict(result: FieldResult) -> dict[str, JsonValue]:
    """Lays a field result out as plain JSON values; coordinates are pixels of the image as given."""
    calls: list[Call | None] = list(result.calls) or [None] * len(result.cells)
    return {
        "source": result.source,
        "width": result.width,
        "height": result.height,
        "pixel_um": round(result.pixel_size.pixel_um, 5),
        "pixel_um_source": result.pixel_size.source.value,
        "quality": {
            "verdict": result.quality.verdict.value,
            "advice": result.quality.advice,
            "focus": round(result.quality.focus, 4),
            "brightness": round(result.quality.brightness, 4),
            "saturated_fraction": round(result.quality.saturated_fraction, 4),
            "smear_fraction": round(result.quality.smear_fraction, 4),
        },
        "cells": [_cell_to_dict(cell, call) for cell, call in zip(result.cells, calls, strict=True)],
        "counts": dict(field_counts(result)),
        "model": {"sha256": result.model.sha256, "name": result.model.name} if result.model else None,
        "notes": list(result.notes),
        "research_use_only": True,
    }


def field_to_json(result: FieldResult) -> str:
    """One line of JSON, without a newline at its end."""
    return json.dumps(field_to_dict(result), ensure_ascii=False, allow_nan=False)


def field_counts(result: FieldResult) -> dict[str, int]:
    """Cells in all and by call; cells for review are counted apart, under no label."""
    counts = {"cells": len(result.cells), "smudge": result.n_smudges, "platelet": result.n_platelets}
    if result.calls:
        counts["review"] = sum(call.review for call in result.calls)
        labels = Counter(call.label for call in result.calls if not call.review)
        counts |= {label: labels.get(label, 0) for label in result.calls[0].p}
    return counts


def _cell_to_dict(cell: Cell, call: Call | None) -> dict[str, JsonValue]:
    return {
        "x": round(cell.x, 2),
        "y": round(cell.y, 2),
        "box": list(cell.box),
        "diameter_um": round(cell.diameter_um, 2),
        "label": call.label if call else None,
        "p": {label: round(p, 5) for label, p in call.p.items()} if call else {},
        "review": call.review if call else False,
        "review_reason": call.reason if call else None,
        "nucleus_area_um2": round(cell.nucleus_area_um2, 2),
        "nucleus_cytoplasm_ratio": round(cell.nucleus_cytoplasm_ratio, 3),
        "roundness": round(cell.roundness, 3),
        "texture": round(cell.texture, 4),
        "touches_border": cell.touches_border,
    }
