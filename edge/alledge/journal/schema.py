"""The tables of a journal, and who may open one.

`events` alone is the truth; `blobs` holds what is too large for it, the pictures, whose SHA-256 an event
names. The other tables are answers kept ready for queries. They are filled in the transaction that stores
the event, can be made again from the events, and are held against them by `alledge verify-log`.

A journal says what it is (SQLite's application_id) and of which version (user_version). A newer one is
refused by name: an old program that writes into a new format would break it in silence.
"""

import sqlite3
from pathlib import Path
from typing import Final

from alledge.errors import JournalForeign, JournalTooNew

APPLICATION_ID: Final = 0x416C536A  # "AlSj"
SCHEMA_VERSION: Final = 1

EVENTS_AND_BLOBS: Final = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY,      -- 1, 2, 3 ... without a gap
    kind TEXT NOT NULL,
    body TEXT NOT NULL,              -- canonical JSON, one line of ASCII
    previous_hash TEXT NOT NULL,     -- of the event before, 64 zeros for the first
    hash TEXT NOT NULL               -- SHA-256 of previous_hash, number, kind and body, a newline between
) STRICT;
CREATE INDEX events_of_kind ON events (kind, number);
CREATE TABLE blobs (
    field_id INTEGER NOT NULL,       -- whose picture
    position INTEGER NOT NULL,       -- of the cell in the field, -1 for the field itself
    sha256 TEXT NOT NULL,            -- of bytes, in hexadecimal; the field's event names the same
    bytes BLOB NOT NULL,             -- a whole PNG (patch) or JPEG (field) file
    PRIMARY KEY (field_id, position)
) STRICT;
"""

QUERY_TABLES: Final = """
CREATE TABLE slides (
    slide_id INTEGER PRIMARY KEY,    -- number of its event `slide-started`
    identifier TEXT NOT NULL,        -- what the user calls it
    ended_by INTEGER,                -- number of the event, NULL while it is open
    signed_off_by INTEGER            -- number of the event, NULL when not signed off
) STRICT;
CREATE TABLE fields (
    field_id INTEGER PRIMARY KEY,    -- number of its event `field`
    slide_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    n_cells INTEGER NOT NULL,
    picture_sha256 TEXT              -- NULL when none was stored
) STRICT;
CREATE INDEX fields_of_slide ON fields (slide_id, field_id);
CREATE TABLE cells (
    field_id INTEGER NOT NULL,
    position INTEGER NOT NULL,       -- 0, 1, 2 ... in the field
    slide_id INTEGER NOT NULL,
    cell_id INTEGER,                 -- on the slide, NULL when it was not tracked
    is_new INTEGER,
    is_sharper INTEGER,
    label TEXT,                      -- NULL without a model
    review INTEGER NOT NULL,
    patch_sha256 TEXT NOT NULL,
    overridden_by INTEGER,           -- number of the last event `review` on it, NULL when there is none
    PRIMARY KEY (field_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX cells_of_slide ON cells (slide_id, field_id, position);
CREATE TABLE removals (
    field_id INTEGER NOT NULL,       -- a picture that was removed, as in blobs
    position INTEGER NOT NULL,
    event_number INTEGER NOT NULL,   -- the event `pictures-removed` that says so
    PRIMARY KEY (field_id, position)
) STRICT, WITHOUT ROWID;
"""

QUERY_TABLE_NAMES: Final = ("slides", "fields", "cells", "removals")


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, in the caller's transaction."""
    for statement in (EVENTS_AND_BLOBS + QUERY_TABLES).split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def require_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise JournalForeign for another program's database, JournalTooNew for a newer version's journal."""
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise JournalForeign(f"{path} is no journal of alledge.", "Name another data folder.")
    version = _pragma(connection, "user_version")
    if version < 1:
        raise JournalForeign(
            f"{path} is a journal of no known version ({version}).", "Use a whole copy of it."
        )
    if version > SCHEMA_VERSION:
        raise JournalTooNew(
            f"{path} is a journal of version {version}; this alledge knows versions up to {SCHEMA_VERSION}.",
            "Install the newer allscope again; the journal was left as it is.",
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
