"""`alledge run` put together: settings, model and its self-test, journal, camera; then the loop to the end.

Stopping is quick whatever hangs: everything acknowledged is durable already, so half a second after SIGTERM
the process ends with or without the loop's consent.
"""

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Final

from alledge.calibration import CALIBRATION_FILE, Calibration, load_calibration
from alledge.cameras.device_spec import locked_spec
from alledge.classifier import open_classifier
from alledge.clock import SystemClock
from alledge.durable import make_folder
from alledge.errors import AlreadyRunning, JournalDamaged, JournalUnavailable, PathUnusable, StorageFailed
from alledge.health import read_health
from alledge.journal import SqliteJournal
from alledge.model_file import ModelFile, read_model
from alledge.models.serving import Probation, begin_service
from alledge.pipeline import FieldAnalysis, FieldModel, analyse_with_evidence
from alledge.reduced import Halvings
from alledge.service.camera_keeper import CameraKeeper
from alledge.service.camera_process import CameraProcess, limits_for
from alledge.service.config import Config, keep_good_copy
from alledge.service.control import ControlSocket
from alledge.service.grounds import grounds_note
from alledge.service.ledger import LedgerState
from alledge.service.live_view import LIVE_VIEW_FILE, LiveViewWriter
from alledge.service.loop import Ports, Station
from alledge.service.result_store import Write
from alledge.service.resuming import Found, open_and_resume, set_aside_if_damaged
from alledge.service.room import QuotaRoom
from alledge.service.sentinel import SentinelClassifier, self_test
from alledge.service.slide_session import Analyst
from alledge.service.slide_views import SlideViews
from alledge.service.status import status_of, write_status
from alledge.service.troubles import Trouble
from alledge.service.watchdog import Notifier, notifier_from, watchdog_interval_s
from alledge.strict_json import Json
from alledge.telemetry.reporting import MetricsReporter
from alledge.types import Frame

STOP_WITHIN_S: Final = 0.5
STOPPED_HARD: Final = 0
"""Exit status when something hung at the end: the stop was asked for, and nothing acknowledged is lost."""

_STEP_S: Final = 0.1  # the loop looks about at least so often, frame or not
_STATUS_EVERY_NS: Final = 500_000_000
_DEFAULT_WATCHDOG_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run of the service ended: its ledger, and how many results the disk never took."""

    ledger: LedgerState
    n_lost: int


def run_service(
    config: Config,
    config_trouble: Trouble | None = None,
    config_file: Path | None = None,
    tell: Callable[[str], None] | None = None,
    slide: str | None = None,
) -> RunReport:
    """Serve until SIGTERM, SIGINT or a `stop` order.

    Args:
        config: the settings in force.
        config_trouble: why they are not those of the file; None when they are.
        config_file: the file, of which a good copy is kept in the data folder; None keeps none.
        tell: is given a line for the log now and then.
        slide: name of the slide that lies on the stage, where a person said so: an open slide of another
            name is ended. Without one an open slide goes on, else one with the settings' name is begun.

    Raises:
        AlreadyRunning: another service works in the data folder.
        PathUnusable, ModelUnreadable, ModelDamaged, ...: the model cannot be used.
        SelfTestFailed: the model answers otherwise on this machine than where it was made.
        TrialFailed: a new installed model failed fields; the last good one serves from the next start on.
        JournalForeign, JournalTooNew: the journal is not one that can be added to.
        JournalDamaged: the journal broke while it was in use; it was set aside for the next start.
    """
    data, runtime = Path(config.data), Path(config.runtime)
    make_folder(data)
    make_folder(runtime)
    with _only_one(data), _Stop() as stop:
        if config_trouble is None and config_file is not None:
            config_trouble = keep_good_copy(config_file, data)
        say = tell or _say_nothing
        probation = begin_service(data, config.model)
        analyst, model = probation.open(lambda path: open_analyst(replace(config, model=str(path)), data))
        say(f"self-test passed: {len(model.golden.patches)} golden vectors of {model.name}")
        with contextlib.ExitStack() as held:
            clock = SystemClock()
            views = SlideViews(data)
            held.callback(views.close)
            found = _open_patiently(lambda: open_and_resume(data, clock, views, slide), stop, say)
            journal = found.journal
            held.callback(journal.close)
            board = _Board()
            ports = _open_ports(held, config, analyst, journal, views, clock, board)
            station = Station(
                ports, slide or config.slide, keep_pictures=config.keep_pictures, resumed=found.session
            )
            note = grounds_note(journal.path, model, analyst.calibration, clock.wall())
            station.store.submit(Write(note, lambda _: None), clock.monotonic_ns())
            for part, trouble in (("config", config_trouble), *found.troubles):
                station.troubles.set(part, trouble, clock.monotonic_ns())
            metrics = MetricsReporter(
                station, model.identity, model.card, journal.path, runtime, clock.monotonic_ns
            )
            status = runtime / "status.json"
            server = _Server(station, board, status, config, model, clock, metrics, probation)
            try:
                server.serve(stop, say)
            except JournalDamaged as error:
                journal.close()
                set_aside_if_damaged(data, error, say)
                raise
            lost = station.stop()
            probation.stopped()
            server.publish()
        return RunReport(station.ledger.state(), len(lost))


def _open_ports(
    held: contextlib.ExitStack,
    config: Config,
    analyst: Analyst,
    journal: SqliteJournal,
    views: SlideViews,
    clock: SystemClock,
    board: "_Board",
) -> Ports:
    """Camera, control, live view and the rest that the station works with; `held` closes them."""
    runtime = Path(config.runtime)
    spec = camera_spec(config.camera, analyst.calibration)
    camera = CameraProcess(spec, least_interval_s=1.0 / config.frames_per_s)
    held.callback(camera.close)
    keeper = CameraKeeper(camera, limits_for(spec, config.open_s, config.capture_s))
    control = ControlSocket(runtime / "control.sock", lambda: board.status)
    held.callback(control.close)
    view = LiveViewWriter(runtime / LIVE_VIEW_FILE)
    held.callback(view.close)
    room = QuotaRoom(journal, round(config.journal_limit_gb * 1e9))
    return Ports(
        camera, keeper, analyst, journal, clock, control, read_health, view, room, views.append,
        clock.note_stored,
    )  # fmt: skip


def open_analyst(config: Config, data: Path) -> tuple[Analyst, ModelFile]:
    """The pixel path with a model that has proven itself. Raises as `run_service` does."""
    path = Path(config.model)
    model = read_model(path)
    calibration = _calibration(data)
    holder: list[FieldModel] = []

    def build() -> None:
        fresh = read_model(path)
        classifier = open_classifier(fresh)
        self_test(classifier, fresh.golden, fresh.card)
        holder[:] = [FieldModel(SentinelClassifier(classifier, fresh.golden), fresh.card)]

    def analyse(frame: Frame, seen: Halvings) -> FieldAnalysis:
        return analyse_with_evidence(frame, holder[0], config.pixel_um or None, calibration, seen)

    build()
    return Analyst(analyse, build, model.card, calibration), model


def camera_spec(spec: str, calibration: Calibration | None) -> str:
    """The SPEC with the settings that the calibration holds for; each frame is held to them again later."""
    if calibration is None:
        return spec
    light = calibration.illumination
    return locked_spec(spec, calibration.controls, (light.width, light.height))


class _Board:
    """The last snapshot of the status, replaced whole: the control thread reads it."""

    def __init__(self) -> None:
        self.status: dict[str, Json] = {}


@dataclass(slots=True)
class _Server:
    """Steps the station, and tells status and watchdog."""

    station: Station
    board: _Board
    status_file: Path
    config: Config
    model: ModelFile
    clock: SystemClock
    metrics: MetricsReporter
    probation: Probation
    _published_ns: int = 0
    _told: frozenset[str] = frozenset()

    def serve(self, stop: "_Stop", say: Callable[[str], None]) -> None:
        with contextlib.closing(notifier_from(os.environ)) as notifier:
            self._serve(stop, say, notifier)
        stop.begin()

    def _serve(self, stop: "_Stop", say: Callable[[str], None], notifier: Notifier) -> None:
        limit_s = watchdog_interval_s(os.environ) or _DEFAULT_WATCHDOG_S
        notifier.tell("READY=1", "STATUS=Waiting for the first field.")
        told = ""
        while not (stop.is_asked or self.station.is_stopping):
            self.station.step(_STEP_S)
            reason = self.station.reason_to_feed(limit_s)
            if reason is not None:
                notifier.tell("WATCHDOG=1")
            if (reason or "no reason known") != told:
                told = reason or "no reason known"
                notifier.tell(f"STATUS={told}")
                say(told)
            self._tell_troubles(say)
            if self.clock.monotonic_ns() - self._published_ns > _STATUS_EVERY_NS:
                self.publish()
                self.probation.tend(self._published_ns, self.station.ledger.state())
        notifier.tell("STOPPING=1")

    def _tell_troubles(self, say: Callable[[str], None]) -> None:
        """A line for each trouble that begins; those of a field come and go with the hand on the stage."""
        active = {
            trouble.code: trouble
            for trouble, _ in self.station.troubles.active
            if not trouble.code.startswith("field-")
        }
        for code in active.keys() - self._told:
            say(f"trouble[{code}]: {active[code].what} {active[code].next_step}")
        self._told = frozenset(active)

    def publish(self) -> None:
        """Show the state of the service; a status file that cannot be written is a trouble, not an end."""
        self._published_ns = self.clock.monotonic_ns()
        card, identity = self.model.card, self.model.identity
        self.board.status = status_of(self.station, identity, card, self.config.target_cells, self.clock)
        try:
            write_status(self.board.status, self.status_file)
        except StorageFailed as error:
            self.station.troubles.set("status", Trouble.of(error), self._published_ns)
        else:
            self.station.troubles.set("status", None, self._published_ns)
        self.metrics.tend()


class _Stop:
    """SIGTERM and SIGINT ask the loop to end; a timer ends the process when the loop does not.

    Python calls a handler only between two steps of the main thread, and never while that waits for a disk.
    So a thread of its own hears of the signal, through the descriptor that the C handler writes to.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._timer: threading.Timer | None = None
        self._only_one = threading.Lock()
        self._before: dict[int, object] = {}
        self._heard, self._told = -1, -1

    def __enter__(self) -> "_Stop":
        self._heard, self._told = os.pipe()
        os.set_blocking(self._told, False)
        signal.set_wakeup_fd(self._told)
        threading.Thread(target=self._listen, name="stop", daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave
        signal.set_wakeup_fd(-1)
        os.close(self._told)  # which ends the thread

    def begin(self) -> None:
        """Start the clock on the end, when it was not a signal that asked."""
        self.is_asked = True
        with self._only_one:
            if self._timer is None:
                self._timer = threading.Timer(STOP_WITHIN_S - 0.05, _end_hard)
                self._timer.daemon = True
                self._timer.start()

    def _listen(self) -> None:
        """Begin the end at the first signal that is ours."""
        while number := os.read(self._heard, 1):
            if number[0] in (signal.SIGTERM, signal.SIGINT):
                self.begin()
        os.close(self._heard)

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        """The thread has heard it; a handler must be there for the C one to tell."""


def _say_nothing(_line: str) -> None:
    """Nobody asked for a log."""


def _end_hard() -> None:
    sys.stderr.write("stopped hard: something hung; all that was acknowledged is stored\n")
    sys.stderr.flush()
    os._exit(STOPPED_HARD)  # the kernel kills the camera's process with us


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data folder: two services on one journal and one camera would fight."""
    try:
        handle = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise PathUnusable(f"{data} cannot be used ({error.strerror}).", "Name another --data.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise AlreadyRunning(
            f"Another `alledge run` works in {data}.", "Stop it, or name another --data."
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def _open_patiently(begin: Callable[[], Found], stop: _Stop, say: Callable[[str], None]) -> Found:
    """The journal; while its disk refuses at the start there is nothing to do but to wait and say so."""
    told = ""
    while True:
        try:
            return begin()
        except JournalUnavailable as error:
            if stop.is_asked:
                raise
            if error.code != told:
                told = error.code
                say(f"trouble[{error.code}]: {error} It is tried again each half second.")
            with contextlib.closing(notifier_from(os.environ)) as notifier:
                notifier.tell("STATUS=The journal cannot be written yet.")
            time.sleep(0.5)


def _calibration(data: Path) -> Calibration | None:
    """The microscope's calibration; None when it was never calibrated. Raises CalibrationDamaged."""
    return load_calibration(data) if (data / CALIBRATION_FILE).is_file() else None
