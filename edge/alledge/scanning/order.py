"""What a worker of a cluster is told with every image: how to look, and how to know that it may.

Versions are compared because they can be named. They do not tell whether two processors round alike, so
the order also holds an image whose answer is known: whoever gives another one gets no image.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from alledge.scanning.refusals import ArchiveUnseen, WorkerDiffers
from alledge.scanning.settings import ScanSettings
from alledge.scanning.work import Answer, Task
from alledge.scanning.worker import settings_from_line, settings_to_line

_SHARED = "Mount the archive at the same path on every worker, and go on with --resume."
_SAME = "Give every worker the software of this machine, and go on with --resume."


@dataclass(frozen=True, slots=True)
class Known:
    """An image and its answer in the machine of the command. text_sha256: of the line of the results."""

    task: Task
    image_sha256: str
    text_sha256: str

    @classmethod
    def of(cls, task: Task, answer: Answer) -> "Known":
        """Of an image that could be read."""
        assert answer.identity.sha256 is not None
        return cls(task, answer.identity.sha256, hashlib.sha256(answer.text.encode()).hexdigest())

    def require(self, answer: Answer) -> None:
        """Raises ArchiveUnseen when the worker saw another file, WorkerDiffers when it said another thing."""
        if answer.identity.sha256 != self.image_sha256:
            raise ArchiveUnseen(f"it sees no {self.task.path}, or another one.", _SHARED)
        if hashlib.sha256(answer.text.encode()).hexdigest() != self.text_sha256:
            raise WorkerDiffers(
                f"its answer for {self.task.path} is not the one given here, by the same versions.",
                "Use processors of one kind, and go on with --resume.",
            )


@dataclass(frozen=True, slots=True)
class Order:
    """The same for all images of a scan.

    folder: where relative paths begin. software: as of `software_here` in the machine of the command.
    pictures_mark: what is in the mark of the folder of pictures; None when there are none.
    """

    settings: ScanSettings
    folder: str
    software: dict[str, str]
    known: Known | None = None
    pictures_mark: str | None = None

    def to_bytes(self) -> bytes:
        """As JSON: workers are told data, never code."""
        known = self.known and [
            self.known.task.to_line().decode(),
            self.known.image_sha256,
            self.known.text_sha256,
        ]
        told = {
            "settings": settings_to_line(self.settings).decode(),
            "folder": self.folder,
            "software": self.software,
            "known": known,
            "pictures_mark": self.pictures_mark,
        }
        return json.dumps(told).encode()

    @classmethod
    def from_bytes(cls, order: bytes) -> "Order":
        """What `to_bytes` wrote."""
        told = json.loads(order)
        known = told["known"] and Known(Task.from_line(told["known"][0].encode()), *told["known"][1:])
        settings = settings_from_line(told["settings"].encode())
        return cls(settings, told["folder"], told["software"], known, told["pictures_mark"])


def require_same_software(expected: dict[str, str], found: dict[str, str]) -> None:
    """Raises WorkerDiffers, naming the first thing that differs."""
    for name, value in expected.items():
        if found.get(name) != value:
            raise WorkerDiffers(f"it differs in {name}: {found.get(name)}, and {value} here.", _SAME)


MARK = ".allscope-scan"


def require_same_pictures(folder: Path, mark: str) -> None:
    """Raises ArchiveUnseen when `folder` is not the one that the command has marked."""
    try:
        found = (folder / MARK).read_text()
    except OSError:
        found = ""
    if found != mark:
        raise ArchiveUnseen(f"it sees no folder {folder}, or another one, for --pictures.", _SHARED)
