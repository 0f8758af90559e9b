"""The child's side of `stopwatch`: one network in one interpreter, timed when told to.

One interpreter a process, so that the peak memory is that network's alone. The first line on standard
input is JSON (`Task`, and the sizes of the two files behind it), then come the flatbuffer and an .npy
file of inputs. After that each line `time SECONDS CALLS` is answered with a line of JSON.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from allconvert.workstation import open_on_workstation
from alledge.errors import AllscopeError
from alledge.runtimes import Interpreter, Kernels

# How patches are handed over: one a call, one a call to an interpreter built for it, eight calls of one,
# or one call of eight.
Way: TypeAlias = Literal["single", "rebuilt", "eight calls", "batch of 8"]
BATCH: Final = 8
WARM_UP: Final = 3
STATUS: Final = Path("/proc/self/status")

Inputs: TypeAlias = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Task:
    """What to time. n_threads: within one call."""

    runtime: str
    kernels: Kernels
    n_threads: int
    way: Way


def peak_mib() -> float | None:
    """Most memory this process ever had resident, MiB (VmHWM); None where the kernel does not tell."""
    if not STATUS.exists():
        return None
    lines = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else None


def prepare(task: Task, flatbuffer: bytes, inputs: Inputs) -> Callable[[int], int]:
    """A function that hands over the inputs once, from the index given, and returns how many it took."""
    if task.way == "rebuilt":
        return lambda index: _Caller(task, flatbuffer, 1).call(inputs[_wrapped(index, inputs)])
    caller = _Caller(task, flatbuffer, BATCH if task.way == "batch of 8" else 1)
    if task.way == "batch of 8":
        eight = inputs[np.arange(BATCH) % len(inputs)]
        return lambda _index: caller.call(eight)
    if task.way == "eight calls":
        return lambda index: sum(caller.call(inputs[_wrapped(index + step, inputs)]) for step in range(BATCH))
    return lambda index: caller.call(inputs[_wrapped(index, inputs)])


def time_calls(run: Callable[[int], int], seconds: float, n_calls: int) -> list[float]:
    """Milliseconds a patch of each call, until either limit; the first calls warm up and do not count."""
    times: list[float] = []
    began = time.perf_counter()
    for index in range(WARM_UP + n_calls):
        start = time.perf_counter()
        n_patches = run(index)
        end = time.perf_counter()
        if index >= WARM_UP:
            times.append(1e3 * (end - start) / n_patches)
        if end - began > seconds and times:
            break
    return times


def serve(commands: BinaryIO, answers: Callable[[object], None]) -> None:
    """Read a task, build its interpreter, and time it as often as told."""
    header = json.loads(commands.readline())
    flatbuffer = commands.read(header.pop("flatbuffer_bytes"))
    inputs = np.load(io.BytesIO(commands.read(header.pop("inputs_bytes"))), allow_pickle=False)
    task = Task(**header)
    try:
        _import_runtime(task)
        before = peak_mib()
        run = prepare(task, flatbuffer, inputs)
        run(0)
    except (AllscopeError, RuntimeError, ValueError) as error:
        answers({"failure": " ".join(str(error).split())[:160]})
        return
    answers({"before_mib": before})
    for line in commands:
        _, seconds, n_calls = line.split()
        answers({"times_ms": time_calls(run, float(seconds), int(n_calls)), "peak_mib": peak_mib()})


class _Caller:
    """An interpreter with its input buffer. n: patches a call."""

    def __init__(self, task: Task, flatbuffer: bytes, n: int) -> None:
        _, self._interpreter = open_on_workstation(flatbuffer, task.runtime, task.kernels, task.n_threads)
        self._input, self._output = (_index(self._interpreter, end) for end in ("input", "output"))
        self._n = n
        if n > 1:
            shape = self._interpreter.get_input_details()[0]["shape"]
            assert isinstance(shape, np.ndarray)
            self._interpreter.resize_tensor_input(self._input, [n, *shape[1:].tolist()])
            self._interpreter.allocate_tensors()

    def call(self, inputs: Inputs) -> int:
        """Hand over n inputs and take the outputs; n."""
        self._interpreter.set_tensor(self._input, inputs)
        self._interpreter.invoke()
        answered = self._interpreter.get_tensor(self._output)
        if len(answered) != self._n:
            raise ValueError(f"{len(answered)} answers to {self._n} patches")
        return self._n


def _index(interpreter: Interpreter, end: str) -> int:
    details = interpreter.get_input_details() if end == "input" else interpreter.get_output_details()
    index = details[0]["index"]
    assert isinstance(index, int | np.integer)
    return int(index)


def _wrapped(index: int, inputs: Inputs) -> slice:
    row = index % len(inputs)
    return slice(row, row + 1)


def _import_runtime(task: Task) -> None:
    """Load the runtime with a model of nothing, so that its own memory is not taken for the network's."""
    try:
        open_on_workstation(b"", task.runtime, task.kernels)
    except AllscopeError:
        return


def _print_line(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, _print_line)
