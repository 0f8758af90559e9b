"""Workers of a cluster as a crew: a few images a thread under way, each answer checked before it counts.

The command stays the one that knows what is done: workers are given images and give answers, and keep
nothing. So a scan on a cluster is interrupted, gone on with, and exactly once as one of this machine is.
What a cluster adds is doubt, and here it is settled: a worker with other software or another disk than this
machine is refused before its first image, or at it when it comes later; and an answer counts only when the
file that was looked at is the one that this machine sees.
"""

import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Self

from alledge.durable import write_whole
from alledge.errors import ImageUnreadable, PathUnusable
from alledge.images import read_image_file
from alledge.scanning.cluster_worker import look_at_images, software_of_worker
from alledge.scanning.crew import in_order
from alledge.scanning.order import MARK, Known, Order, require_same_software
from alledge.scanning.pool import Workers
from alledge.scanning.refusals import ArchiveUnseen, ClusterEmpty, WorkerDiffers, same_error
from alledge.scanning.settings import ScanSettings, software_here
from alledge.scanning.work import Answer, Task, error_answer, is_unchanged, stat_identity
from alledge.scanning.worker import STOP

WAIT_S: Final = 600.0
_AHEAD: Final = 4  # as of local workers: images begun before the oldest is done, for each thread
_THREADS_A_BUNCH: Final = 16
_LOOK_EVERY_S: Final = 1.0
_POLL_S: Final = 0.01
_TRIED_FOR_CELLS: Final = 8
_OF_OUR_OWN: Final = ("worker-died", "image-too-slow")  # what is said of an image that nobody has read


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the workers are. scheduler: an address or a scheduler file. wait_s: how long to wait for one."""

    scheduler: str
    wait_s: float = WAIT_S


class ClusterWorkers:
    """A crew of the workers of a cluster, as many as there are at the time.

    tasks: all that it will be given; one of the first is looked at here, to compare. say: tells a person
    what is waited for. Raises ClusterUnreachable, ClusterLost, ClusterEmpty, WorkerDiffers, ArchiveUnseen,
    and what a worker raised when no image can be looked at.
    """

    def __init__(
        self, cluster: Cluster, settings: ScanSettings, tasks: Sequence[Task], say: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._tasks = tasks
        self._say = say
        self._run = secrets.token_hex(8)
        self._order = b""
        self._under_way: dict[int, Sequence[Task]] = {}
        self._n_given = 0
        self._suspects: deque[Task] = deque()
        self._suspect: int | None = None
        self._n_threads = 0
        self._looked_s = -_LOOK_EVERY_S
        self._alone_since_s: float | None = None

    def __enter__(self) -> Self:
        from alledge.scanning.dask_client import DaskClient

        self._dask = DaskClient.connect(self._cluster.scheduler)
        try:
            self._look_around()
            while not self._n_threads:
                time.sleep(_POLL_S)
                self._look_around()
            self._require_same_software()
            self._order = self._new_order().to_bytes()
        except BaseException:
            self._dask.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._dask.close()

    @property
    def room(self) -> int:
        """Images that may be begun before the oldest is done: follows workers that come and go."""
        return _AHEAD * self._n_threads * self._bunch

    @property
    def _bunch(self) -> int:
        """Images that are given at once: one scheduler hands out a few hundred bunches a second, no more."""
        return max(1, self._n_threads // _THREADS_A_BUNCH)

    def hand_out(self, tasks: Sequence[Task]) -> int:
        """All that fill a bunch, or end the scan: the scheduler knows who is idle."""
        n_given, size = 0, self._bunch
        is_end = bool(tasks) and tasks[-1].index == self._tasks[-1].index
        while n_given < len(tasks):
            bunch = tasks[n_given : n_given + size]
            if len(bunch) < size and self._under_way and not is_end:
                break
            self._give(bunch)
            n_given += len(bunch)
        return n_given

    def collect(self) -> Iterator[Answer]:
        """Answers that have come; a moment's wait when there are none."""
        self._look_around()
        for number, told in self._dask.answers():
            bunch = self._under_way.pop(number)
            if not isinstance(told, bytes):
                yield from self._lost(number, bunch, told.n_times)
            elif told.startswith(STOP):
                raise same_error(told[len(STOP) :])
            else:
                for task, line in zip(bunch, told.splitlines(), strict=True):
                    yield confirmed(task, Answer.from_line(line))
        self._try_suspect()

    def _give(self, bunch: Sequence[Task]) -> int:
        number = self._n_given
        self._n_given += 1
        self._under_way[number] = bunch
        lines = b"".join(task.to_line() for task in bunch)
        name = f"alledge-scan-{self._run}-{number}"
        self._dask.submit(number, name, look_at_images, self._order, lines)
        return number

    def _lost(self, number: int, bunch: Sequence[Task], n_times: int) -> Iterator[Answer]:
        """Workers were lost over and over: an image is told so when it was the only suspect among them.

        Dask blames all that a lost worker had, and mostly one of them, or none, is to blame.
        """
        if number != self._suspect:
            self._suspects.extend(bunch)
            return
        [task] = bunch
        message = f"{task.path}: every worker of the cluster that had it was lost, {n_times} at the last try."
        yield error_answer(task, stat_identity(Path(task.path)), "worker-died", message)

    def _try_suspect(self) -> None:
        """One at a time, so that whoever is lost with it is not lost for another."""
        if self._suspects and self._suspect not in self._under_way:
            self._suspect = self._give([self._suspects.popleft()])

    def _look_around(self) -> None:
        """How many workers there are, now and then; raises ClusterEmpty when there were none for too long."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        self._n_threads = sum(self._dask.n_threads().values())
        if self._n_threads:
            self._alone_since_s = None
        elif self._alone_since_s is None:
            self._alone_since_s = now_s
            self._say(f"no worker in the cluster; waiting {self._cluster.wait_s:g} s for one")
        elif now_s - self._alone_since_s > self._cluster.wait_s:
            raise ClusterEmpty(
                f"The cluster had no worker for {self._cluster.wait_s:g} s.",
                "Start workers with `dask worker`, and go on with --resume.",
            )

    def _require_same_software(self) -> None:
        """Before the first image, so that who starts a scan hears it at once."""
        with_runtime = self._settings.model is not None
        here = software_here(with_runtime=with_runtime)
        for told in self._dask.ask_each(partial(software_of_worker, with_runtime=with_runtime)):
            try:
                require_same_software(here, told)
            except WorkerDiffers as error:
                what = f"Worker {told['worker']}: {error.what_happened}"
                raise WorkerDiffers(what, error.next_step) from error

    def _new_order(self) -> Order:
        software = software_here(with_runtime=self._settings.model is not None)
        pictures = self._settings.pictures
        mark = None if pictures is None else _mark(pictures)
        return Order(self._settings, str(Path.cwd()), software, self._known(), mark)

    def _known(self) -> Known | None:
        """An image with its answer here, one with cells if the first few have any; None without a field."""
        known = None
        with Workers(self._settings, 1) as workers:
            tasks = list(islice(self._tasks, _TRIED_FOR_CELLS))
            for task, answer in zip(tasks, in_order(workers, tasks), strict=True):
                if answer.error is None and (known is None or answer.n_cells):
                    known = Known.of(task, answer)
                if answer.n_cells:
                    break
        return known


def confirmed(task: Task, answer: Answer) -> Answer:
    """The answer, with the identity that the file has here.

    Raises ArchiveUnseen when the worker saw another file than there is here, or none.
    """
    path = Path(task.path)
    here = stat_identity(path)
    if answer.identity.sha256 is not None:
        if not is_unchanged(path, answer.identity):
            raise _unseen(path)
        return replace(answer, identity=replace(here, sha256=answer.identity.sha256))
    if answer.error in _OF_OUR_OWN:
        return replace(answer, identity=here)
    try:
        read_image_file(path)
    except (PathUnusable, ImageUnreadable) as error:  # here neither
        return error_answer(task, here, error.code, str(error))
    raise _unseen(path)


def _unseen(path: Path) -> ArchiveUnseen:
    return ArchiveUnseen(
        f"A worker of the cluster sees no {path}, or another file than this machine does.",
        "Mount the archive at the same path on every worker, and go on with --resume.",
    )


def _mark(pictures: Path) -> str:
    """What tells this folder from another one of the same name on the disk of a worker."""
    mark = pictures / MARK
    if not mark.is_file():
        write_whole(mark, f"{os.uname().nodename}-{secrets.token_hex(8)}".encode())
    return mark.read_text()
