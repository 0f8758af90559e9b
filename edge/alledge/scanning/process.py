"""One process that looks at images, seen from outside: started, spoken to, watched by the clock, buried."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import alledge
from alledge.scanning.settings import ScanSettings
from alledge.scanning.work import Task
from alledge.scanning.worker import settings_to_line

MODULE: Final = "alledge.scanning.worker"
LAST_IMAGE_S: Final = 10.0
_CHUNK: Final = 1 << 16


@dataclass(slots=True, eq=False)
class ImageProcess:
    """A process, the image it has, and the part of a line it has written so far.

    deadline_s: monotonic time by which it should be ready or have answered; None while it has nothing to do.
    """

    process: subprocess.Popen[bytes]
    deadline_s: float | None
    is_ready: bool = False
    task: Task | None = None
    written: bytearray = field(default_factory=bytearray)

    @classmethod
    def start(cls, settings: ScanSettings, folder: Path | None, limit_s: float) -> Self:
        """Starts one and tells it the settings. folder: where relative paths begin; limit_s: to be ready."""
        packages = str(Path(alledge.__file__).absolute().parent.parent)
        path = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(  # noqa: S603 - our own module, in our own interpreter
            [sys.executable, "-P", "-m", MODULE],  # -P: a module in the archive's folder is none of ours
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            process_group=0,  # Ctrl-C is for the scan alone: a worker finishes its image
            env=os.environ | {"PYTHONPATH": path},
        )
        worker = cls(process, time.monotonic() + limit_s)
        worker._say(settings_to_line(settings))
        return worker

    @property
    def answers(self) -> int:
        """File descriptor to wait at; it can be read when there is something for `lines`."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def give(self, task: Task, limit_s: float) -> None:
        """An image to look at, and the seconds for it."""
        self.task, self.deadline_s = task, time.monotonic() + limit_s
        self._say(task.to_line())

    def rest(self) -> None:
        """It has answered, and has nothing to do."""
        self.task = self.deadline_s = None

    def lines(self) -> tuple[list[bytes], bool]:
        """Whole lines that came, and whether more can come. Call when there is something to read."""
        chunk = os.read(self.answers, _CHUNK)
        self.written += chunk
        *whole, rest = self.written.split(b"\n")
        self.written = bytearray(rest)
        return [bytes(line) for line in whole], bool(chunk)

    def close(self) -> None:
        """Hang up: the process ends after the image it has."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def bury(self) -> str:
        """Wait for its end after `close`, and enforce it. Returns how it ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return _ending(self.process.wait(LAST_IMAGE_S))
        self.process.kill()
        # A process that waits for a disk which does not answer cannot be killed before the disk does.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(LAST_IMAGE_S)
        return _ending(-signal.SIGKILL)

    def _say(self, line: bytes) -> None:
        """A process that is dead by now is noticed when its answers end."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line)


def _ending(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"with exit status {status}"
