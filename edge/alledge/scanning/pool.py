"""Workers on all cores of this machine: a fixed number of images under way, whatever becomes of a worker.

Python's own process pool breaks as a whole when one process is killed, and does not tell which image
killed it. Here each worker has one image at a time: when it dies, or gives no answer for minutes, its image
is known, another worker takes its place, the image is tried once more and then told as an error; the others
notice nothing.
"""

import os
import selectors
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from alledge.scanning.process import ImageProcess
from alledge.scanning.refusals import WorkersFailed, same_error
from alledge.scanning.settings import ScanSettings
from alledge.scanning.work import Answer, Task, error_answer, stat_identity
from alledge.scanning.worker import READY, STOP

TRIES: Final = 2
LIMIT_S: Final = 300.0  # an image of 64 megapixels takes seconds; beyond this something hangs
START_LIMIT_S: Final = 300.0
_AHEAD: Final = 4  # images begun before the oldest is done, for each worker: one slow image stops nobody
_FALSE_STARTS: Final = 3


def n_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """A crew of processes of this machine.

    n_jobs: processes. folder: where relative paths begin; None is where this process is. limit_s: seconds
    for one image. Raises WorkersFailed when none lives long enough to take an image, and what a worker raised
    when no image can be looked at, such as StorageFailed.
    """

    def __init__(
        self, settings: ScanSettings, n_jobs: int, folder: Path | None = None, limit_s: float = LIMIT_S
    ) -> None:
        self._settings = settings
        self._n_jobs = n_jobs
        self._folder = folder
        self._limit_s = limit_s
        self._selector = selectors.DefaultSelector()
        self._workers: list[ImageProcess] = []
        self._again: deque[Task] = deque()
        self._tries: dict[int, int] = {}
        self._false_starts = 0

    def __enter__(self) -> Self:
        for _ in range(self._n_jobs):
            self._start()
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.close()
        for worker in self._workers:
            worker.bury()
        self._selector.close()

    @property
    def room(self) -> int:
        """Images that may be begun before the oldest is done."""
        return _AHEAD * self._n_jobs

    def hand_out(self, tasks: Sequence[Task]) -> int:
        """Give every idle worker an image, those first that a worker died of. Returns how many of `tasks`."""
        n_given = 0
        for worker in self._workers:
            if not worker.is_ready or worker.task is not None:
                continue
            if self._again:
                worker.give(self._again.popleft(), self._limit_s)
            elif n_given < len(tasks):
                worker.give(tasks[n_given], self._limit_s)
                n_given += 1
            else:
                break
        return n_given

    def collect(self) -> Iterator[Answer]:
        """Wait until at least one worker says something, ends, or has had its time."""
        for key, _ in self._selector.select(self._seconds_left()):
            worker = key.data
            lines, is_alive = worker.lines()
            for line in lines:
                answer = self._heard(worker, line)
                if answer is not None:
                    yield answer
            if not is_alive:
                yield from self._replace(worker, is_slow=False)
        now_s = time.monotonic()
        for worker in list(self._workers):
            if worker.deadline_s is not None and now_s >= worker.deadline_s:
                worker.process.kill()
                yield from self._replace(worker, is_slow=True)

    def _seconds_left(self) -> float | None:
        """Until the first worker has had its time; None when all are idle."""
        deadlines_s = [worker.deadline_s for worker in self._workers if worker.deadline_s is not None]
        return max(min(deadlines_s) - time.monotonic(), 0.0) if deadlines_s else None

    def _heard(self, worker: ImageProcess, line: bytes) -> Answer | None:
        if line.startswith(STOP):
            raise same_error(line[len(STOP) :])
        worker.rest()
        if line + b"\n" == READY:
            worker.is_ready = True
            self._false_starts = 0
            return None
        answer = Answer.from_line(line)
        self._tries.pop(answer.index, None)
        return answer

    def _replace(self, worker: ImageProcess, *, is_slow: bool) -> Iterator[Answer]:
        """Bury a worker, start another, and decide what becomes of its image."""
        self._selector.unregister(worker.answers)
        worker.close()
        how = worker.bury()
        self._workers.remove(worker)
        if not worker.is_ready:
            self._false_starts += 1
            if self._false_starts == _FALSE_STARTS:
                why = f"was not ready after {START_LIMIT_S:g} s" if is_slow else f"ended at its start, {how}"
                raise WorkersFailed(f"A worker {why}.", "Look at `alledge doctor`.")
        self._start()
        if worker.task is None:
            return
        index = worker.task.index
        self._tries[index] = self._tries.get(index, 0) + 1
        if self._tries[index] < TRIES:
            self._again.append(worker.task)
            return
        del self._tries[index]
        yield self._given_up(worker.task, how, is_slow=is_slow)

    def _given_up(self, task: Task, how: str, *, is_slow: bool) -> Answer:
        if is_slow:
            code, why = "image-too-slow", f"no answer within {self._limit_s:g} s, {TRIES} times"
        else:
            code, why = "worker-died", f"the process that looked at it ended {TRIES} times, {how}"
        return error_answer(task, stat_identity(Path(task.path)), code, f"{task.path}: {why}.")

    def _start(self) -> None:
        worker = ImageProcess.start(self._settings, self._folder, START_LIMIT_S)
        self._workers.append(worker)
        self._selector.register(worker.answers, selectors.EVENT_READ, worker)
