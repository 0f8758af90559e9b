"""The one module that knows Dask: images go in, lines of bytes come out, its errors become ours.

Imported only when a cluster was asked for. Dask keeps nothing of ours: when its scheduler dies it forgets
all images under way, and what is done lies in the working file of the scan.
"""

import asyncio
import contextlib
import logging
import re
import threading
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Self

from alledge.scanning.refusals import (
    ClusterExtraMissing,
    ClusterLost,
    ClusterUnreachable,
    WorkerDiffers,
    WorkersFailed,
)

try:
    from distributed import Client, Future, KilledWorker, Security
except ImportError as missing:
    raise ClusterExtraMissing(
        f"Workers of a cluster need Dask, which is not installed ({missing}).",
        "Install it: `pip install 'allscope[cluster]'`.",
    ) from missing

RESUME: Final = "When it is there again, go on with --resume."
_START: Final = "Start one with `dask scheduler`, and give its address or its --scheduler-file."
_ADDRESS: Final = re.compile(r"((tcp|tls|ucx|ws|wss)://)?[^/]+:\d+/?")
_IN_FILE: Final = re.compile(r'"address":\s*"([^"]*)"')
_NOT_THERE: Final = ("ModuleNotFoundError", "ImportError", "AttributeError")
_CLOSE_S: Final = 5.0
_CONNECT_S: Final = 120.0
_ANSWER_S: Final = 60.0  # a scheduler that is stopped, or whose machine hangs, breaks no connection
_MOMENT_S: Final = 0.2
_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Lost:
    """In the place of an answer: the workers that had the image were lost, so many times."""

    n_times: int


class DaskClient:
    """A connection to a scheduler. Raises ClusterLost from every method once that is gone."""

    def __init__(self, client: Client) -> None:
        self._client = client
        assert client.loop is not None
        self._loop = client.loop
        self._came: SimpleQueue[tuple[int, Future[bytes], bytes | BaseException]] = SimpleQueue()

    @classmethod
    def connect(cls, scheduler: str) -> Self:
        """Connects to an address (`tcp://host:8786`, `tls://host:8786`) or to what a scheduler file names.

        Certificates are those of Dask's own configuration. Raises ClusterUnreachable.
        """
        for name in ("distributed", "distributed.client", "distributed.core"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # said once, as an error of ours
        address = _address(scheduler)
        try:
            security = _security(address)
            name = "alledge-scan"
            return cls(
                _connected(lambda: Client(address, security=security, name=name, set_as_default=False))
            )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise ClusterUnreachable(
                f"No scheduler of Dask can be reached at {scheduler} ({_in_words(error)}).", _START
            ) from error

    def close(self) -> None:
        """Gives up all images under way."""
        with contextlib.suppress(OSError, CancelledError, RuntimeError):
            self._client.close(timeout=_CLOSE_S)

    def n_threads(self) -> dict[str, int]:
        """Images that each worker can look at at once, by address."""
        with self._translated():
            return dict(self._client.nthreads(callback_timeout=_ANSWER_S))

    def ask_each(self, question: Callable[[], dict[str, str]]) -> list[dict[str, str]]:
        """What the workers answer; nothing of those that left meanwhile.

        Raises WorkerDiffers when one cannot answer, as without this package.
        """
        with self._translated():
            answers = self._client.run(question, on_error="return")
        for address, answer in answers.items():
            if isinstance(answer, Exception) and not isinstance(answer, OSError):
                raise _unable(f"Worker {address}", answer)
        return [answer for answer in answers.values() if not isinstance(answer, Exception)]

    def submit(self, number: int, name: str, look: Callable[[bytes, bytes], bytes], *told: bytes) -> None:
        """Has images looked at by any worker.

        number: comes back with the answers. name: of nothing else of anybody.
        """
        with self._translated():
            future = self._client.submit(look, *told, key=name, pure=False)
            self._loop.add_callback(self._fetch, number, future)

    def answers(self) -> Iterator[tuple[int, bytes | Lost]]:
        """Those that have come since, each once; waits a moment for the first.

        Raises WorkerDiffers when a worker cannot run our program, WorkersFailed when that fails.
        """
        with self._translated():
            for number, future, result in self._came_since():
                if isinstance(result, OSError) and future.status != "error":  # between here and the answer
                    self._loop.add_callback(self._fetch, number, future, _AGAIN_S)
                else:
                    yield number, _answer_of(future, result)

    async def _fetch(self, number: int, future: "Future[bytes]", after_s: float = 0.0) -> None:
        """Runs in Dask's own thread, and tells the one that waits whatever it comes to."""
        try:
            await asyncio.sleep(after_s)
            result = await self._client.gather(future, asynchronous=True)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - told to the thread that waits
            result = error
        self._came.put((number, future, result))

    def _came_since(self) -> Iterator[tuple[int, "Future[bytes]", bytes | BaseException]]:
        if self._client.status != "running":
            raise OSError("the connection broke")
        with contextlib.suppress(Empty):
            yield self._came.get(timeout=_MOMENT_S)
            while True:
                yield self._came.get_nowait()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CancelledError, RuntimeError) as error:
            raise ClusterLost(f"The scheduler went away ({_in_words(error)}).", RESUME) from error


def _answer_of(future: "Future[bytes]", result: bytes | BaseException) -> bytes | Lost:
    if isinstance(result, bytes):
        return result
    if future.status != "error":
        raise OSError("it dropped our images")
    if isinstance(result, KilledWorker):
        return Lost(result.allowed_failures + 1)
    raise _unable("The cluster", result)


def _connected(connect: Callable[[], Client]) -> Client:
    """Dask waits for ever for a scheduler that takes a connection and then says nothing; here not."""
    came: SimpleQueue[Client | Exception] = SimpleQueue()

    def run() -> None:
        try:
            came.put(connect())
        except Exception as error:  # noqa: BLE001 - raised again by the one that waits
            came.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = came.get(timeout=_CONNECT_S)
    except Empty:
        raise TimeoutError(f"no answer for {_CONNECT_S:g} s") from None
    if isinstance(result, Exception):
        raise result
    return result


def _security(address: str) -> Security:
    """The certificates of Dask's configuration. Raises OSError, ValueError when they cannot be used."""
    security = Security()
    if address.startswith("tls") and security.get_connection_args("client")["ssl_context"] is None:
        raise ValueError("Dask's configuration names no certificates")
    return security


def _address(scheduler: str) -> str:
    """What is given, or what a scheduler file of that name says.

    Raises ClusterUnreachable when it is neither.
    """
    address = scheduler
    with contextlib.suppress(OSError):
        found = _IN_FILE.search(Path(scheduler).read_text(errors="replace"))
        address = found[1] if found else ""
    if not _ADDRESS.fullmatch(address):
        raise ClusterUnreachable(f"{scheduler} is no address and no file of a scheduler.", _START)
    return address


def _unable(worker: str, error: BaseException) -> WorkerDiffers | WorkersFailed:
    """Our program did not run there at all: mostly because it is not there."""
    while error.__cause__ is not None:
        error = error.__cause__
    why = _in_words(error)
    if any(name in why for name in _NOT_THERE):  # Dask may tell an error by its name only
        return WorkerDiffers(
            f"{worker} does not have the allscope of this machine ({why}).",
            "Install the same on the scheduler and on every worker, and go on with --resume.",
        )
    return WorkersFailed(f"{worker} failed ({why}).", "Look at its log, and go on with --resume.")


def _in_words(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0].rstrip('.')}" if first else type(error).__name__
