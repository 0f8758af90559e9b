"""How long a fitted system takes for a cell, on one core, whatever else it could use.

A screening aid runs on a small machine, so the figure that compares systems is that of one core. Threads
of a numerical library exist by the time a system is fitted and cannot be told to go; on Linux they can be
confined to one core, all of them, and let loose again afterwards. What is counted is the processor's time,
not the clock's: whatever else runs on the machine then does not count.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alledge.types import F64, U8
from alltrain.literature.system import FittedSystem

N_SINGLE: Final = 8  # cells timed one at a time
N_BATCHED: Final = 64
_REPEATS: Final = 3
_THREADS: Final = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds of processor time a cell: shown one at a time, and many at once."""

    single_ms: float
    batched_ms: float


def measure_speed(fitted: FittedSystem, patches: U8, morphology: F64) -> Speed:
    """Time a system on the first of these cells; the least of three runs, as the one least disturbed.

    patches: (N, 50, 50, 3) uint8 RGB, N at least 1; morphology: (N, M) float64.
    """
    n_single, n_batched = min(N_SINGLE, len(patches)), min(N_BATCHED, len(patches))

    def one_at_a_time() -> None:
        for index in range(n_single):
            fitted.probabilities(patches[index : index + 1], morphology[index : index + 1])

    def at_once() -> None:
        fitted.probabilities(patches[:n_batched], morphology[:n_batched])

    with one_core():
        single_s, batched_s = _least_seconds(one_at_a_time), _least_seconds(at_once)
    return Speed(1000 * single_s / n_single, 1000 * batched_s / n_batched)


def _least_seconds(work: Callable[[], None]) -> float:
    seconds = []
    for _ in range(_REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def can_confine() -> bool:
    """Whether this system can confine a process to one core; elsewhere times are of all cores."""
    return hasattr(os, "sched_setaffinity") and _THREADS.is_dir()


@contextmanager
def one_core() -> Iterator[None]:
    """Within the block every thread of this process runs on one core, where the system allows it."""
    if not can_confine():
        yield
        return
    allowed = os.sched_getaffinity(0)
    _confine({min(allowed)})
    try:
        yield
    finally:
        _confine(allowed)


def _confine(cores: set[int]) -> None:
    for thread in _THREADS.iterdir():
        try:
            os.sched_setaffinity(int(thread.name), cores)
        except ProcessLookupError:
            continue  # it ended between being listed and being confined
