"""What all requests share: readers of the journal, reviews that are followed, the desk, the service's ear.

Requests come in several threads. A reader of the journal is lent to one at a time; a followed review has a
lock of its own. The journal may not be there yet when the page starts: it is looked for at each request.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alledge.card import Card
from alledge.clock import SystemClock
from alledge.errors import AllscopeError, ControlRefused, PathUnusable, ServiceUnreachable
from alledge.journal import JOURNAL_NAME, SqliteJournal, open_journal
from alledge.journal.reading import JournalReader
from alledge.page.settings import PageSettings
from alledge.report.evidence import find_evidence
from alledge.review import Desk, SlideReview
from alledge.review.reading import ReviewFollower
from alledge.service.control import Order, ask
from alledge.strict_json import Json

MOST_FOLLOWED: Final = 3
"""Reviews kept in memory; one of 20,000 cells takes some 60 MiB."""

LOOK_FOR_CARD_EVERY_S: Final = 30.0
CONTROL_SOCKET: Final = "control.sock"


@dataclass(slots=True)
class _Followed:
    follower: ReviewFollower
    lock: threading.Lock = field(default_factory=threading.Lock)


class Workroom:
    """Safe between threads. Close it at the end."""

    def __init__(self, settings: PageSettings) -> None:
        self.settings = settings
        self._path = settings.data / JOURNAL_NAME
        self._lock = threading.Lock()
        self._idle: list[JournalReader] = []
        self._file: tuple[int, int] | None = None
        self._followed: OrderedDict[int, _Followed] = OrderedDict()
        self._clock = SystemClock()
        self._journal: SqliteJournal | None = None
        self._cards: dict[str, tuple[Card | None, float]] = {}

    @contextmanager
    def reader(self) -> Iterator[JournalReader]:
        """A reader for this thread. Raises PathUnusable while there is no journal."""
        reader = self._take_reader()
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        with self._lock:
            self._idle.append(reader)

    def review(self, slide_id: int) -> SlideReview:
        """A slide's review as the journal has it now. Raises SlideUnusable when there is no such slide."""
        with self.reader() as reader:
            reader.slide(slide_id)
            followed = self._follow(slide_id)
            with followed.lock:
                return followed.follower.catch_up(reader)

    def desk(self) -> Desk:
        """Where persons' words are written. Raises PathUnusable while there is no journal."""
        with self._lock:
            if not self._path.is_file():
                raise _no_journal(self._path)
            if self._journal is None:
                self._journal = open_journal(self._path, self._clock)
                earliest = self._journal.last_wall()
                if earliest is not None:
                    self._clock.note_stored(earliest)
            return Desk(self._journal, self._clock)

    def order(self, order: Order, slide: str = "") -> dict[str, Json]:
        """Ask the service. Raises ServiceUnreachable, ControlRefused."""
        return ask(self.settings.runtime / CONTROL_SOCKET, order, slide)

    def status(self) -> dict[str, Json]:
        """The state of the service; one that does not answer is told as `unreachable`."""
        try:
            status = self.order(Order.STATUS)["status"]
        except (ServiceUnreachable, ControlRefused) as error:
            return {"state": "unreachable", "what": error.what_happened, "next": error.next_step}
        if not isinstance(status, dict):
            return {"state": "starting"}
        card = self._card_in_service(status.get("model"))
        told: dict[str, Json] = {"positive_labels": [*card.positive_labels] if card else []}
        return {**status, **told, "is_phantom": _is_phantom(status.get("last_field"), card)}

    def card_of(self, slide_id: int) -> Card | None:
        """The card of the model that called a slide's cells; None where it is not at hand."""
        with self.reader() as reader:
            fields = reader.fields(slide_id, limit=1)
        model = fields[0][1].result.model if fields else None
        return self.card_named(model.sha256) if model else None

    def card_named(self, sha256: str) -> Card | None:
        """The card of the model with that SHA-256; None where it is not at hand."""
        with self._lock:
            known, looked_s = self._cards.get(sha256, (None, -math.inf))
        if known is None and time.monotonic() - looked_s > LOOK_FOR_CARD_EVERY_S:
            with self.reader() as reader:
                evidence = find_evidence(reader, self.settings.data, self.settings.models)
            known = evidence.cards.get(sha256)
            with self._lock:
                self._cards[sha256] = (known, time.monotonic())
        return known

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            for reader in self._idle:
                reader.close()
            self._idle.clear()
            if self._journal is not None:
                self._journal.close()
                self._journal = None

    def _card_in_service(self, model: Json) -> Card | None:
        """The card of the model that the service told of, as far as it is at hand."""
        sha256 = model.get("sha256") if isinstance(model, dict) else None
        try:
            return self.card_named(sha256) if isinstance(sha256, str) else None
        except AllscopeError:  # no journal yet, or a disk that refuses: the status is told nevertheless
            return None

    def _take_reader(self) -> JournalReader:
        with self._lock:
            self._notice_another_file()
            if self._idle:
                return self._idle.pop()
        return JournalReader(self._path)

    def _notice_another_file(self) -> None:
        """Let go of what belongs to a journal that was moved away."""
        try:
            status = self._path.stat()
        except OSError as error:
            raise _no_journal(self._path) from error
        now = (status.st_dev, status.st_ino)
        if now != self._file:
            for reader in self._idle:
                reader.close()
            self._idle.clear()
            self._followed.clear()
            self._file = now

    def _follow(self, slide_id: int) -> _Followed:
        with self._lock:
            followed = self._followed.setdefault(slide_id, _Followed(ReviewFollower(slide_id)))
            self._followed.move_to_end(slide_id)
            while len(self._followed) > MOST_FOLLOWED:
                self._followed.popitem(last=False)
            return followed


def _is_phantom(field: Json, card: Card | None) -> bool:
    """Whether the last field was rendered, or the model was fitted on such fields."""
    source = field.get("source") if isinstance(field, dict) else None
    return (isinstance(source, str) and source.startswith("phantom")) or (card is not None and card.phantom)


def _no_journal(path: Path) -> PathUnusable:
    return PathUnusable(f"{path.name} does not exist yet.", "Start `alledge run`; it begins a journal.")
