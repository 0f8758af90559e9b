"""Whatever is done to a journal shows, and the first broken row is named."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.errors import JournalForeign, JournalTooNew, PathUnusable
from alledge.journal import Head
from alledge.journal.chain import event_hash
from alledge.journal.diagnosis import Fault
from alledge.journal.head_file import head_path, read_head, write_head
from alledge.journal.verification import Verification, verify_journal
from tests.edge.journal.made import WALL, field_record, filled_journal, new_journal

N_FIELDS = 3
FIRST_FIELD = 3  # journal-started, slide-started, then fields
LAST = 2 + N_FIELDS + 2  # a fault, slide-ended


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole journal; tests tamper with copies."""
    return filled_journal(tmp_path_factory.mktemp("original"), N_FIELDS)


@pytest.fixture
def journal(original: Path, tmp_path: Path) -> Path:
    return copy_of(original, tmp_path)


def copy_of(original: Path, folder: Path) -> Path:
    for file in (original, head_path(original)):
        shutil.copy(file, folder / file.name)
    return folder / original.name


def edit(path: Path, *statements: str) -> None:
    """What anybody with the file and `sqlite3` can do."""
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("event_hash", 4, event_hash, deterministic=True)
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def broken_row(found: Verification) -> tuple[str, Fault]:
    assert found.broken is not None, "nothing was found"
    return found.broken.row, found.broken.fault


def test_an_untouched_journal_is_whole(journal: Path) -> None:
    found = verify_journal(journal)
    assert found.broken is None
    assert (found.head.count, found.n_fields, found.n_cells) == (LAST, N_FIELDS, 2 * N_FIELDS)
    assert found.n_pictures == 3 * N_FIELDS
    assert verify_journal(journal, found.head.hash).broken is None


def rehash(number: int) -> str:
    return f"UPDATE events SET hash = event_hash(number, kind, body, previous_hash) WHERE number = {number}"


def renumber(first: int, by: int) -> tuple[str, str]:
    return (
        f"UPDATE events SET number = -number WHERE number >= {first}",
        f"UPDATE events SET number = -number + {by} WHERE number < 0",
    )


def swap(a: int, b: int) -> tuple[str, ...]:
    return tuple(
        f"UPDATE events SET number = {new} WHERE number = {old}" for old, new in ((a, 0), (b, a), (0, b))
    )


BENIGN = "UPDATE events SET body = replace(body, 'blast', 'benign') WHERE number = 4"
SELF_LINK = "UPDATE events SET previous_hash = hash WHERE number"
NORMAL = "UPDATE cells SET label = 'normal' WHERE (field_id, position) = (4, 1)"
NO_SMEAR = "UPDATE fields SET verdict = 'no smear' WHERE field_id = 4"
FAULT_4 = "INSERT INTO events SELECT 4, 'fault', '{}', hash, hash FROM events WHERE number = 3"
OTHER_CELL = (
    "INSERT INTO cells SELECT 5, 9, slide_id, 1, 1, 1, 'blast', 0, patch_sha256, NULL FROM cells LIMIT 1"
)
TRIGGER = "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END"
TAMPERINGS = {
    "a body": ([BENIGN], "event 4", Fault.CHANGED),
    "a body and its hash": ([BENIGN, rehash(4)], "event 4", Fault.CHANGED),
    "a kind": (["UPDATE events SET kind = 'noise' WHERE number = 6"], "event 6", Fault.CHANGED),
    "a hash": (["UPDATE events SET hash = upper(hash) WHERE number = 5"], "event 5", Fault.CHANGED),
    "a previous hash": ([f"{SELF_LINK} = 5"], "event 5", Fault.CHANGED),
    "the first event": ([f"{SELF_LINK} = 1"], "event 1", Fault.CHANGED),
    "the last event": (["UPDATE events SET body = '{}' WHERE number = 7"], "event 7", Fault.CHANGED),
    "a deletion": (["DELETE FROM events WHERE number = 4"], "event 4", Fault.DELETED),
    "two deletions": (["DELETE FROM events WHERE number IN (4, 5)"], "events 4 to 5", Fault.DELETED),
    "a deletion at the start": (["DELETE FROM events WHERE number = 1"], "event 1", Fault.DELETED),
    "a deletion, renumbered": (
        ["DELETE FROM events WHERE number = 4", *renumber(5, -1)], "event 4", Fault.DELETED,
    ),
    "a deletion at the end": (["DELETE FROM events WHERE number > 5"], "events 6 to 7", Fault.TRUNCATED),
    "an insertion": (
        [*renumber(4, 1), FAULT_4], "event 4", Fault.INSERTED,
    ),
    "an insertion with a hash": (
        [*renumber(4, 1), FAULT_4, rehash(4)], "event 4", Fault.INSERTED,
    ),
    "an insertion before the first": (
        ["INSERT INTO events SELECT 0, kind, body, previous_hash, hash FROM events WHERE number = 1"],
        "event 0", Fault.INSERTED,
    ),
    "an appended copy": (
        ["INSERT INTO events SELECT 8, kind, body, previous_hash, hash FROM events WHERE number = 7"],
        "event 8", Fault.REORDERED,
    ),
    "a swap": (swap(4, 5), "event 4", Fault.REORDERED),
    "a far swap": (swap(3, 6), "event 3", Fault.REORDERED),
    "a slide": (["UPDATE slides SET identifier = 'S-2'"], "row 2 of slides", Fault.CHANGED),
    "a sign-off": (["UPDATE slides SET signed_off_by = 6"], "row 2 of slides", Fault.CHANGED),
    "a verdict": ([NO_SMEAR], "row 4 of fields", Fault.CHANGED),
    "a label": (
        [NORMAL], "row 4, 1 of cells", Fault.CHANGED,
    ),
    "a lost row": (["DELETE FROM fields WHERE field_id = 4"], "row 4 of fields", Fault.DELETED),
    "a row more": (
        [OTHER_CELL], "row 5, 9 of cells", Fault.INSERTED,
    ),
    "a false removal": (
        ["INSERT INTO removals VALUES (4, 1, 7)"], None, Fault.INSERTED,
    ),
    "a picture": (["UPDATE blobs SET bytes = zeroblob(9) WHERE rowid = 2"], None, Fault.CHANGED),
    "a lost picture": (["DELETE FROM blobs WHERE rowid = 2"], "row 3, 1 of blobs", Fault.DELETED),
    "a picture more": (["INSERT INTO blobs VALUES (4, 2, '00', x'00')"], "row 4, 2 of blobs", Fault.INSERTED),
    "a trigger": (
        [TRIGGER], "the trigger t", Fault.CHANGED,
    ),
    "a lost index": (["DROP INDEX cells_of_slide"], "the index cells_of_slide", Fault.CHANGED),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_every_tampering_is_named(journal: Path, name: str) -> None:
    statements, row, fault = TAMPERINGS[name]
    edit(journal, *statements)
    found = broken_row(verify_journal(journal))
    assert found == (row or found[0], fault)


columns = {
    "events": ("number", "kind", "body", "previous_hash", "hash"),
    "blobs": ("field_id", "position", "sha256", "bytes"),
    "slides": ("slide_id", "identifier", "ended_by", "signed_off_by"),
    "fields": ("field_id", "slide_id", "sequence", "verdict", "n_cells", "picture_sha256"),
    "cells": (
        "field_id", "position", "slide_id", "cell_id", "is_new", "is_sharper", "label", "review",
        "patch_sha256", "overridden_by",
    ),
}  # fmt: skip


@st.composite
def single_edits(draw: st.DrawFn) -> Callable[[sqlite3.Connection], None]:
    """One value of one row set to something else, one row removed, or two rows' values exchanged."""
    table = draw(st.sampled_from(sorted(columns)))
    column = draw(st.sampled_from(columns[table]))
    pick, other = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))
    action = draw(st.sampled_from(["set", "delete", "exchange"]))
    value = draw(st.one_of(st.integers(-5, 50), st.text(max_size=3), st.binary(max_size=3), st.none()))

    def apply(connection: sqlite3.Connection) -> None:
        keys = connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
        key, second = keys[pick % len(keys)], keys[other % len(keys)]
        named = "({}, {}) IS (?, ?)".format(*columns[table][:2])
        if action == "delete":
            connection.execute(f"DELETE FROM {table} WHERE {named}", key[:2])
        elif action == "set":
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {named}", (value, *key[:2]))
        else:
            at = columns[table].index(column)
            for row, new in ((key, second[at]), (second, key[at])):
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE {named}", (new, *row[:2]))

    return apply


def contents(path: Path) -> list[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in columns]


@given(apply=single_edits())
def test_any_single_edit_shows_and_nothing_else_does(
    original: Path, tmp_path_factory: pytest.TempPathFactory, apply: Callable[[sqlite3.Connection], None]
) -> None:
    journal = copy_of(original, tmp_path_factory.mktemp("edited"))
    with closing(sqlite3.connect(journal)) as connection:
        try:
            apply(connection)
            connection.commit()
        except sqlite3.IntegrityError:
            connection.rollback()  # the table itself refuses such a row
    is_changed = contents(journal) != contents(original)
    assert (verify_journal(journal).broken is not None) == is_changed


@given(at=st.integers(0, 10**9), mask=st.integers(1, 255))
def test_a_flipped_byte_in_a_used_page_never_passes_as_another_result(
    original: Path, tmp_path_factory: pytest.TempPathFactory, at: int, mask: int
) -> None:
    journal = copy_of(original, tmp_path_factory.mktemp("flipped"))
    data = bytearray(journal.read_bytes())
    data[at % len(data)] ^= mask
    journal.write_bytes(data)
    try:
        found = verify_journal(journal)
    except (JournalForeign, JournalTooNew):
        return  # the header says that it is something else
    if found.broken is None:
        assert contents(journal) == contents(original)


def test_rows_cut_off_show_even_after_the_service_has_gone_on(journal: Path) -> None:
    edit(journal, "DELETE FROM events WHERE number > 6", "UPDATE slides SET ended_by = NULL")
    again = new_journal(journal.parent)
    again.append_field(2, field_record(9))
    again.close()
    found = verify_journal(journal)
    assert broken_row(found) == ("event 7", Fault.TRUNCATED)
    assert "event 7 tells" in str(found.broken)


def test_a_journal_taken_away_whole_shows_in_the_one_that_follows(journal: Path) -> None:
    journal.unlink()
    new_journal(journal.parent).close()
    assert broken_row(verify_journal(journal))[1] is Fault.TRUNCATED


def test_a_chain_computed_anew_shows_only_against_a_head_kept_elsewhere(journal: Path) -> None:
    kept = verify_journal(journal).head
    edit(journal, "UPDATE events SET body = replace(body, 'camera', 'kamera') WHERE number = 6")
    for number in (6, 7):
        link = f"(SELECT hash FROM events WHERE number = {number - 1})"
        edit(journal, f"UPDATE events SET previous_hash = {link} WHERE number = {number}", rehash(number))
    head_path(journal).unlink()
    assert verify_journal(journal).broken is None
    assert broken_row(verify_journal(journal, kept.hash))[1] is Fault.TRUNCATED


def test_a_head_of_the_past_stays_valid(journal: Path) -> None:
    kept = verify_journal(journal).head.hash
    again = new_journal(journal.parent)
    again.append_event("fault", {"code": "x"}, WALL)
    again.close()
    assert verify_journal(journal, kept.upper()).broken is None


def test_a_torn_head_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    write_head(path, Head(6, "a" * 64))
    write_head(path, Head(7, "b" * 64))
    assert read_head(path) == Head(7, "b" * 64)
    data = head_path(path).read_bytes()
    head_path(path).write_bytes(data.replace(b"b" * 64, b"b" * 30 + b"c" * 34))
    assert read_head(path) == Head(6, "a" * 64)
    head_path(path).write_bytes(b"")
    assert read_head(path) is None


def test_what_is_no_journal_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PathUnusable, match="does not exist"):
        verify_journal(tmp_path / "journal.sqlite3")
    (tmp_path / "text").write_text("no database, but long enough to be taken for one" * 20)
    with pytest.raises(JournalForeign):
        verify_journal(tmp_path / "text")
    edit(tmp_path / "other", "CREATE TABLE t (x)")
    with pytest.raises(JournalForeign):
        verify_journal(tmp_path / "other")


def test_a_newer_journal_is_refused_and_left_alone(journal: Path) -> None:
    edit(journal, "PRAGMA user_version = 2")
    before = journal.read_bytes()
    with pytest.raises(JournalTooNew, match="version 2"):
        new_journal(journal.parent)
    with pytest.raises(JournalTooNew, match="version 2"):
        verify_journal(journal)
    assert journal.read_bytes() == before
