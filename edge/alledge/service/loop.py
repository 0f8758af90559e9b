"""The loop of the service: one step looks at the newest frame, and leaves no frame unaccounted for.

    orders -> camera -> waiting results -> newest frame -> guard -> still? -> pixel path -> slide -> journal

Everything is handed in (camera, journal, clock, pixel path), so the same loop runs on a Pi and, on a
simulated clock, through a thousand faults a minute. Control goes by the monotonic clock alone.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from alledge import __version__
from alledge.clock import Clock, WallTime
from alledge.errors import AllscopeError, ClassifierFailed, ImageUnreadable, SlideUnusable, StorageFailed
from alledge.health import UNKNOWN_HEALTH, Health
from alledge.images import encode_image
from alledge.journal import FieldRecord, Journal
from alledge.journal.projection import WITHDRAWN
from alledge.pipeline import FieldAnalysis
from alledge.reduced import Halvings
from alledge.service.camera_keeper import CameraKeeper
from alledge.service.camera_port import CameraPort
from alledge.service.control import Order, Request
from alledge.service.guard import FrameGuard
from alledge.service.ledger import DropReason, Ledger
from alledge.service.result_store import ResultStore, Write
from alledge.service.ring import Claimed
from alledge.service.room import EndlessRoom, Room
from alledge.service.slide_session import Analyst, Looked, SlideSession
from alledge.service.stillness import Stillness
from alledge.service.troubles import News, Trouble, TroubleBoard
from alledge.service.wall_watch import WallWatch
from alledge.service.watchdog import Progress, reason_to_feed
from alledge.service.window import NoView, View, Window
from alledge.slide import FieldView
from alledge.strict_json import Json
from alledge.telemetry.tally import Tally
from alledge.types import FieldResult, Frame, Verdict

BAD_FRAMES_BEFORE_RESTART: Final = 3
"""So many bad frames in a row are no accident: the camera's process is replaced."""

OVERWRITTEN: Final = Trouble(
    "frame-torn", "A frame was overwritten while it was looked at.", "Report this: it must not happen."
)
_HEALTH_EVERY_NS: Final = 5_000_000_000
_LATENCIES_KEPT: Final = 512
_EXPLAINS_SILENCE: Final = ("camera", "frames", "storage", "classifier")
"""Parts whose troubles are a reason for having no field; a wrong clock is none."""
_EXCUSES: Final = (DropReason.UNCHANGED, DropReason.PAUSED)


class Inbox(Protocol):
    """Where orders come from."""

    def take(self) -> list[Request]:
        """What was asked since the last call."""


class HealthReader(Protocol):
    """How the machine does."""

    def __call__(self) -> Health:
        """Temperature and voltage now."""


def _keep_no_view(_slide_id: int, _field_id: int, _view: FieldView) -> None:
    """Nobody wants to resume."""


def _note_nothing(_wall: WallTime) -> None:
    """No clock wants to know."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the loop works with.

    keep_view: is given (slide, field, what it was placed by) once a field is stored; may raise StorageFailed.
    note_stored: is given the wall time of what is stored, for the clock to judge later ones by.
    """

    camera: CameraPort
    keeper: CameraKeeper
    analyst: Analyst
    journal: Journal
    clock: Clock
    inbox: Inbox
    health: HealthReader = field(default=lambda: UNKNOWN_HEALTH)
    view: View = field(default_factory=NoView)
    room: Room = field(default_factory=EndlessRoom)
    keep_view: Callable[[int, int, FieldView], None] = _keep_no_view
    note_stored: Callable[[WallTime], None] = _note_nothing


@dataclass(slots=True)
class Published:
    """What may be shown: only what is durable."""

    result: FieldResult | None = None
    field_number: int = 0
    n_fields: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))


class Station:
    """The state of the service between two steps. Not for two threads at once."""

    def __init__(
        self,
        ports: Ports,
        slide: str,
        *,
        keep_pictures: bool = False,
        open_slide: Callable[[str], SlideSession] = SlideSession,
        resumed: SlideSession | None = None,
    ) -> None:
        """Begin the slide that `slide` names, or go on with one that was resumed.

        slide: also the name of the next one when somebody else ends the slide on the stage.
        """
        self._ports = ports
        self._open_slide = open_slide
        self._keep_pictures = keep_pictures
        self._guard = FrameGuard()
        self._stillness = Stillness()
        self._window = Window(ports.view)
        self.store = ResultStore(ports.journal)
        self.ledger = Ledger()
        self.troubles = TroubleBoard()
        self.published = Published()
        self.tally = Tally()
        self.is_paused = False
        self.is_between_slides = False
        self.is_stopping = False
        self._bad_in_a_row = 0
        self._generation = ports.keeper.generation
        self._health, self._health_ns = UNKNOWN_HEALTH, 0
        self.progress = Progress(started_ns=ports.clock.monotonic_ns())
        self._wall_watch = WallWatch(ports.clock)
        self._unnamed = slide
        self.slide = resumed or self._begin_slide(slide)

    def step(self, timeout_s: float) -> None:
        """Do what is due, waiting for a frame at most `timeout_s`; raises what waiting cannot mend."""
        for request in self._ports.inbox.take():
            self._obey(request)
        self._watch_clock()
        self._tend_camera()
        self._write_what_waits()
        self.troubles.set("room", self._ports.room.tend(self._now(), self._wall()), self._now())
        self._ports.camera.wait(timeout_s)
        self._look()

    @property
    def is_finished(self) -> bool:
        """Whether the camera, an archive, has no more frames."""
        return self._ports.keeper.is_finished

    def begin_next_slide(self, identifier: str) -> None:
        """Close the slide on the stage, where there is one, and open the next one."""
        if self.is_between_slides:
            self.is_paused = self.is_between_slides = False
        else:
            self._end_slide()
        self.slide = self._begin_slide(identifier)

    def end_slide(self) -> None:
        """Close the slide on the stage; nothing is looked at until the next one is begun."""
        if not self.is_between_slides:
            self._end_slide()
        self.is_paused = self.is_between_slides = True

    def stop(self) -> frozenset[int]:
        """End the camera and settle the ledger; numbers of the frames whose results could not be stored."""
        self._ports.keeper.stop()
        self.store.retry(2**63)
        lost = self.store.give_up()
        self.ledger.capture_through(self._ports.camera.captured)
        for sequence in lost:
            self.ledger.settle_dropped(sequence, DropReason.STORAGE_FULL)
        self.ledger.settle_older(self._ports.camera.captured + 1, DropReason.STOPPED)
        return lost

    def reason_to_feed(self, limit_s: float) -> str | None:
        """Why the watchdog may be fed now; see `watchdog`."""
        standing = self.troubles.code_of(*_EXPLAINS_SILENCE)
        if self.is_finished:
            standing = "camera-finished"
        told = Progress(
            self.progress.started_ns,
            self.progress.stored_ns,
            self.progress.excused_ns,
            self.progress.excuse,
            standing,
        )
        return reason_to_feed(told, self._now(), limit_s)

    def health(self) -> Health:
        """How the machine does, asked at most every five seconds."""
        now_ns = self._now()
        if now_ns - self._health_ns >= _HEALTH_EVERY_NS or self._health is UNKNOWN_HEALTH:
            self._health, self._health_ns = self._ports.health(), now_ns
        return self._health

    def _now(self) -> int:
        return self._ports.clock.monotonic_ns()

    def _obey(self, request: Request) -> None:
        if request.order is Order.NEW_SLIDE:
            self.begin_next_slide(request.slide)
        elif request.order is Order.SNAP:
            self._stillness.forget()
        elif request.order is Order.STOP:
            self.is_stopping = True
        elif request.order is Order.END_SLIDE:
            self.end_slide()
        elif request.order is Order.RESUME and self.is_between_slides:
            self.begin_next_slide(self._unnamed)
        elif request.order in (Order.PAUSE, Order.RESUME):
            self.is_paused = request.order is Order.PAUSE
        request.obeyed.set()

    def _begin_slide(self, identifier: str) -> SlideSession:
        session = self._open_slide(identifier)
        wall = self._ports.clock.wall()
        self._stillness.forget()

        def stored(number: int) -> None:
            session.number = number

        self.store.submit(Write(lambda journal: journal.start_slide(identifier, wall), stored), self._now())
        return session

    def _end_slide(self) -> None:
        session, wall = self.slide, self._ports.clock.wall()

        def end(journal: Journal) -> int:
            assert session.number is not None  # its start was written before
            journal.end_slide(session.number, wall)
            return session.number

        self.store.submit(Write(end, lambda _: self._ports.room.ask()), self._now())

    def _watch_clock(self) -> None:
        """Say when the wall clock jumps or cannot be right; nothing here goes by it."""
        self.troubles.set("clock", self._wall_watch.trouble(), self._now())

    def _tend_camera(self) -> None:
        self._settle_replaced_camera()  # by the guard, within the step before
        now_ns = self._now()
        self.troubles.set("camera", self._ports.keeper.tend(now_ns), now_ns)
        self._settle_replaced_camera()

    def _settle_replaced_camera(self) -> None:
        """What a dead process had captured and nobody took will not be taken any more."""
        if self._ports.keeper.generation == self._generation:
            return
        self._generation = self._ports.keeper.generation
        captured = self._ports.camera.captured
        self.ledger.capture_through(captured)
        self.ledger.settle_older(captured + 1, DropReason.CAMERA_RESTART, self.store.waiting)
        self._bad_in_a_row = 0

    def _write_what_waits(self) -> None:
        now_ns = self._now()
        self.store.retry(now_ns)
        self.troubles.set("storage", self.store.trouble, now_ns)
        if self.store.trouble is None:
            for news in self.troubles.take_news():
                self._write_news(news)

    def _write_news(self, news: News) -> None:
        wall = self._ports.clock.wall()
        body = {
            "code": news.trouble.code,
            "what": news.trouble.what,
            "state": "began" if news.began else "ended",
        }
        kind = "trouble"
        self.store.submit(
            Write(lambda journal: journal.append_event(kind, body, wall), lambda _: None), self._now()
        )

    def _look(self) -> None:
        """Settle the newest frame, and all that it supersedes."""
        claimed = self._ports.camera.take()
        self.ledger.capture_through(self._ports.camera.captured)
        if claimed is None:
            return
        try:
            self.ledger.settle_older(claimed.sequence, DropReason.SUPERSEDED, self.store.waiting)
            seen = Halvings(claimed.frame.pixels)
            reason = self._reason_against(claimed, seen) or self._analyse(claimed, seen)
            if reason is not None:
                self.ledger.settle_dropped(claimed.sequence, reason)
                if reason in _EXCUSES:
                    self.progress = Progress(
                        self.progress.started_ns, self.progress.stored_ns, self._now(), reason.value
                    )
            self._show(claimed, seen, reason)
        finally:
            self._ports.camera.release()

    def _show(self, claimed: Claimed, seen: Halvings, reason: DropReason | None) -> None:
        """Let whoever looks see the frame, and what became of it."""
        now_ns = self._now()
        exposed_ns = claimed.frame.sensor_timestamp_ns or claimed.asked_ns
        about: dict[str, Json] = {
            "sensor_age_ms": round((now_ns - exposed_ns) / 1e6, 1),
            "is_stored": reason is None and claimed.sequence not in self.store.waiting,
        }
        what = self.troubles.what_of("frames", "classifier", "field")
        if what:
            about["what"] = what
        self.troubles.set("view", self._window.show(claimed.sequence, seen, reason, about), now_ns)

    def _reason_against(self, claimed: Claimed, seen: Halvings) -> DropReason | None:
        """Why a frame is not looked at, cheapest question first."""
        now_ns = self._now()
        objection = self._guard.object_to(claimed, now_ns)
        self.troubles.set("frames", objection.trouble if objection else None, now_ns)
        if objection is not None:
            self._bad_in_a_row += 1
            if self._bad_in_a_row >= BAD_FRAMES_BEFORE_RESTART:
                self._ports.keeper.replace(objection.trouble, now_ns)
                self.troubles.set("camera", objection.trouble, now_ns)
            return objection.reason
        self._bad_in_a_row = 0
        self._ports.keeper.good_frame()
        if self.is_paused:
            return DropReason.PAUSED
        if self.store.is_full:
            return DropReason.STORAGE_FULL
        return DropReason.UNCHANGED if self._stillness.is_unchanged(seen) else None

    def _analyse(self, claimed: Claimed, seen: Halvings) -> DropReason | None:
        """Look at a field and hand its result to the store; gives why there is none."""
        try:
            analysis = self._ports.analyst.analyse(claimed.frame, seen)
        except ClassifierFailed as error:
            self._mend_classifier(error)
            return DropReason.CLASSIFIER_FAILED
        except ImageUnreadable as error:
            self.troubles.set("field", Trouble.of(error), self._now())
            return DropReason.ANALYSIS_FAILED
        if not self._ports.camera.is_intact(claimed):
            self.troubles.set("frames", OVERWRITTEN, self._now())
            return DropReason.TORN
        self._stillness.keep(seen)
        self._window.found(analysis.result, seen)
        self.troubles.set("classifier", None, self._now())
        self.troubles.set("field", _field_trouble(analysis.result), self._now())
        self._store(claimed, seen, analysis)
        return None

    def _mend_classifier(self, error: ClassifierFailed) -> None:
        self.troubles.set("classifier", Trouble.of(error), self._now())
        try:
            self._ports.analyst.mend()
        except AllscopeError as worse:
            self.troubles.set("classifier", Trouble.of(worse), self._now())

    def _store(self, claimed: Claimed, seen: Halvings, analysis: FieldAnalysis) -> None:
        session, frame, result = self.slide, claimed.frame, analysis.result
        looked = session.look(seen, analysis)
        record = self._record(looked, claimed, analysis)
        taken_ns = frame.sensor_timestamp_ns or claimed.asked_ns

        def write(journal: Journal) -> int:
            assert session.number is not None  # its start was written before
            return journal.append_field(session.number, record)

        def stored(number: int) -> None:
            now_ns = self._now()
            self.ledger.settle_analysed(claimed.sequence, refused=result.quality.verdict is not Verdict.OK)
            self.published.result, self.published.field_number = result, number
            self.published.n_fields += 1
            self.published.latencies_ms.append((now_ns - taken_ns) / 1e6)
            self.tally.stored(result, record.cells, analysis.illumination, (now_ns - taken_ns) / 1e9)
            self.progress = Progress(self.progress.started_ns, now_ns)
            self._ports.note_stored(record.wall)
            self._keep_view(session, number, looked.view)

        def refused(error: SlideUnusable) -> None:
            self.ledger.settle_dropped(claimed.sequence, DropReason.SLIDE_ENDED)
            if session is self.slide and not self.is_between_slides:
                self.troubles.set("slide", Trouble.of(error), self._now())
                self.slide = self._begin_slide(self._unnamed)

        self.store.submit(Write(write, stored, claimed.sequence, refused), self._now())
        self._withdraw(session, record.wall)
        self.troubles.set("storage", self.store.trouble, self._now())

    def _withdraw(self, session: SlideSession, wall: WallTime) -> None:
        """Write down which cells turned out to be others: two regions of the slide have met."""
        pairs = session.take_withdrawn()
        if not pairs:
            return

        def write(journal: Journal) -> int:
            cells: list[Json] = [[cell, stays] for cell, stays in pairs.items()]
            return journal.append_event(WITHDRAWN, {"slide_id": session.number, "cells": cells}, wall)

        self.store.submit(Write(write, lambda _: None), self._now())

    def _keep_view(self, session: SlideSession, field_id: int, view: FieldView | None) -> None:
        """Keep what a field was placed by, for a service that is killed."""
        if view is None or session.number is None:
            return
        try:
            self._ports.keep_view(session.number, field_id, view)
        except StorageFailed as error:
            self.troubles.set("views", Trouble.of(error), self._now())
        else:
            self.troubles.set("views", None, self._now())
        self.troubles.set("slide", None, self._now())

    def _record(self, looked: Looked, claimed: Claimed, analysis: FieldAnalysis) -> FieldRecord:
        frame = claimed.frame
        calibration = self._ports.analyst.calibration
        return FieldRecord(
            result=analysis.result,
            sequence=claimed.sequence,
            sensor_timestamp_ns=frame.sensor_timestamp_ns or claimed.asked_ns,
            wall=self._wall(),
            placement=looked.placement,
            cells=looked.cells,
            calibration_sha256=calibration.sha256 if calibration else None,
            software_version=__version__,
            health=self.health(),
            picture_jpeg=self._picture(frame),
        )

    def _wall(self) -> WallTime:
        return self._ports.clock.wall()

    def _picture(self, frame: Frame) -> bytes | None:
        return encode_image(frame.pixels, ".jpg") if self._keep_pictures else None


def _field_trouble(result: FieldResult) -> Trouble | None:
    """The trouble of a field that cannot be judged."""
    verdict = result.quality.verdict
    if verdict is Verdict.OK:
        return None
    code = "field-" + verdict.value.replace(" ", "-")
    return Trouble(code, f"The field is not judged: {verdict.value}.", result.quality.advice)
