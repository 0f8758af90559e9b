"""`alledge publish`: what the journal holds after the cursor goes to the broker, and the cursor follows.

    journal after the cursor --message_of--> broker --PUBACK--> cursor, flushed

A process of its own, that only reads the journal: a network that hangs cannot reach what counts cells. Killed
anywhere, it sends again what was sent and not yet noted; a subscriber drops what has an id that it knows.
"""

import contextlib
import fcntl
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alledge.errors import (
    AlreadyRunning,
    JournalDamaged,
    JournalUnavailable,
    PathUnusable,
    StorageFailed,
)
from alledge.journal import JOURNAL_NAME, Event
from alledge.journal.projection import ROWS_MISSING
from alledge.journal.reading import JournalReader
from alledge.strict_json import Json
from alledge.telemetry.broker import Broker, BrokerUnavailable
from alledge.telemetry.cursor import Cursor, read_cursor, sweep, write_cursor
from alledge.telemetry.messages import Message, message_of

BATCH: Final = 64
"""Messages under way at most; some 60 kB."""

LOOK_EVERY_S: Final = 0.5
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0
_PASSES: Final = (BrokerUnavailable, JournalUnavailable, JournalDamaged, PathUnusable, StorageFailed)
"""What waiting may mend; a damaged journal is set aside by the service, and another begun."""


@dataclass(slots=True)
class BackOff:
    """Pauses that double to a minute, each by chance between half and all of it.

    So forty devices do not knock at once when their broker is back.
    """

    chance: Callable[[], float] = random.random
    n_failures: int = 0

    def failed(self) -> float:
        """Seconds to wait after one more failure."""
        longest_s = min(_FIRST_PAUSE_S * 2.0 ** min(self.n_failures, 16), _LONGEST_PAUSE_S)
        self.n_failures += 1
        return longest_s * (0.5 + 0.5 * self.chance())

    def succeeded(self) -> None:
        """Begin anew."""
        self.n_failures = 0


@dataclass(slots=True)
class Outbox:
    """What one data folder still has to tell."""

    data: Path
    device: str
    broker: Broker
    batch: int = BATCH
    _slide_names: dict[tuple[str, int], str] = field(default_factory=dict)
    _taken: Cursor | None = None  # a disk that cannot keep it must not make one and the same go out for ever

    def send_some(self) -> int:
        """Send what is due, at most a batch; how many messages were taken.

        Raises BrokerUnavailable, JournalUnavailable, JournalDamaged, PathUnusable (no journal yet),
        StorageFailed: waiting may help, nothing is lost. JournalForeign, JournalTooNew: it cannot.
        """
        with JournalReader(self.data / JOURNAL_NAME) as reader:
            journal_id = _journal_id(reader)
            cursor = _where_to_go_on(reader, self._taken or read_cursor(self.data), journal_id)
            events = reader.events(after=cursor.number, limit=self.batch)
            messages = [self._message(reader, event, journal_id) for event in events]
        if messages:
            self._deliver(messages, journal_id)
        return len(messages)

    def _deliver(self, messages: Sequence[Message], journal_id: str) -> None:
        """Send; whatever was taken of them is noted, also when the rest was not."""
        n_taken = 0

        def acknowledged(n: int) -> None:
            nonlocal n_taken
            n_taken = n

        try:
            self.broker.deliver(messages, acknowledged)
        finally:
            if n_taken:
                last = messages[n_taken - 1]
                self._taken = Cursor(journal_id, last.number, last.hash)
                write_cursor(self.data, self._taken)

    def _message(self, reader: JournalReader, event: Event, journal_id: str) -> Message:
        def slide_name(slide_id: int) -> str:
            known = self._slide_names.get((journal_id, slide_id))
            if known is None:
                started = reader.events(after=slide_id - 1, limit=1)
                known = str(_field(started[0], "identifier") or "") if started else ""
                self._slide_names = {(journal_id, slide_id): known}  # the one on the stage is enough
            return known

        return message_of(event, self.device, journal_id, slide_name)


def publish(
    outbox: Outbox,
    is_stopped: Callable[[], bool],
    tell: Callable[[str], None],
    back_off: BackOff | None = None,
) -> None:
    """Send until stopped; troubles that pass are told and waited for.

    Raises AlreadyRunning when another process publishes from the data folder.
    """
    pauses = back_off or BackOff()
    with _only_one(outbox.data), contextlib.closing(outbox.broker):
        sweep(outbox.data)
        told = ""
        while not is_stopped():
            try:
                if outbox.send_some() == 0:
                    outbox.broker.idle(LOOK_EVERY_S)
                pauses.succeeded()
                what = "publishing"
            except _PASSES as error:
                what = f"{error.code}: {error}"
                _wait(pauses.failed(), is_stopped)
            if what != told:
                told = what
                tell(what)


def _wait(seconds: float, is_stopped: Callable[[], bool]) -> None:
    end_s = time.monotonic() + seconds
    while not is_stopped() and (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(left_s, 0.2))


def _journal_id(reader: JournalReader) -> str:
    """What the journal calls itself. Raises JournalDamaged when it does not."""
    events = reader.events(limit=1)
    name = _field(events[0], "journal_id") if events else None
    if not isinstance(name, str):
        raise JournalDamaged(f"{reader.path} does not say who it is.", "See `alledge verify-log`.")
    return name


def _where_to_go_on(reader: JournalReader, cursor: Cursor | None, journal_id: str) -> Cursor:
    """The cursor, or one further back where the journal is another one or lost what was published.

    Numbers that a medium lost are given again to other events; those must be sent though the numbers were.
    """
    start = Cursor.start(journal_id)
    if cursor is None or cursor.journal_id != journal_id:
        return start
    if cursor.number == 0:
        return start
    last = reader.events(after=cursor.number - 1, limit=1)
    if last and last[0].number == cursor.number and last[0].hash == cursor.hash:
        return cursor
    gaps = [_field(event, "found_count") for event in reader.events(kind=ROWS_MISSING)]
    kept = [count for count in gaps if isinstance(count, int) and count < cursor.number]
    return Cursor(journal_id, min(kept), "") if kept else start


def _field(event: Event, name: str) -> Json:
    """One field of an event's body; None where it has none, or no body that can be read."""
    try:
        return event.fields().get(name)
    except (ValueError, TypeError, RecursionError):
        return None


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the right to publish; two would each move the other's cursor."""
    handle = os.open(data / ".publishing", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise AlreadyRunning(f"Another `alledge publish` works in {data}.", "Stop it.") from error
    try:
        yield
    finally:
        os.close(handle)
