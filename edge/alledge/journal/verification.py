"""Whether a journal still holds what was written into it, and if not, the first row that does not.

Four questions, in this order, all put to one moment of the file:

1. Is the file a whole database of ours, and nothing but that (no trigger, no table more)?
2. Does every event follow the one before it, and does the chain reach the heads that were noted?
3. Do the query tables say what the events say? They are made again from the events and compared.
4. Is every picture there that an event names, with the bytes of its name, and no other?

The answer names a row and what was done to it. A journal that was computed anew from its first changed
event on is told only by a head that was kept elsewhere: `alledge verify-log --head HASH`.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alledge.errors import SlideUnusable
from alledge.journal import schema
from alledge.journal.chain import EMPTY, Event, Head
from alledge.journal.diagnosis import Broken, Fault, diagnose, events_named
from alledge.journal.head_file import read_head
from alledge.journal.plain import to_plain
from alledge.journal.projection import ROWS_MISSING, project
from alledge.journal.reading import connect_for_reading, one_moment, reading_uri
from alledge.journal.storage_errors import is_damage, translated
from alledge.strict_json import Json

_EVENTS: Final = "SELECT number, kind, body, previous_hash, hash FROM journal.events ORDER BY number"
_FOUND_PICTURES: Final = "SELECT field_id, position, sha256 FROM journal.blobs"
_EXPECTED_PICTURES: Final = """
    SELECT field_id, position, sha256 FROM (
        SELECT field_id, position, patch_sha256 AS sha256 FROM main.cells
        UNION ALL SELECT field_id, -1, picture_sha256 FROM main.fields WHERE picture_sha256 IS NOT NULL
    ) WHERE (field_id, position) NOT IN (SELECT field_id, position FROM main.removals)
"""
_KEYS: Final = {"slides": 1, "fields": 1, "cells": 2, "removals": 2}
"""How many of the first columns of each table name a row."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. broken: None when everything is as it was written.

    head: of the chain, as far as it holds. n_removed: pictures that a quota removed, as events tell.
    """

    head: Head
    n_fields: int
    n_cells: int
    n_pictures: int
    n_removed: int
    broken: Broken | None

    def to_dict(self) -> dict[str, Json]:
        """As plain JSON values, for scripts."""
        return {
            "is_whole": self.broken is None,
            "broken": to_plain(self.broken),
            "head": self.head.hash,
            "n_events": self.head.count,
            "n_fields": self.n_fields,
            "n_cells": self.n_cells,
            "n_pictures": self.n_pictures,
            "n_removed": self.n_removed,
        }


def verify_journal(path: Path, known_head: str | None = None) -> Verification:
    """Check the journal at `path`; a service may go on writing meanwhile.

    known_head: a hash that the chain had at some time, in hexadecimal, kept somewhere else.

    Raises PathUnusable without a file, JournalForeign and JournalTooNew for what is no journal of ours,
    JournalUnavailable when the medium refuses.
    """
    noted = read_head(path)  # before the snapshot: it may be behind the journal, never ahead
    with translated(path):
        try:
            connect_for_reading(path).close()
            with closing(sqlite3.connect("", uri=True, isolation_level=None)) as connection:
                connection.text_factory = _lenient_text
                connection.execute("ATTACH ? AS journal", (reading_uri(path),))
                with one_moment(connection):
                    return _Check(connection).run(noted, known_head)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            return Verification(EMPTY, 0, 0, 0, 0, _damage(error))


class _Check:
    """The four questions. `journal` is the file; `main` is a scratch database for tables made again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._head = EMPTY
        self._rows_missing: Broken | None = None

    def run(self, noted: Head | None, known_head: str | None) -> Verification:
        """Ask until one answer is no."""
        for statement in schema.QUERY_TABLES.split(";\n"):
            self._connection.execute(statement)
        try:
            broken = next(self._answers(noted, known_head), None)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            broken = _damage(error)
        return Verification(
            head=self._head,
            n_fields=self._count("main.fields"),
            n_cells=self._count("main.cells"),
            n_pictures=0 if broken else self._count("journal.blobs"),
            n_removed=self._count("main.removals"),
            broken=broken,
        )

    def _answers(self, noted: Head | None, known_head: str | None) -> Iterator[Broken]:
        yield from self._file()
        yield from self._chain()
        yield from self._heads(noted, known_head)
        for table in schema.QUERY_TABLE_NAMES:
            yield from self._table(table)
        yield from self._pictures()

    def _file(self) -> Iterator[Broken]:
        for (answer,) in self._connection.execute("PRAGMA journal.integrity_check(1)"):
            if answer != "ok":
                yield Broken("the file", Fault.DAMAGED, answer)
        master = "SELECT type, name, tbl_name, sql FROM {}sqlite_master ORDER BY type, name"
        with closing(sqlite3.connect(":memory:")) as made:
            schema.create(made)
            expected = set(made.execute(master.format("")))
        found = set(self._connection.execute(master.format("journal.")))
        for kind, name, *_ in sorted(found ^ expected, key=repr):
            yield Broken(f"the {kind} {name}", Fault.CHANGED, "the tables are not those of a journal")

    def _chain(self) -> Iterator[Broken]:
        for row in self._connection.execute(_EVENTS):
            event = Event(*row)
            follows = (event.number, event.previous_hash) == (self._head.count + 1, self._head.hash)
            if not follows or not event.is_whole:
                yield diagnose(self._connection, self._head, event)
            yield from self._replay(event)
            self._head = Head(event.number, event.hash)

    def _replay(self, event: Event) -> Iterator[Broken]:
        """Make the query rows of an event again; only a forger's event cannot be replayed."""
        if event.kind == ROWS_MISSING and self._rows_missing is None:
            self._rows_missing = _missing_rows(event)
        try:
            project(self._connection, event)
        except (
            AssertionError,
            KeyError,
            TypeError,
            ValueError,
            SlideUnusable,
            sqlite3.IntegrityError,
        ) as error:
            yield Broken(f"event {event.number}", Fault.INSERTED, f"no journal writes such a body ({error})")

    def _heads(self, noted: Head | None, known_head: str | None) -> Iterator[Broken]:
        if self._rows_missing is not None:
            yield self._rows_missing
        if noted is not None and noted.count > self._head.count:
            yield _truncated(
                self._head.count, noted.count, "the head noted beside the journal is beyond its end"
            )
        elif noted is not None and not self._has("number = ? AND hash = ?", (noted.count, noted.hash)):
            yield Broken(
                f"event {noted.count}", Fault.CHANGED, "the head noted beside the journal has another hash"
            )
        if known_head is not None and not self._has("hash = ?", (known_head.lower(),)):
            newest = f"after event {self._head.count}"
            evidence = (
                f"no event has the hash {known_head}: the newest are gone, or the chain was computed anew"
            )
            yield Broken(f"what came {newest}", Fault.TRUNCATED, evidence)

    def _table(self, table: str) -> Iterator[Broken]:
        n_key = _KEYS[table]
        found, expected = f"SELECT * FROM journal.{table}", f"SELECT * FROM main.{table}"  # noqa: S608 - a table of ours
        for row in self._connection.execute(f"{found} EXCEPT {expected}"):
            same = [made for made in self._connection.execute(expected) if made[:n_key] == row[:n_key]]
            evidence = f"the events say {same[0]}, it says {row}" if same else f"no event tells of {row}"
            yield Broken(_named(table, row[:n_key]), Fault.CHANGED if same else Fault.INSERTED, evidence)
        for row in self._connection.execute(f"{expected} EXCEPT {found}"):
            yield Broken(_named(table, row[:n_key]), Fault.DELETED, f"the events tell of {row}")

    def _pictures(self) -> Iterator[Broken]:
        lost = f"{_EXPECTED_PICTURES} EXCEPT {_FOUND_PICTURES}"
        for field_id, position, name in self._connection.execute(lost):
            evidence = f"the field names {name} and no event removed it"
            yield Broken(_named("blobs", (field_id, position)), Fault.DELETED, evidence)
        foreign = f"{_FOUND_PICTURES} EXCEPT {_EXPECTED_PICTURES}"
        for field_id, position, _ in self._connection.execute(foreign):
            evidence = "no field names it, or an event tells that it was removed"
            yield Broken(_named("blobs", (field_id, position)), Fault.INSERTED, evidence)
        for field_id, position, name, data in self._connection.execute("SELECT * FROM journal.blobs"):
            if hashlib.sha256(data).hexdigest() != name:
                yield Broken(
                    _named("blobs", (field_id, position)), Fault.CHANGED, "its bytes have another SHA-256"
                )

    def _has(self, condition: str, values: tuple[object, ...]) -> bool:
        sql = f"SELECT 1 FROM journal.events WHERE {condition}"  # noqa: S608 - a condition of ours
        return self._connection.execute(sql, values).fetchone() is not None

    def _count(self, table: str) -> int:
        (count,) = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a table of ours
        return int(count)


def _lenient_text(data: bytes) -> str:
    """Text that a flipped bit may have made no text: it then reads as something that no hash fits."""
    return data.decode("utf-8", "replace")


def _damage(error: sqlite3.DatabaseError | UnicodeDecodeError) -> Broken:
    """The words for a file that SQLite cannot read; raises the error again when it says something else."""
    if isinstance(error, UnicodeDecodeError):  # SQLite's own message quotes a damaged name
        return Broken("the file", Fault.DAMAGED, "a name in it is no text")
    if not is_damage(error):
        raise error
    return Broken("the file", Fault.DAMAGED, str(error)[:120])


def _missing_rows(event: Event) -> Broken:
    body = event.fields()
    first, last = body["found_count"], body["expected_count"]
    assert isinstance(first, int)
    assert isinstance(last, int)
    return _truncated(
        first, last, f"event {event.number} tells that they were gone when the journal was opened"
    )


def _truncated(found: int, expected: int, evidence: str) -> Broken:
    return Broken(events_named(found + 1, expected), Fault.TRUNCATED, evidence)


def _named(table: str, key: tuple[object, ...]) -> str:
    return f"row {', '.join(map(str, key))} of {table}"
