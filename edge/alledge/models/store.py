"""The folder `models/` of the data folder: files by their hash, and one small file that says which serves.

    models/files/SHA256.tflite     never changed once there
    models/evidence/SHA256/        the signed metadata that it came with, for `alledge model verify`
    models/state.json              what serves; replaced in one rename (`durable.write_whole`)
    models/state.before.json       the same, written second: stands in when the card rots under the first
    models/trust/                  the trusted root, and metadata already seen
    models/incoming/               a download in progress, emptied by the next one

A switch is the one rename of `state.json`. Before it everything new lies whole on the medium and is named by
nothing; after it nothing else needs to happen. So a kill at any moment leaves the old model or the new one.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar

from alledge.durable import make_folder, write_whole
from alledge.errors import StorageFailed
from alledge.models.refusals import InstalledModelDamaged, InstallRunning, StoreDamaged
from alledge.models.state import Installed, State
from alledge.strict_json import Json

FOLDER: Final = "models"
STATE_FILE: Final = "state.json"
COPY_FILE: Final = "state.before.json"
FORMAT: Final = 1
MAX_STATE_BYTES: Final = 2**20  # two models with as many and as long labels as may be signed take 660 kB
PARTIAL: Final = ".*.partial"
LOCK_LIMIT_S: Final = 10.0
_LOCK_STEP_S: Final = 0.05
_LARGEST: Final = 10**9

T = TypeVar("T")
MAX_FILE_BYTES: Final = 64 * 2**20
AGAIN: Final = "Install it again: `alledge model install SOURCE`."


class Store:
    """The models of one device. data: its data folder. Nothing is made before something is installed."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.folder = data / FOLDER
        self.files = self.folder / "files"
        self.evidence = self.folder / "evidence"
        self.trust = self.folder / "trust"
        self.incoming = self.folder / "incoming"

    def make(self) -> None:
        """Make the folders. Raises StorageFailed, PathUnusable."""
        make_folder(self.data)
        for folder in (self.folder, self.files, self.evidence, self.trust, self.incoming):
            make_folder(folder)

    def load(self) -> State:
        """What serves. Raises StoreDamaged when neither the state nor its copy can be read.

        Raises StorageFailed where it may only not be read by this user.
        """
        reasons: list[str] = []
        for name in (STATE_FILE, COPY_FILE):
            path = self.folder / name
            try:
                return parse_state(read_file(path, MAX_STATE_BYTES + 1))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                raise StorageFailed(f"{path} cannot be read by this user.", "Run it with sudo.") from error
            except (OSError, ValueError) as error:
                reasons.append(f"{name}: {error}")
        if reasons:
            raise StoreDamaged(f"{self.folder} is damaged ({'; '.join(reasons)}).", AGAIN)
        return State()

    def change(self, step: Callable[[State], State]) -> State:
        """Take one step from the state as it is now, and keep the outcome. Raises as `load` and `step`.

        Raises StorageFailed when the medium refuses; then the state is as it was.
        """
        with self.locked():
            before = self.load()
            after = step(before)
            if after != before or not (self.folder / STATE_FILE).is_file():
                text = format_state(after)
                write_whole(self.folder / STATE_FILE, text)
                write_whole(self.folder / COPY_FILE, text)
        return after

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes the state meanwhile; held for milliseconds.

        Raises StorageFailed after `LOCK_LIMIT_S`: who may read the folder can hold its lock, and the
        service must not wait for him for ever.
        """
        end_s = time.monotonic() + LOCK_LIMIT_S
        with self._opened(self.folder) as handle:
            while not _is_locked(handle):
                if time.monotonic() > end_s:
                    raise StorageFailed(f"Somebody holds {self.folder} locked.", "Find out who: `fuser -v`.")
                time.sleep(_LOCK_STEP_S)
            yield

    @contextlib.contextmanager
    def installing(self) -> Iterator[Path]:
        """An empty folder to download into; raises InstallRunning when another installation has it."""
        with self._opened(self.incoming) as handle:
            if not _is_locked(handle):
                raise InstallRunning("Another installation is running.", "Wait until it is done.")
            self._sweep()
            try:
                yield self.incoming
            finally:
                _empty(self.incoming)

    def _sweep(self) -> None:
        """Remove what kills left: a download, and files that were being written (`durable`)."""
        _empty(self.incoming)
        with self.locked():
            left = [*self.folder.glob(PARTIAL), *self.trust.glob(f"*/**/{PARTIAL}")]
            for path in left:
                _remove(path)

    @contextlib.contextmanager
    def _opened(self, folder: Path) -> Iterator[int]:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise StorageFailed(
                f"{folder} cannot be used ({error.strerror}).", "Check the folder."
            ) from error
        try:
            yield handle
        finally:
            os.close(handle)

    def path_of(self, model: Installed) -> Path:
        """Where a model's file lies."""
        return self.files / f"{model.sha256}.tflite"

    def checked_path(self, model: Installed) -> Path:
        """The file of a model, its bytes held to the hash that was signed. Raises InstalledModelDamaged."""
        path = self.path_of(model)
        told = f"{model.name} v{model.version}"
        try:
            data = read_file(path, MAX_FILE_BYTES + 1)
        except OSError as error:
            raise InstalledModelDamaged(f"{told} cannot be read ({error.strerror}).", AGAIN) from error
        if hashlib.sha256(data).hexdigest() != model.sha256:
            raise InstalledModelDamaged(f"{told} was changed since it was installed.", AGAIN)
        return path

    def keep_file(self, sha256: str, data: bytes) -> None:
        """Put a model's bytes into the store, whole."""
        write_whole(self.files / f"{sha256}.tflite", data)

    def forget_unused(self, state: State) -> None:
        """Remove files that nothing in the state names; one that will not go is left for the next time."""
        kept = {model.sha256 for model in state.kept}
        for folder in (self.files, self.evidence):
            for path in folder.iterdir():
                if path.name.removesuffix(".tflite") not in kept:
                    _remove(path)


def format_state(state: State) -> bytes:
    """A state as JSON with its own checksum, which finds a card that rots; no signature."""
    fields = {"format": FORMAT, **asdict(state)}
    body = json.dumps(fields, sort_keys=True)
    return (json.dumps({"state": fields, "sha256": _digest(body)}, indent=1, sort_keys=True) + "\n").encode()


def parse_state(data: bytes) -> State:
    """The state that bytes hold. Raises ValueError."""
    if len(data) > MAX_STATE_BYTES:
        raise ValueError("it is too long")
    try:
        told = json.loads(data)
        fields = told["state"]
        if told["sha256"] != _digest(json.dumps(fields, sort_keys=True)):
            raise ValueError("its checksum differs")
        if fields["format"] != FORMAT:
            raise ValueError(f"its format is {fields['format']!r}, not {FORMAT}")
        return State(
            serving=_installed(fields["serving"]),
            good=_installed(fields["good"]),
            starts=_maybe(_number, fields["starts"]),
            pinned=_maybe(_pinned, fields["pinned"]),
            failed=tuple(_text(sha256) for sha256 in fields["failed"]),
            fell_back=_text(fields["fell_back"]),
            boot=_text(fields.get("boot", "")),  # states of before had neither
            forgiven=_number(fields.get("forgiven", 0)),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is no state of this store") from error


def read_file(path: Path, longest: int) -> bytes:
    """The first bytes of a plain file. Raises OSError, also for a pipe, which would be waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        return file.read(longest)


def _installed(fields: dict[str, Json] | None) -> Installed | None:
    if fields is None:
        return None
    if set(fields) != set(Installed.__slots__):
        raise TypeError("other fields than a model has")
    told = {name: _text(value) for name, value in fields.items() if name not in _NO_TEXTS}
    lists = {name: tuple(_text(label) for label in _list(fields[name])) for name in _LISTS}
    return Installed(**told, **lists, version=_number(fields["version"]))  # type: ignore[arg-type]


_LISTS: Final = ("labels", "positive_labels")
_NO_TEXTS: Final = (*_LISTS, "version")


def _maybe(read: Callable[[Json], T], value: Json) -> T | None:
    return None if value is None else read(value)


def _pinned(value: Json) -> tuple[str, int]:
    name, version = _list(value)
    return _text(name), _number(version)


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _text(value: Json) -> str:
    """A text that a terminal can show."""
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError(value)
    return value


def _number(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise TypeError(value)
    return value


def _is_locked(handle: int) -> bool:
    """Take a folder's lock; False when somebody else has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
