"""A service that stores fields, killed: what it had acknowledged must be there, whole, without repair.

Run as `python -m tests.system.crash.journal WAY FOLDER N`, so that children are forked from a process with
one thread. WAY is how it dies:

    calls    SIGKILL at every entry into and exit from the kernel (every N-th of them)
    random   SIGKILL at N random instants
    power    the machine loses its power after a write: what was not flushed is lost, kept, or torn (N draws)
    flush    a flush is refused (one, or two in a row) and the power goes later (every N-th write after it)
    errors   it lives, but the disk refuses its n-th write, for every N-th n, once or for a while

Prints how often that was; ends in an assertion when anything was lost, torn or repaired.
"""

import errno
import json
import os
import random
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from alledge.clock import SystemClock
from alledge.errors import JournalUnavailable
from alledge.journal import FieldRecord, SqliteJournal, decode_patch, open_journal, store
from alledge.journal.reading import JournalReader
from alledge.journal.verification import verify_journal
from tests.edge.journal.made import WALL, field_record
from tests.system.crash.disk import Disk, Flush
from tests.system.crash.tracing import answer, fork_traced, reap, refuse, stops

N_FIELDS = 3
store.CHECKPOINT_PAGES = 8  # type: ignore[misc] # the log is copied into the database within a few fields
REFUSABLE = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate")
ACK = struct.Struct("=qq")
JOURNAL = "journal.sqlite3"
RECORDS = [field_record(sequence, 2, bytes(range(256)) * 8) for sequence in range(64)]


def store_fields(path: Path, acknowledge: Callable[[int, int], None], n_fields: int) -> None:
    """What the service does: open, go on with the open slide or begin one, store, close."""
    journal = open_journal(path, SystemClock())
    slide_id = open_slide(journal)
    for sequence in range(n_fields):
        acknowledge(journal.append_field(slide_id, RECORDS[sequence % len(RECORDS)]), sequence)
    journal.append_event("fault", {"code": "camera-stale"}, WALL)
    journal.end_slide(slide_id, WALL)
    journal.close()


def open_slide(journal: SqliteJournal) -> int:
    with journal.reading() as connection:
        row = connection.execute("SELECT max(slide_id) FROM slides WHERE ended_by IS NULL").fetchone()
    return int(row[0]) if row[0] is not None else journal.start_slide("S", WALL)


def check(path: Path, acknowledged: list[tuple[int, int]]) -> None:
    """Everything acknowledged is there to the bit; the chain holds; the next service just goes on."""
    journal = open_journal(path, SystemClock())
    found = verify_journal(path)
    assert found.broken is None, found.broken
    with JournalReader(path) as reader:
        for field_id, sequence in acknowledged:
            assert_stored(reader, field_id, RECORDS[sequence % len(RECORDS)])
    journal.append_field(open_slide(journal), RECORDS[0])
    journal.close()


def assert_stored(reader: JournalReader, field_id: int, record: FieldRecord) -> None:
    (event,) = reader.events(after=field_id - 1, limit=1, kind="field")
    assert event.number == field_id, f"field {field_id} was acknowledged and is lost"
    body = event.fields()
    ((_, stored),) = reader.fields(int(str(body["slide_id"])), after=field_id - 1, limit=1)
    assert stored.result == record.result
    assert stored.sequence == record.sequence
    assert reader.picture(field_id) == record.picture_jpeg
    for position, cell in enumerate(record.cells):
        assert np.array_equal(decode_patch(reader.picture(field_id, position) or b""), cell.patch)


def read_acks(pipe: int) -> list[tuple[int, int]]:
    data = b""
    while part := os.read(pipe, 1 << 16):
        data += part
    return [
        (field, sequence) for field, sequence in ACK.iter_unpack(data[: len(data) // ACK.size * ACK.size])
    ]


def killed_at_calls(folder: Path, every: int) -> Iterator[int]:
    """One child for each stop: the n-th dies at its n-th."""
    at, is_through = every - 1, False
    while not is_through:
        path = fresh(folder, at)
        acks, is_through = run_until(path, at)
        check(path, acks)
        remove(path)
        yield at
        at += every


def run_until(path: Path, at: int) -> tuple[list[tuple[int, int]], bool]:
    """(what a child acknowledged that is killed at stop `at`, whether it ended before)."""
    read_end, write_end = os.pipe()
    pid = fork_traced(lambda: store_fields(path, lambda *ack: ack_to(write_end, *ack), N_FIELDS))
    os.close(write_end)
    is_through = True
    for number, _ in enumerate(stops(pid)):
        if number == at:
            is_through = False
            break
    reap(pid)
    acks = read_acks(read_end)
    os.close(read_end)
    assert not is_through or len(acks) == N_FIELDS, "the child failed by itself"
    return acks, is_through


def ack_to(pipe: int, field_id: int, sequence: int) -> None:
    os.write(pipe, ACK.pack(field_id, sequence))


def killed_at_random(folder: Path, n_kills: int) -> Iterator[int]:
    """One journal lives through several deaths in a row, as a device on a bad plug does."""
    random_source = random.Random(5)
    acknowledged: list[tuple[int, int]] = []
    path = fresh(folder, 0)
    for kill in range(n_kills):
        if kill % 25 == 0:
            remove(path)
            path, acknowledged = fresh(folder, kill), []
        acknowledged += killed_after(path, random_source.expovariate(1 / 0.03))
        check(path, acknowledged[-40:] if kill % 25 else acknowledged)
        yield kill


def killed_after(path: Path, seconds: float) -> list[tuple[int, int]]:
    """What a child acknowledged that stores fields until it is killed."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            store_fields(path, lambda *ack: ack_to(write_end, *ack), 10**6)
        finally:
            os._exit(1)
    os.close(write_end)
    time.sleep(seconds)
    reap(pid)
    acks = read_acks(read_end)
    os.close(read_end)
    return acks


def without_power(folder: Path, n_draws: int) -> Iterator[int]:
    """Record one child's writes, then rebuild what a disk may hold after each of them."""
    recorded = fresh(folder, 0)
    disk = Disk(recorded.parent)
    read_end, write_end = os.pipe()
    pipe = str(Path(f"/proc/self/fd/{write_end}").readlink())
    pid = fork_traced(lambda: store_fields(recorded, lambda *ack: ack_to(write_end, *ack), N_FIELDS))
    os.close(write_end)
    acked_at: list[int] = []
    for call in stops(pid):
        if call is not None and call.name == "write" and call.path() == pipe:
            acked_at.append(len(disk.operations))
        elif call is not None:
            disk.see(call)
    acks = read_acks(read_end)
    os.close(read_end)
    assert len(acks) == N_FIELDS == len(acked_at)
    random_source = random.Random(7)
    for n_done in range(len(disk.operations) + 1):
        for draw in range(n_draws):
            path = fresh(folder, 1 + n_done * n_draws + draw)
            disk.rebuild(path.parent, n_done, random_source)
            check(path, [ack for ack, at in zip(acks, acked_at, strict=True) if at <= n_done])
            remove(path)
            yield n_done


def fresh(folder: Path, number: int) -> Path:
    path = folder / str(number) / JOURNAL
    path.parent.mkdir()
    return path


def remove(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()


def flush_refused_then_power(folder: Path, every: int) -> Iterator[int]:
    """One child for each flush, alone or with the next; then the disks that may be left by a cut later on."""
    random_source = random.Random(9)
    at, is_through = 0, False
    while not is_through:
        for n_refused in (1, 2):
            path = fresh(folder, 0)
            disk, acks, is_through = run_with_flush_refused(path, range(at, at + n_refused))
            remove(path)
            first = next(
                (n for n, o in enumerate(disk.operations) if isinstance(o, Flush) and o.is_refused), None
            )
            for n_done in range(
                len(disk.operations) if first is None else first, len(disk.operations) + 1, every
            ):
                path = fresh(folder, 1)
                disk.rebuild(path.parent, n_done, random_source)
                check(path, [ack for ack, acked_at in acks if acked_at <= n_done])
                remove(path)
                yield n_done
        at += 1


def run_with_flush_refused(
    path: Path, refused: range
) -> tuple[Disk, list[tuple[tuple[int, int], int]], bool]:
    """(its operations, acknowledgements and when they came, whether it ended before the first refusal)."""
    disk = Disk(path.parent)
    read_end, write_end = os.pipe()
    pipe = str(Path(f"/proc/self/fd/{write_end}").readlink())
    pid = fork_traced(lambda: store_patiently(path, lambda *ack: ack_to(write_end, *ack)))
    os.close(write_end)
    acked_at: list[int] = []
    n_flushes, is_pending = 0, False
    for call in stops(pid):
        if call is None:
            if is_pending:
                answer(pid, errno.EIO)
            is_pending = False
        elif call.name == "write" and call.path() == pipe:
            acked_at.append(len(disk.operations))
        else:
            is_flush = call.name in ("fsync", "fdatasync") and Path(call.path()).parent == path.parent
            is_pending = is_flush and n_flushes in refused
            if is_pending:
                refuse(call)
            n_flushes += is_flush
            disk.see(call, is_refused=is_pending)
    acks = read_acks(read_end)
    os.close(read_end)
    assert len(acks) == N_FIELDS == len(acked_at)
    return disk, list(zip(acks, acked_at, strict=True)), n_flushes <= refused.start


def refused_by_the_disk(folder: Path, every: int) -> Iterator[int]:
    """One child for each write: its n-th is refused, alone or with the next ones; then all is well again."""
    at, is_through = every - 1, False
    while not is_through:
        for error, n_refused in ((errno.EIO, 1), (errno.ENOSPC, 12), (errno.EROFS, 40)):
            path = fresh(folder, at)
            is_through = run_refused(path, range(at, at + n_refused), error)
            assert_each_stored_once(path)
            check(path, [])
            remove(path)
            yield at
        at += every


def run_refused(path: Path, refused: range, error: int) -> bool:
    """Let a child store with some of its writes refused; whether it ended before the first of them."""
    pid = fork_traced(lambda: store_patiently(path))
    n_writes, is_pending = 0, False
    for call in stops(pid):
        if call is None:
            if is_pending:
                answer(pid, error)
            is_pending = False
        elif call.name in REFUSABLE and Path(call.path()).parent == path.parent:
            is_pending = n_writes in refused
            if is_pending:
                refuse(call)
            n_writes += 1
    return n_writes <= refused.start


def store_patiently(path: Path, acknowledge: Callable[[int, int], None] = lambda *_: None) -> None:
    """Store every field, again and again while the journal says that it is unavailable."""
    slide_id = 0
    journal = SqliteJournal(path, SystemClock())
    steps: list[Callable[[], object]] = [lambda: journal.start_slide("S", WALL)]
    steps += [lambda n=n: journal.append_field(slide_id, RECORDS[n]) for n in range(N_FIELDS)]  # type: ignore[misc]
    for number, step in enumerate(steps):
        done = patiently(step)
        if number == 0:
            slide_id = int(str(done))
        else:
            acknowledge(int(str(done)), number - 1)
    journal.close()


def patiently(step: Callable[[], object]) -> object:
    for _ in range(50):
        try:
            return step()
        except JournalUnavailable:
            continue
    raise AssertionError("the journal does not recover")


def assert_each_stored_once(path: Path) -> None:
    with JournalReader(path) as reader:
        (slide,) = reader.slides()
        sequences = [field.sequence for _, field in reader.all_fields(slide.slide_id)]
        for (field_id, _), record in zip(reader.all_fields(slide.slide_id), RECORDS, strict=False):
            assert_stored(reader, field_id, record)
    assert sequences == list(range(N_FIELDS)), sequences


WAYS = {
    "calls": killed_at_calls,
    "flush": flush_refused_then_power,
    "random": killed_at_random,
    "power": without_power,
    "errors": refused_by_the_disk,
}

if __name__ == "__main__":
    way, folder, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    deaths = sum(1 for _ in WAYS[way](folder, n))
    sys.stdout.write(json.dumps({"deaths": deaths}) + "\n")
