"""What a worker of a cluster does with images: it has them looked at by a process such as a local scan has.

The cluster's own process looks at nothing. So an image that crashes a library, eats the memory or hangs takes
one process of ours with it, known by name, and neither the cluster's worker nor images of others; a thread
of that worker needs no library of ours to be safe for threads; and the answer is made by the same program,
limits and words as in one machine. Knows nothing of Dask: bytes in, bytes out.
"""

import os
import socket
import threading
import time
from pathlib import Path
from typing import Final

from alledge.errors import AllscopeError
from alledge.scanning.crew import in_order
from alledge.scanning.order import Order, require_same_pictures, require_same_software
from alledge.scanning.pool import Workers
from alledge.scanning.refusals import WorkersFailed, told_error
from alledge.scanning.settings import software_here
from alledge.scanning.work import Answer, Task
from alledge.scanning.worker import STOP

IDLE_S: Final = 60.0


def look_at_images(order: bytes, tasks: bytes) -> bytes:
    """Tasks to answers, a line each; or `STOP` and an error, when this worker must not answer."""
    try:
        return b"".join(_looked_at(order, Task.from_line(task)).to_line() for task in tasks.splitlines())
    except AllscopeError as error:
        return STOP + told_error(_named(error))
    except OSError as error:
        failed = WorkersFailed(f"no process could be started ({error.strerror}).", "Look at that machine.")
        return STOP + told_error(_named(failed))


def software_of_worker(*, with_runtime: bool) -> dict[str, str]:
    """As `software_here`, with the name of this worker as `worker`."""
    return software_here(with_runtime=with_runtime) | {"worker": _name()}


class _IdleProcesses:
    """Processes between two images, by the order that they are for; those unused for `idle_s` end soon."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._idle: list[tuple[float, bytes, Workers]] = []
        self._timer: threading.Timer | None = None

    def take(self, order: bytes) -> Workers | None:
        """The one that was used last, for this thread alone until it is put back."""
        with self._lock:
            for place in reversed(range(len(self._idle))):
                if self._idle[place][1] == order:
                    return self._idle.pop(place)[2]
        return None

    def put_back(self, order: bytes, workers: Workers) -> None:
        """For the next image."""
        with self._lock:
            self._idle.append((time.monotonic(), order, workers))
            self._look_later()

    def _look_later(self) -> None:
        if self._timer is None and self._idle:
            self._timer = threading.Timer(self._idle_s / 2, self._end_old)
            self._timer.daemon = True
            self._timer.start()

    def _end_old(self) -> None:
        oldest_s = time.monotonic() - self._idle_s
        with self._lock:
            old = [workers for since_s, _, workers in self._idle if since_s <= oldest_s]
            self._idle = [idle for idle in self._idle if idle[0] > oldest_s]
            self._timer = None
            self._look_later()
        for workers in old:
            workers.__exit__()


_IDLE: Final = _IdleProcesses(IDLE_S)


def _looked_at(order: bytes, task: Task) -> Answer:
    workers = _IDLE.take(order) or _started(Order.from_bytes(order))
    try:
        [answer] = in_order(workers, [task])
    except BaseException:
        workers.__exit__()
        raise
    _IDLE.put_back(order, workers)
    return answer


def _started(order: Order) -> Workers:
    """A process that may look at images of this scan. Raises WorkerDiffers, ArchiveUnseen."""
    require_same_software(order.software, software_here(with_runtime=order.settings.model is not None))
    folder = Path(order.folder) if Path(order.folder).is_dir() else Path("/")
    if order.settings.pictures is not None and order.pictures_mark is not None:
        require_same_pictures(folder / order.settings.pictures, order.pictures_mark)
    workers = Workers(order.settings, 1, folder).__enter__()
    try:
        if order.known is not None:
            [answer] = in_order(workers, [order.known.task])
            order.known.require(answer)
    except BaseException:
        workers.__exit__()
        raise
    return workers


def _named(error: AllscopeError) -> AllscopeError:
    """The same error, saying whose it is."""
    return type(error)(f"Worker {_name()}: {error.what_happened}", error.next_step)


def _name() -> str:
    return f"{socket.gethostname()} (process {os.getpid()})"
