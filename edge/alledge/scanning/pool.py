"""Workers on all cores, answers in the order of the tasks, and a fixed number of images under way.

Python's own process pool breaks as a whole when one process is killed, and does not tell which image
killed it. Here each worker has one image at a time: when it dies its image is known, another worker
takes its place, the image is tried once more and then told as an error; the others notice nothing.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import alledge
from alledge.errors import AllscopeError
from alledge.scanning.refusals import WorkersFailed
from alledge.scanning.settings import ScanSettings
from alledge.scanning.work import Answer, Task, error_answer, stat_identity
from alledge.scanning.worker import READY, settings_to_line

MODULE: Final = "alledge.scanning.worker"
TRIES: Final = 2
_AHEAD: Final = 4  # images begun before the oldest is done, for each worker: one slow image stops nobody
_FALSE_STARTS: Final = 3
_LAST_IMAGE_S: Final = 10.0
_CHUNK: Final = 1 << 16


def n_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, the image it has, and the part of a line it has written so far."""

    process: subprocess.Popen[bytes]
    is_ready: bool = False
    task: Task | None = None
    written: bytearray = field(default_factory=bytearray)

    def say(self, line: bytes) -> None:
        """A worker that is dead by now is noticed when its answers end."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line)

    def lines(self) -> tuple[list[bytes], bool]:
        """Whole lines that came, and whether more can come. Call when there is something to read."""
        assert self.process.stdout is not None
        chunk = os.read(self.process.stdout.fileno(), _CHUNK)
        self.written += chunk
        *whole, rest = self.written.split(b"\n")
        self.written = bytearray(rest)
        return [bytes(line) for line in whole], bool(chunk)

    def close(self) -> None:
        """Hang up: the worker ends after the image it has."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class Workers:
    """A context manager: processes live within the block, and none longer.

    n_jobs: processes. Raises WorkersFailed when they cannot be kept alive long enough to take an image.
    """

    def __init__(self, settings: ScanSettings, n_jobs: int) -> None:
        self._settings = settings
        self._n_jobs = n_jobs
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._again: deque[Task] = deque()
        self._tries: dict[int, int] = {}
        self._false_starts = 0

    def __enter__(self) -> Self:
        for _ in range(self._n_jobs):
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.close()
        for worker in self._workers:
            try:
                worker.process.wait(_LAST_IMAGE_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._selector.close()

    def in_order(self, tasks: Sequence[Task]) -> Iterator[Answer]:
        """One answer a task, in the order of the tasks, as they come.

        Raises WorkersFailed; what a worker raised when no image can be looked at, such as StorageFailed.
        """
        waiting: dict[int, Answer] = {}
        given = 0
        for position, task in enumerate(tasks):
            while task.index not in waiting:
                last = min(len(tasks), position + _AHEAD * self._n_jobs)
                given += self._hand_out(tasks[given:last] if given < last else ())
                for answer in self._collect():
                    waiting[answer.index] = answer
            yield waiting.pop(task.index)

    def _hand_out(self, tasks: Sequence[Task]) -> int:
        """Give every idle worker an image, those first that a worker died of. Returns how many of `tasks`."""
        n_given = 0
        for worker in self._workers:
            if not worker.is_ready or worker.task is not None:
                continue
            if self._again:
                worker.task = self._again.popleft()
            elif n_given < len(tasks):
                worker.task = tasks[n_given]
                n_given += 1
            else:
                break
            worker.say(worker.task.to_line())
        return n_given

    def _collect(self) -> Iterator[Answer]:
        """Wait until at least one worker says something or ends."""
        for key, _ in self._selector.select():
            worker = key.data
            lines, is_alive = worker.lines()
            for line in lines:
                answer = self._heard(worker, line)
                if answer is not None:
                    yield answer
            if not is_alive:
                yield from self._replace(worker)

    def _heard(self, worker: _Worker, line: bytes) -> Answer | None:
        if line + b"\n" == READY:
            worker.is_ready = True
            self._false_starts = 0
            return None
        if line.startswith(b"stop "):
            raise _same_error(json.loads(line[5:]))
        answer = Answer.from_line(line)
        self._tries.pop(answer.index, None)
        worker.task = None
        return answer

    def _replace(self, worker: _Worker) -> Iterator[Answer]:
        """Bury a worker, start another, and decide what becomes of its image."""
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        worker.close()
        how = _ending(worker.process.wait())
        self._workers.remove(worker)
        if not worker.is_ready:
            self._false_starts += 1
            if self._false_starts == _FALSE_STARTS:
                raise WorkersFailed(f"A worker ended at its start, {how}.", "Look at `alledge doctor`.")
        self._start()
        if worker.task is None:
            return
        index = worker.task.index
        self._tries[index] = self._tries.get(index, 0) + 1
        if self._tries[index] < TRIES:
            self._again.append(worker.task)
            return
        del self._tries[index]
        message = f"{worker.task.path}: the process that looked at it ended {TRIES} times, {how}."
        yield error_answer(worker.task, stat_identity(Path(worker.task.path)), "worker-died", message)

    def _start(self) -> None:
        packages = str(Path(alledge.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(  # noqa: S603 - our own module, in our own interpreter
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            process_group=0,  # Ctrl-C is for the scan alone: a worker finishes its image
            env=os.environ | {"PYTHONPATH": path},
        )
        worker = _Worker(process)
        self._workers.append(worker)
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)
        worker.say(settings_to_line(self._settings))


def _same_error(told: dict[str, str]) -> AllscopeError:
    """What a worker raised, raised here again: by its code, so that the exit status is the same too."""
    kinds: list[type[AllscopeError]] = [AllscopeError]
    for kind in kinds:
        if kind.code == told["code"]:
            return kind(told["what"], told["next"])
        kinds += kind.__subclasses__()
    return WorkersFailed(told["what"], told["next"])


def _ending(status: int) -> str:
    """How a process ended, in words."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"with exit status {status}"
