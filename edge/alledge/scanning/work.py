"""What goes to a worker and what comes back: one image, one answer, one line of JSON each way.

JSON and not pickle: a line can be read by a person, and a torn one is recognised as such.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from alledge.images import read_image_file

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Task:
    """One image of the archive.

    index: its place in the list of all images, from 0. picture: name for its annotated picture.
    """

    index: int
    path: str
    picture: str

    def to_line(self) -> bytes:
        """As a line, with its newline."""
        return f"{json.dumps(asdict(self))}\n".encode()

    @classmethod
    def from_line(cls, line: bytes) -> "Task":
        """What `to_line` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Identity:
    """Which bytes were looked at: size, time of change (ns since the epoch; -1 unknown) and SHA-256.

    sha256: None when the file could not be read. Size and time are there to compare quickly: only where
    the time differs are the bytes read again.
    """

    n_bytes: int
    mtime_ns: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one image.

    text: a line of the results, or of the errors, without newline. error: its code; None for a field.
    """

    index: int
    identity: Identity
    text: str
    n_cells: int = 0
    is_refused: bool = False
    error: str | None = None

    @property
    def message(self) -> str:
        """What is said of an image that has no field, in a sentence."""
        message = json.loads(self.text)["error"]["message"]
        assert isinstance(message, str)
        return message

    @property
    def source(self) -> str:
        """The path of the image, as it was given."""
        source = json.loads(self.text)["source"]
        assert isinstance(source, str)
        return source

    def to_line(self) -> bytes:
        """As a line, with its newline."""
        return f"{json.dumps(asdict(self))}\n".encode()

    @classmethod
    def from_line(cls, line: bytes) -> "Answer":
        """What `to_line` wrote."""
        told = json.loads(line)
        return cls(**told | {"identity": Identity(**told["identity"])})


def stat_identity(path: Path) -> Identity:
    """Size and time of change of a file, as far as they can be had."""
    try:
        status = path.stat()
    except OSError:
        return Identity(UNKNOWN, UNKNOWN, None)
    return Identity(status.st_size, status.st_mtime_ns, None)


def is_unchanged(path: Path, was: Identity) -> bool:
    """Whether a file is the one that was looked at: same size, and same time or else same SHA-256."""
    now = stat_identity(path)
    if (now.n_bytes, now.mtime_ns) == (was.n_bytes, was.mtime_ns):
        return True
    if now.n_bytes != was.n_bytes or was.sha256 is None:
        return False
    return hashlib.sha256(read_image_file(path)).hexdigest() == was.sha256


def error_answer(task: Task, identity: Identity, code: str, message: str) -> Answer:
    """The line of an image that nothing can be said about but why."""
    told = {"source": task.path, "error": {"code": code, "message": message}, "research_use_only": True}
    return Answer(task.index, identity, json.dumps(told, ensure_ascii=False), error=code)
