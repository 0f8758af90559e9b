"""From events to the tables that queries read: one function, used to store and to verify.

What an event changes in a table depends on the event and on earlier events alone. So the tables can be made
again from `events`, and a table that differs was edited.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from alledge.errors import SlideUnusable
from alledge.journal.chain import Event
from alledge.strict_json import Json

STARTED: Final = "journal-started"
SLIDE_STARTED: Final = "slide-started"
SLIDE_ENDED: Final = "slide-ended"
FIELD: Final = "field"
PICTURES_REMOVED: Final = "pictures-removed"
ROWS_MISSING: Final = "rows-missing"
OWN_KINDS: Final = frozenset({STARTED, SLIDE_STARTED, SLIDE_ENDED, FIELD, PICTURES_REMOVED, ROWS_MISSING})
"""Kinds of events that the journal writes itself; no caller may."""

REVIEW: Final = "review"
"""A person's word on a cell, body {"field_id", "position", ...}: its pictures are never removed."""
SIGN_OFF: Final = "sign-off"
"""A person signed an ended slide off, body {"slide_id", ...}: a quota may remove its pictures."""
SIGN_OFF_WITHDRAWN: Final = "sign-off-withdrawn"
"""The opposite, body {"slide_id", ...}."""
WITHDRAWN: Final = "cells-withdrawn"
"""Cells counted twice until two regions of a slide met, body {"slide_id", "cells": [[cell, stays], ...]}."""


def project(connection: sqlite3.Connection, event: Event) -> None:
    """Bring the tables up to date with an event, in the caller's transaction.

    Raises SlideUnusable when the event speaks of a slide, field or cell that is not there or closed.
    """
    change = _CHANGES.get(event.kind)
    if change is not None:
        change(connection, event.number, event.fields())


def _slide_started(connection: sqlite3.Connection, number: int, body: Mapping[str, Json]) -> None:
    connection.execute("INSERT INTO slides VALUES (?, ?, NULL, NULL)", (number, body["identifier"]))


def _slide_ended(connection: sqlite3.Connection, number: int, body: Mapping[str, Json]) -> None:
    sql = "UPDATE slides SET ended_by = ? WHERE slide_id = ? AND ended_by IS NULL"
    _one_row(connection.execute(sql, (number, body["slide_id"])), f"an open slide {body['slide_id']}")


def _field(connection: sqlite3.Connection, number: int, body: Mapping[str, Json]) -> None:
    sql = "SELECT 1 FROM slides WHERE slide_id = ? AND ended_by IS NULL"
    if connection.execute(sql, (body["slide_id"],)).fetchone() is None:
        raise _unusable(f"an open slide {body['slide_id']}")
    result, cells = body["result"], body["cells"]
    assert isinstance(result, dict)
    assert isinstance(cells, list)
    quality = result["quality"]
    assert isinstance(quality, dict)
    connection.execute(
        "INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?)",
        (number, body["slide_id"], body["sequence"], quality["verdict"], len(cells), body["picture_sha256"]),
    )
    rows = [
        (number, position, body["slide_id"], *_cell_columns(cell))
        for position, cell in enumerate(cells)
        if isinstance(cell, dict)
    ]
    connection.executemany("INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", rows)


def _cell_columns(cell: Mapping[str, Json]) -> tuple[Json, ...]:
    """(cell_id, is_new, is_sharper, label, review, patch_sha256) of one cell of a body."""
    sighting, call = cell["sighting"], cell["call"]
    seen = sighting if isinstance(sighting, dict) else {}
    called = call if isinstance(call, dict) else {}
    tracked = (seen.get("cell_id"), seen.get("is_new"), seen.get("is_sharper"))
    return (*tracked, called.get("label"), called.get("review", False), cell["patch_sha256"])


def _pictures_removed(connection: sqlite3.Connection, number: int, body: Mapping[str, Json]) -> None:
    pictures = body["pictures"]
    assert isinstance(pictures, list)
    rows = [(*picture, number) for picture in pictures if isinstance(picture, list)]
    connection.executemany("INSERT INTO removals VALUES (?, ?, ?)", rows)


def _review(connection: sqlite3.Connection, number: int, body: Mapping[str, Json]) -> None:
    place = (body.get("field_id"), body.get("position"))
    sql = "UPDATE cells SET overridden_by = ? WHERE field_id = ? AND position = ?"
    _one_row(connection.execute(sql, (number, *place)), f"a cell {place[1]} in a field {place[0]}")


def _signed_off(connection: sqlite3.Connection, number: int, body: Mapping[str, Json]) -> None:
    sql = "UPDATE slides SET signed_off_by = ? WHERE slide_id = ? AND ended_by IS NOT NULL"
    done = connection.execute(sql, (number, body.get("slide_id")))
    _one_row(done, f"an ended slide {body.get('slide_id')}")


def _sign_off_withdrawn(connection: sqlite3.Connection, _number: int, body: Mapping[str, Json]) -> None:
    sql = "UPDATE slides SET signed_off_by = NULL WHERE slide_id = ? AND signed_off_by IS NOT NULL"
    done = connection.execute(sql, (body.get("slide_id"),))
    _one_row(done, f"a signed-off slide {body.get('slide_id')}")


def _withdrawn(connection: sqlite3.Connection, _number: int, body: Mapping[str, Json]) -> None:
    """The sightings of a withdrawn cell become sightings of the one that stays; it is counted no more."""
    slide_id, pairs = body.get("slide_id"), body.get("cells")
    if connection.execute("SELECT 1 FROM slides WHERE slide_id = ?", (slide_id,)).fetchone() is None:
        raise _unusable(f"a slide {slide_id}")
    assert isinstance(pairs, list)
    sql = "UPDATE cells SET cell_id = ?, is_new = 0 WHERE slide_id = ? AND cell_id = ?"
    rows = [(pair[1], slide_id, pair[0]) for pair in pairs if isinstance(pair, list)]
    connection.executemany(sql, rows)


def _one_row(done: sqlite3.Cursor, what: str) -> None:
    if done.rowcount != 1:
        raise _unusable(what)


def _unusable(what: str) -> SlideUnusable:
    return SlideUnusable(f"The journal does not hold {what}.", "Look at its slides and start one.")


_CHANGES: Final[Mapping[str, Callable[[sqlite3.Connection, int, Mapping[str, Json]], None]]] = {
    SLIDE_STARTED: _slide_started,
    SLIDE_ENDED: _slide_ended,
    FIELD: _field,
    PICTURES_REMOVED: _pictures_removed,
    REVIEW: _review,
    SIGN_OFF: _signed_off,
    SIGN_OFF_WITHDRAWN: _sign_off_withdrawn,
    WITHDRAWN: _withdrawn,
}
