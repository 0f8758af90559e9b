"""One network in a process of its own that can be timed again and again, in turn with others.

Networks that are compared take turns of a fraction of a second: what else the machine does then slows
all of them alike, and their ratio holds where milliseconds do not.
"""

import io
import json
import subprocess
from dataclasses import asdict
from types import TracebackType
from typing import Final, TypedDict

import numpy as np

from allconvert.elsewhere import Runtime
from allconvert.timing import Inputs, Task

MODULE: Final = "allconvert.timing"


class _Answer(TypedDict, total=False):
    """What a child may say in a line."""

    failure: str
    before_mib: float | None
    times_ms: list[float]
    peak_mib: float | None


class Stopwatch:
    """A context manager around the child process.

    failure: why the network cannot be timed so, None when it can. rounds_ms: one list a round,
    milliseconds a patch. peak_mib, before_mib: memory of the process, and what of it was there before the
    network was loaded; None where the system does not tell.
    """

    def __init__(self, runtime: Runtime, task: Task, flatbuffer: bytes, inputs: Inputs) -> None:
        self._runtime, self._task = runtime, task
        self._flatbuffer, self._inputs = flatbuffer, inputs
        self.failure: str | None = None
        self.rounds_ms: list[list[float]] = []
        self.before_mib: float | None = None
        self.peak_mib: float | None = None

    def __enter__(self) -> "Stopwatch":
        self._child = subprocess.Popen(  # noqa: S603  (a Python that the user named)
            [self._runtime.python, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        files = io.BytesIO()
        np.save(files, self._inputs, allow_pickle=False)
        header = {
            **asdict(self._task),
            "flatbuffer_bytes": len(self._flatbuffer),
            "inputs_bytes": files.tell(),
        }
        self.before_mib = self._ask(
            json.dumps(header).encode() + b"\n" + self._flatbuffer + files.getvalue()
        ).get("before_mib")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        if kind is not None:
            self._child.kill()
        self._child.wait()

    def time(self, seconds: float, n_calls: int) -> None:
        """One more round of calls, until either limit is reached."""
        if self.failure is None:
            answer = self._ask(f"time {seconds} {n_calls}\n".encode())
            if self.failure is None:
                self.rounds_ms.append(answer["times_ms"])
                self.peak_mib = answer["peak_mib"]

    def _ask(self, words: bytes) -> _Answer:
        """Send words to the child and take its line; `failure` is set when there is none."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(words)
            self._child.stdin.flush()
        except BrokenPipeError:
            line = b""
        else:
            line = self._child.stdout.readline()
        answer: _Answer = json.loads(line) if line else {"failure": "its process ended"}
        self.failure = answer.get("failure")
        return answer
