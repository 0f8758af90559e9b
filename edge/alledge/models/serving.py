"""What the service asks: which file to load; and the first minutes of a new model, after which it is trusted.

    probation = begin_service(data, config.model)          # a start is counted before anything can go wrong
    analyst, model = probation.open(lambda path: ...)      # the new model, or the last good one
    probation.tend(monotonic_ns, ledger)                   # now and then; confirms it, or raises TrialFailed
    probation.stopped()                                    # the end that somebody asked for is no failure

A service that is killed or hangs into its watchdog never says `stopped`, so its start stays counted; at the
start after `MAX_STARTS` of them the last good model serves. One that ended with the machine is forgiven some
times: who switches a microscope off at the wall says nothing about a model. A device whose card is full or
read-only cannot count; it then serves what it served, since cells that are not counted help nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from alledge.errors import AllscopeError, RuntimeMissing, StorageFailed
from alledge.models import state as steps
from alledge.models.refusals import InstalledModelDamaged, NoEarlierModel, StoreEmpty, TrialFailed
from alledge.models.state import Installed, State
from alledge.models.store import Store
from alledge.service.ledger import DropReason, LedgerState

INSTALLED: Final = "installed"
"""The value of the setting `model` that means the store, not a file."""

BOOT_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
PROVEN_AFTER_S: Final = 600.0
PROVEN_AFTER_FIELDS: Final = 10
FAILED_AFTER_FIELDS: Final = 3

Opened = TypeVar("Opened")


def current(data: Path) -> Path:
    """The file that serves, its bytes held to the hash that was signed. Changes nothing.

    Raises:
        StoreEmpty: nothing was installed.
        StoreDamaged: the store does not know what serves.
        InstalledModelDamaged: the file is not the one that was installed.
    """
    store = Store(data)
    return store.checked_path(_serving(store.load()))


def file_of(data: Path, setting: str) -> Path:
    """The file that the setting `model` means; what serves, for `installed`. Raises as `current`."""
    return current(data) if setting == INSTALLED else Path(setting)


def begin_service(data: Path, setting: str) -> "Probation":
    """The service starts with the model that its settings name: a file, or `installed`. Raises as `current`.

    A model on trial gets one more start counted, or makes room for the last good one; a file that was damaged
    makes room too.
    """
    if setting != INSTALLED:
        return Probation(data, Path(setting), proven=True)
    store = Store(data)
    try:
        step = partial(steps.begin, boot=_boot())
        state = store.change(step) if store.folder.is_dir() else steps.begin(State())
    except StorageFailed:
        state = store.load()
    try:
        return Probation(data, store.checked_path(_serving(state)), proven=not state.on_trial)
    except InstalledModelDamaged as error:
        if state.good is None:
            raise
        path = fall_back(data, error.what_happened, is_its_fault=False)
        return Probation(data, path, proven=True)


def confirm(data: Path) -> None:
    """What serves has proven itself. Raises StorageFailed when that cannot be kept."""
    Store(data).change(steps.confirm)


def stopped(data: Path) -> None:
    """The service was asked to stop, so that this start is no failure. Raises StorageFailed."""
    Store(data).change(steps.stopped)


def fall_back(data: Path, why: str, *, is_its_fault: bool = True) -> Path:
    """The last good model serves again, and its file is given. Raises NoEarlierModel, and as `current`.

    is_its_fault: False where the medium spoilt the file; then it may be installed again.

    Where the disk cannot keep that, the last good model is given all the same, for this run.
    """
    store, step = Store(data), partial(steps.fall_back, why=why, is_its_fault=is_its_fault)
    try:
        state = store.change(step)
    except StorageFailed:
        state = step(store.load())
    return store.checked_path(_serving(state))


@dataclass(slots=True)
class Probation:
    """The model of one run of the service. path: its file. proven: whether nothing is left to confirm."""

    data: Path
    path: Path
    proven: bool
    _began_ns: int | None = None

    def open(self, opener: Callable[[Path], Opened]) -> Opened:
        """What `opener` makes of the file; of the last good one's where a model on trial cannot be opened.

        Raises what `opener` raises for a model that is not on trial, NoEarlierModel where there is no other,
        and RuntimeMissing, which is no fault of a model.
        """
        try:
            return opener(self.path)
        except RuntimeMissing:
            raise
        except AllscopeError as error:
            if self.proven:
                raise
            self.path = fall_back(self.data, f"[{error.code}] {error.what_happened}")
            self.proven = True
            return opener(self.path)

    def tend(self, now_ns: int, ledger: LedgerState) -> bool:
        """`note`, from a monotonic time and the service's ledger; the first call starts the clock."""
        if self._began_ns is None:
            self._began_ns = now_ns
        n_failed = ledger.dropped.get(DropReason.CLASSIFIER_FAILED, 0)
        return self.note((now_ns - self._began_ns) / 1e9, ledger.analysed - ledger.refused, n_failed)

    def note(self, running_s: float, n_analysed: int, n_failed: int = 0) -> bool:
        """Tell how a run goes; True once, when it is enough to trust the model.

        running_s: since the service was ready. n_analysed: fields that got calls. n_failed: fields that the
        network failed. A disk that cannot keep the outcome is asked again the next time.

        Raises TrialFailed when too many fields failed and the last good model serves from the next start on.
        """
        if self.proven:
            return False
        if n_failed >= FAILED_AFTER_FIELDS:
            self._give_up(n_failed)
        if n_failed or running_s < PROVEN_AFTER_S or n_analysed < PROVEN_AFTER_FIELDS:
            return False
        try:
            confirm(self.data)
        except StorageFailed:
            return False
        self.proven = True
        return True

    def _give_up(self, n_failed: int) -> None:
        """Raise TrialFailed where another model can serve; a first model goes on, and is never confirmed."""
        why = f"the network failed {n_failed} fields"
        try:
            self.path = fall_back(self.data, why)
        except NoEarlierModel:
            return
        self.proven = True
        raise TrialFailed(
            f"The new model failed: {why}.", "The service starts again, with the last good model."
        )

    def stopped(self) -> None:
        """The end was asked for. A disk that cannot keep it leaves one start too many counted."""
        if not self.proven:
            try:
                stopped(self.data)
            except StorageFailed:
                return


def _boot() -> str:
    """What the kernel calls this boot of the machine; "" where it does not."""
    try:
        return BOOT_FILE.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _serving(state: State) -> Installed:
    if state.serving is None:
        raise StoreEmpty("No model is installed.", "Install one: `alledge model install SOURCE`.")
    return state.serving
