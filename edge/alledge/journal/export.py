"""A slide as JSON Lines, one field a line: the field's JSON of `snap` and `scan`, and what the journal adds.

Names are a contract with scripts outside this repository (docs/journal.md): add, never rename.
"""

import json
from collections.abc import Iterator

from alledge.field_json import JsonValue, field_to_dict
from alledge.journal.plain import to_plain
from alledge.journal.reading import JournalReader
from alledge.journal.records import StoredCell, StoredField


def slide_lines(reader: JournalReader, slide_id: int) -> Iterator[str]:
    """One line of JSON a field, in the order stored. Raises SlideUnusable when there is no such slide."""
    slide = reader.slide(slide_id)
    for field_id, stored in reader.all_fields(slide_id):
        place: dict[str, JsonValue] = {"slide": slide.identifier, "slide_id": slide_id, "field_id": field_id}
        yield json.dumps({**place, **_field(stored)}, ensure_ascii=False, allow_nan=False)


def _field(stored: StoredField) -> dict[str, JsonValue]:
    told = field_to_dict(stored.result)
    cells = told["cells"]
    assert isinstance(cells, list)
    told["cells"] = [
        {**cell, **_cell(kept)} if isinstance(cell, dict) else cell
        for cell, kept in zip(cells, stored.cells, strict=True)
    ]
    return told | {
        "sequence": stored.sequence,
        "time": stored.wall.iso,
        "time_trust": stored.wall.trust.value,
        "placement": to_plain(stored.placement),
        "calibration_sha256": stored.calibration_sha256,
        "software_version": stored.software_version,
        "health": to_plain(stored.health),
        "picture_sha256": stored.picture_sha256,
    }


def _cell(kept: StoredCell) -> dict[str, JsonValue]:
    sighting = kept.sighting
    return {
        "cell_id": sighting.cell_id if sighting else None,
        "is_new": sighting.is_new if sighting else None,
        "slide_x_um": sighting.x_um if sighting else None,
        "slide_y_um": sighting.y_um if sighting else None,
        "patch_sha256": kept.patch_sha256,
    }
