"""The journal in one SQLite file: an event, its pictures and its query rows in one transaction, or nothing.

Write-ahead log with synchronous=FULL: COMMIT returns after fsync(2) of the log, so a field that was
acknowledged survives SIGKILL and a power cut. A disk that refuses and then works again is used again by
itself: the next attempt writes over what the failed one left in the log, and if that fails too, the file is
opened afresh.

Several processes may write (the service its fields, the page its reviews). Each takes SQLite's write lock
for one transaction and reads the end of the chain under it, so the chain never forks.
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alledge import __version__
from alledge.clock import Clock, ClockTrust, WallTime, boot_id
from alledge.errors import JournalIoFailed
from alledge.journal import schema
from alledge.journal.chain import EMPTY, Event, Head, canonical_json, link
from alledge.journal.creation import create, is_missing
from alledge.journal.head_file import read_head, write_head
from alledge.journal.plain import from_plain, to_plain
from alledge.journal.projection import (
    FIELD,
    OWN_KINDS,
    ROWS_MISSING,
    SLIDE_ENDED,
    SLIDE_STARTED,
    project,
)
from alledge.journal.records import FieldRecord, Picture, prepare
from alledge.journal.storage_errors import primary_code, translated
from alledge.strict_json import Json

JOURNAL_NAME: Final = "journal.sqlite3"
"""Name of the journal in the data folder."""

CHECKPOINT_PAGES: Final = 1000
"""The log is copied into the database when it is that long (4 MiB): some fifty fields."""

WAIT_FOR_LOCK_S: Final = 2.0
"""How long to wait for another writer; a review takes milliseconds."""


class SqliteJournal:
    """The journal of a data folder; see `Journal` for what each method promises. Safe between threads.

    Opened by `open_journal`.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._boot_id = boot_id()
        self._one_at_a_time = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._in_doubt: Event | None = None
        self._has_failed = False

    def start_slide(self, identifier: str, wall: WallTime) -> int:
        """Open a slide; its number, by which the other methods know it."""
        return self._store(SLIDE_STARTED, {"identifier": identifier, "wall": to_plain(wall)})

    def end_slide(self, slide_id: int, wall: WallTime) -> None:
        """Close a slide. Raises SlideUnusable when there is no open slide of that number."""
        self._store(SLIDE_ENDED, {"slide_id": slide_id, "wall": to_plain(wall)})

    def append_field(self, slide_id: int, record: FieldRecord) -> int:
        """Store one field; its number. Raises SlideUnusable when there is no open slide of that number."""
        stored, pictures = prepare(slide_id, record, self._boot_id)
        return self._store(FIELD, stored.body(), pictures)

    def append_event(self, kind: str, body: Mapping[str, Json], wall: WallTime) -> int:
        """Store another event; its number. The kinds that mean something here are in `projection`.

        Raises SlideUnusable when a review or sign-off speaks of what is not there; ValueError for a kind
        that only the journal writes, or a body with a `wall` of its own.
        """
        if kind in OWN_KINDS or "wall" in body:
            raise ValueError(f"an event of kind {kind!r} with {sorted(body)} is not for callers to write")
        return self._store(kind, {**body, "wall": to_plain(wall)})

    def head(self) -> Head:
        """The end of the chain; keep a copy on another machine, and nothing before it can change unseen."""
        with self.reading() as connection:
            return read_last(connection)

    def last_wall(self) -> WallTime | None:
        """The wall time of the last event that could be believed, for `SystemClock`."""
        with self.reading() as connection:
            return last_believable(connection)

    def close(self) -> None:
        """Let go of the file."""
        with self._one_at_a_time:
            self._let_go()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for other parts of the journal to read with and not to keep."""
        with self._one_at_a_time, translated(self.path):
            try:
                yield self._opened()
            except sqlite3.Error as error:
                self._after(error)
                raise
            self._has_failed = False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction: durable when the block is left, undone when it is left by an error."""
        with self.reading() as connection:
            with writing(connection):
                yield connection
            write_head(self.path, read_last(connection))

    def _store(self, kind: str, body: Mapping[str, Json], pictures: Sequence[Picture] = ()) -> int:
        """Store one event with its pictures; its number. Storing again what failed stores it once."""
        with self.transaction() as connection:
            found = self._stored_after_all(connection, kind, body)
            if found is not None:
                return found
            event = append(connection, kind, body)
            rows = [(event.number, picture.position, picture.sha256, picture.data) for picture in pictures]
            connection.executemany("INSERT INTO blobs VALUES (?, ?, ?, ?)", rows)
            self._in_doubt = event
        self._in_doubt = None
        return event.number

    def _stored_after_all(
        self, connection: sqlite3.Connection, kind: str, body: Mapping[str, Json]
    ) -> int | None:
        """The number of an event that failed to be flushed but was found in the log on opening it again."""
        event, self._in_doubt = self._in_doubt, None
        if event is None or (event.kind, event.body) != (kind, canonical_json(body)):
            return None
        return event.number if has_head(connection, Head(event.number, event.hash)) else None

    def _after(self, error: sqlite3.Error) -> None:
        """Keep the connection after a first refusal of the disk: it knows where its log ends.

        A fresh one would find the frames of the failed transaction there and take them for stored, though
        the disk may have lost them (fsync(2) after an error: Rebello et al., "Can Applications Recover from
        fsync Failures?", USENIX ATC 2020). After a second refusal a fresh one is the only hope; `_greet`
        then copies what it finds into the database and flushes that.
        """
        code = primary_code(error)
        if code == sqlite3.SQLITE_BUSY:
            return
        may_recover = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL) and not self._has_failed
        self._has_failed = True
        if not may_recover:
            self._let_go()

    def _opened(self) -> sqlite3.Connection:
        """The connection, made where there is none, or where the file under its name is another one."""
        if self._connection is not None and _identity(self.path) != self._file:
            self._let_go()
        if self._connection is None:
            if is_missing(self.path):
                create(self.path, self._introduction())
            connection = connect(self.path)
            try:
                self._greet(connection)
            except BaseException:
                connection.close()
                raise
            self._connection, self._file = connection, _identity(self.path)
        return self._connection

    def _greet(self, connection: sqlite3.Connection) -> None:
        """Hold the journal against the head that was noted beside it, with an empty log to begin with."""
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        with writing(connection):
            self._note_missing_rows(connection)
        write_head(self.path, read_last(connection))

    def _introduction(self) -> dict[str, Json]:
        return {
            "journal_id": secrets.token_hex(16),
            "schema_version": schema.SCHEMA_VERSION,
            "software_version": __version__,
            "wall": to_plain(self._clock.wall()),
        }

    def _note_missing_rows(self, connection: sqlite3.Connection) -> None:
        """Write into the chain that rows it once had are gone: the next head will no longer show it."""
        noted, last = read_head(self.path), read_last(connection)
        if noted is None or has_head(connection, noted):
            return
        body: dict[str, Json] = {
            "expected_count": noted.count,
            "expected_hash": noted.hash,
            "found_count": last.count,
            "found_hash": last.hash,
            "wall": to_plain(self._clock.wall()),
        }
        append(connection, ROWS_MISSING, body)

    def _let_go(self) -> None:
        connection, self._connection, self._file = self._connection, None, None
        if connection is not None:
            connection.close()


def open_journal(path: Path, clock: Clock) -> SqliteJournal:
    """Open the journal at `path`, or begin one. The folder must exist.

    Raises:
        JournalUnavailable: the medium refuses; trying again later is right.
        JournalForeign, JournalTooNew: the file is not ours to write.
        JournalDamaged: the file is no longer a whole database.
    """
    journal = SqliteJournal(path, clock)
    try:
        journal.head()
    except BaseException:
        journal.close()
        raise
    return journal


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write. Raises JournalForeign and JournalTooNew before it changes anything."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=WAIT_FOR_LOCK_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        schema.require_ours(connection, path)
        _set_up(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    """The settings that durability rests on."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise JournalIoFailed(f"{path} cannot have a write-ahead log.", "Put it on a local disk.")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute("PRAGMA trusted_schema = OFF")


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE to COMMIT; ROLLBACK when the block or the COMMIT fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself after some errors of the disk
            connection.execute("ROLLBACK")
        raise


def read_last(connection: sqlite3.Connection) -> Head:
    """The end of the chain."""
    row = connection.execute("SELECT number, hash FROM events ORDER BY number DESC LIMIT 1").fetchone()
    return Head(*row) if row else EMPTY


def has_head(connection: sqlite3.Connection, head: Head) -> bool:
    """Whether the chain went through `head`."""
    row = connection.execute("SELECT hash FROM events WHERE number = ?", (head.count,)).fetchone()
    return head == EMPTY or (row is not None and row[0] == head.hash)


def last_believable(connection: sqlite3.Connection) -> WallTime | None:
    """The wall time of the last event whose clock was not known to be wrong."""
    sql = """
        SELECT json_extract(body, '$.wall.unix_s'), json_extract(body, '$.wall.trust') FROM events
        WHERE json_extract(body, '$.wall.trust') <> ? ORDER BY number DESC LIMIT 1
    """
    row = connection.execute(sql, (ClockTrust.WRONG.value,)).fetchone()
    return from_plain(WallTime, {"unix_s": row[0], "trust": row[1]}) if row else None


def append(connection: sqlite3.Connection, kind: str, body: Mapping[str, Json]) -> Event:
    """Link an event to the chain and bring the query tables up to date, in the caller's transaction."""
    event = link(read_last(connection), kind, body)
    row = (event.number, event.kind, event.body, event.previous_hash, event.hash)
    connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)
    project(connection, event)
    return event


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path names now; a journal that was moved away must not swallow further fields."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
