"""What the journal promises to its writers: all or nothing, said by name, and going on by itself."""

import errno
import os
import resource
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.clock import ClockTrust, SystemClock, WallTime
from alledge.errors import (
    JournalBusy,
    JournalDamaged,
    JournalForeign,
    JournalFull,
    JournalIoFailed,
    JournalReadOnly,
    JournalUnavailable,
    SlideUnusable,
)
from alledge.journal import SqliteJournal, decode_patch, open_journal, store
from alledge.journal.diagnosis import Fault
from alledge.journal.reading import JournalReader
from alledge.journal.verification import verify_journal
from alledge.types import PixelSize
from tests.edge.journal.made import WALL, field_record, new_journal, patch_of

LARGE_PICTURE = bytes(300_000)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = new_journal(tmp_path)
    yield journal
    journal.close()


def n_fields(journal: SqliteJournal) -> int:
    found = verify_journal(journal.path)
    assert found.broken is None, found.broken
    return found.n_fields


def test_a_field_comes_back_to_the_last_bit(journal: SqliteJournal) -> None:
    record = field_record(1, 12, picture=b"\xff\xd8 picture")
    slide_id = journal.start_slide("S-1", WALL)
    field_id = journal.append_field(slide_id, record)
    with JournalReader(journal.path) as reader:
        ((stored_id, stored),) = reader.fields(slide_id)
        cells = reader.cells(slide_id)
        assert reader.picture(stored_id) == record.picture_jpeg
    assert (stored_id, stored.result, stored.wall) == (field_id, record.result, WALL)
    assert (stored.placement, stored.health) == (record.placement, record.health)
    assert [cell.stored.sighting for cell in cells] == [cell.sighting for cell in record.cells]
    for position, cell in enumerate(cells):
        assert np.array_equal(decode_patch(cell.patch_png or b""), patch_of(1, position))


def test_a_field_without_model_cells_or_placement_comes_back_too(journal: SqliteJournal) -> None:
    record = field_record(1, 0)
    record = replace(
        record,
        result=replace(record.result, model=None, calls=(), notes=()),
        placement=None,
        calibration_sha256=None,
    )
    slide_id = journal.start_slide("", WALL)
    journal.append_field(slide_id, record)
    with JournalReader(journal.path) as reader:
        assert reader.fields(slide_id)[0][1].result == record.result


def test_numbers_of_numpy_are_stored_as_numbers(journal: SqliteJournal) -> None:
    record = field_record(1)
    size = PixelSize(np.float32(0.1), record.result.pixel_size.source, np.int64(4))  # type: ignore[arg-type]
    slide_id = journal.start_slide("S", WALL)
    journal.append_field(slide_id, replace(record, result=replace(record.result, pixel_size=size)))
    with JournalReader(journal.path) as reader:
        assert reader.fields(slide_id)[0][1].result.pixel_size.pixel_um == float(np.float32(0.1))


def test_records_of_other_cells_than_the_result_are_refused(journal: SqliteJournal) -> None:
    slide_id = journal.start_slide("S", WALL)
    with pytest.raises(ValueError, match="of other cells"):
        journal.append_field(slide_id, replace(field_record(1), cells=()))


def test_a_closed_or_unknown_slide_takes_no_field(journal: SqliteJournal) -> None:
    slide_id = journal.start_slide("S", WALL)
    journal.end_slide(slide_id, WALL)
    for number in (slide_id, 99):
        with pytest.raises(SlideUnusable):
            journal.append_field(number, field_record(1))
        with pytest.raises(SlideUnusable):
            journal.end_slide(number, WALL)
    assert n_fields(journal) == 0


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("review", {"field_id": 3, "position": 7}),
        ("review", {}),
        ("sign-off", {"slide_id": 2}),  # still open
        ("sign-off", {"slide_id": 99}),
        ("sign-off-withdrawn", {"slide_id": 2}),
    ],
)
def test_an_event_on_what_is_not_there_is_refused_whole(
    journal: SqliteJournal, kind: str, body: dict[str, int]
) -> None:
    journal.append_field(journal.start_slide("S", WALL), field_record(1))
    before = journal.head()
    with pytest.raises(SlideUnusable):
        journal.append_event(kind, dict(body), WALL)
    assert journal.head() == before


@pytest.mark.parametrize(
    "kind", ["field", "slide-started", "rows-missing", "pictures-removed", "Fault", "a b", ""]
)
def test_a_kind_that_callers_may_not_write_is_refused(journal: SqliteJournal, kind: str) -> None:
    with pytest.raises(ValueError, match="event"):
        journal.append_event(kind, {}, WALL)


def test_the_next_service_goes_on_where_the_last_ended(journal: SqliteJournal) -> None:
    slide_id = journal.start_slide("S", WALL)
    journal.append_field(slide_id, field_record(1))
    journal.close()
    again = new_journal(journal.path.parent)
    with JournalReader(journal.path) as reader:
        assert reader.open_slide() == slide_id
    again.append_field(slide_id, field_record(2))
    assert n_fields(again) == 2
    again.close()


def test_several_writers_make_one_chain(journal: SqliteJournal) -> None:
    slide_id = journal.start_slide("S", WALL)
    page = new_journal(journal.path.parent)

    def review() -> None:
        for number in range(20):
            page.append_event("note", {"number": number}, WALL)

    reviewer = threading.Thread(target=review)
    reviewer.start()
    for sequence in range(20):
        journal.append_field(slide_id, field_record(sequence))
    reviewer.join()
    page.close()
    assert n_fields(journal) == 20
    assert journal.head().count == 2 + 40


def test_a_writer_that_keeps_the_lock_is_named_and_waited_for(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.close()
    monkeypatch.setattr(store, "WAIT_FOR_LOCK_S", 0.05)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusy, match="another process"):
            journal.start_slide("S", WALL)
        other.execute("ROLLBACK")
    journal.start_slide("S", WALL)


def test_a_reader_never_blocks_the_writer(journal: SqliteJournal) -> None:
    slide_id = journal.start_slide("S", WALL)
    with JournalReader(journal.path) as reader, reader.one_moment():
        assert reader.fields(slide_id) == ()
        journal.append_field(slide_id, field_record(1))
        assert reader.fields(slide_id) == ()
    with JournalReader(journal.path) as reader:
        assert len(reader.fields(slide_id)) == 1


def test_a_reader_cannot_write(journal: SqliteJournal) -> None:
    with JournalReader(journal.path) as reader, pytest.raises(JournalReadOnly):
        reader._rows("DELETE FROM events")


def fails_then_goes_on(
    journal: SqliteJournal, outage: Callable[[], AbstractContextManager[None]], code: type[JournalUnavailable]
) -> None:
    """While the outage lasts a field is refused by name and nothing of it stays; after it all goes on."""
    slide_id = journal.start_slide("S", WALL)
    journal.append_field(slide_id, field_record(0))
    with outage():
        for _ in range(4):
            with pytest.raises(code) as refusal:
                journal.append_field(slide_id, field_record(1, picture=LARGE_PICTURE))
            assert refusal.value.next_step
    journal.append_field(slide_id, field_record(1, picture=LARGE_PICTURE))
    journal.append_field(slide_id, field_record(2))
    assert n_fields(journal) == 3
    with JournalReader(journal.path) as reader:
        assert [field.sequence for _, field in reader.all_fields(slide_id)] == [0, 1, 2]


@contextmanager
def file_size_limit(n_bytes: int) -> Iterator[None]:
    """No file may grow beyond `n_bytes`: a quota of the disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow_refuses_a_field_whole(journal: SqliteJournal) -> None:
    fails_then_goes_on(journal, lambda: file_size_limit(200_000), JournalUnavailable)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB of its own, where that may be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("a file system may not be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_named_and_used_again_when_there_is_room(small_disk: Path) -> None:
    journal = new_journal(small_disk)

    @contextmanager
    def full() -> Iterator[None]:
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            while chunk := _write_some(file.fileno()):
                assert chunk
        yield
        ballast.unlink()

    fails_then_goes_on(journal, full, JournalFull)
    journal.close()


def _write_some(handle: int) -> int:
    try:
        return os.write(handle, bytes(4096))
    except OSError:
        return 0


def test_a_full_disk_at_the_start_is_named_and_opened_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while _write_some(file.fileno()):
            pass
    journal = SqliteJournal(small_disk / "journal.sqlite3", SystemClock())
    with pytest.raises(JournalFull):
        journal.start_slide("S", WALL)
    ballast.unlink()
    journal.start_slide("S", WALL)
    journal.close()


def test_a_read_only_disk_is_named_and_used_again_when_it_can_be_written(small_disk: Path) -> None:
    new_journal(small_disk).close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    journal = SqliteJournal(small_disk / "journal.sqlite3", SystemClock())
    with pytest.raises(JournalReadOnly):
        journal.start_slide("S", WALL)
    assert verify_journal(journal.path).broken is None
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    journal.start_slide("S", WALL)
    journal.close()


def test_a_journal_moved_away_in_use_takes_no_field_with_it(journal: SqliteJournal) -> None:
    journal.start_slide("S", WALL)
    moved = journal.path.parent / "moved"
    moved.mkdir()
    for file in list(journal.path.parent.glob("journal.sqlite3*")):
        file.rename(moved / file.name)
    slide_id = journal.start_slide("S-2", WALL)
    journal.append_field(slide_id, field_record(1))
    assert n_fields(journal) == 1
    assert verify_journal(moved / journal.path.name).n_fields == 0


def test_a_beginning_that_is_refused_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "journal.sqlite3"
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(JournalIoFailed, match="the disk fails"):
            open_journal(path, SystemClock())
    assert not path.exists()
    new_journal(tmp_path).close()
    assert verify_journal(path).broken is None


def test_what_an_interrupted_beginning_left_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / ".journal.sqlite3.abcd.partial").write_bytes(b"SQLite format 3")
    (tmp_path / "journal.sqlite3").touch()
    new_journal(tmp_path).close()
    assert list(tmp_path.glob("*.partial")) == list(tmp_path.glob(".*.partial")) == []


def test_the_log_of_a_journal_that_is_gone_is_not_played_into_the_next(journal: SqliteJournal) -> None:
    journal.append_field(journal.start_slide("S", WALL), field_record(1))
    log = journal.path.with_name("journal.sqlite3-wal").read_bytes()
    journal.close()
    journal.path.unlink()
    journal.path.with_name("journal.sqlite3-wal").write_bytes(log)
    assert n_fields_even_if_rows_are_missing(journal) == 0
    assert journal.path.with_name("journal.sqlite3-wal.orphan").read_bytes() == log


def n_fields_even_if_rows_are_missing(journal: SqliteJournal) -> int:
    journal.head()
    found = verify_journal(journal.path)
    assert found.broken is not None
    assert found.broken.fault is Fault.TRUNCATED
    return found.n_fields


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE someone_elses (x)")
    before = path.read_bytes()
    with pytest.raises(JournalForeign):
        open_journal(path, SystemClock())
    assert path.read_bytes() == before
    path.write_bytes(b"text" * 1000)
    with pytest.raises(JournalForeign):
        open_journal(path, SystemClock())


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    journal = new_journal(tmp_path)
    journal.append_field(journal.start_slide("S", WALL), field_record(1))
    journal.close()
    data = bytearray(journal.path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    journal.path.write_bytes(data)
    with pytest.raises(JournalDamaged, match="verify-log"):
        new_journal(tmp_path)


def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable):
        new_journal(tmp_path / "nowhere")


def test_the_last_believable_time_is_remembered(journal: SqliteJournal) -> None:
    journal.append_event("fault", {}, WallTime(1.0, ClockTrust.WRONG))
    journal.append_event("fault", {}, WALL)
    journal.append_event("fault", {}, WallTime(2.0, ClockTrust.WRONG))
    assert journal.last_wall() == WALL


def test_fields_cost_a_flush_each(journal: SqliteJournal) -> None:
    """synchronous=FULL in a write-ahead log: anything less could lose what was acknowledged."""
    with journal.reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
