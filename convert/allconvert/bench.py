"""How long one patch takes on this machine, by runtime, kernels and threads; and what careless code costs.

The baseline is the field's own mistake: an interpreter built anew for every patch, as many examples
for the Raspberry Pi do it. Every other row says how many times faster it is than that.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from alledge.classifier import Int8Network
from alledge.model_file import ModelFile
from alledge.runtimes import KERNELS, Kernels, installed_runtimes, runtime_version
from alledge.strict_json import Json
from alledge.types import U8

THREADS: Final = (1, 2)
WARM_UP: Final = 5
# The slowest (reference kernels) ends after this time, whatever the number of patches.
MAX_SECONDS: Final = 3.0
REBUILT: Final = "rebuilt for every patch"


@dataclass(frozen=True, slots=True)
class Latency:
    """Time a patch of one way to run the network. times_faster: than the rebuilt interpreter, by median."""

    runtime: str
    version: str
    kernels: str
    n_threads: int
    n: int
    p50_ms: float
    p99_ms: float
    times_faster: float

    def as_json(self) -> dict[str, Json]:
        """The row for --json."""
        return {**asdict(self)}


def measure_everywhere(model: ModelFile, n: int) -> Iterator[Latency]:
    """Latencies on every installed runtime, the baseline of each runtime first. n: patches a row, at most."""
    patches = model.golden.patches
    for runtime in installed_runtimes():
        rebuilt = _milliseconds(_rebuilding(model.flatbuffer, runtime), _in_turn(patches, min(n, 50)))
        yield _latency(runtime, REBUILT, 1, rebuilt, rebuilt)
        for kernels in KERNELS:
            for n_threads in THREADS:
                network = Int8Network(model.flatbuffer, runtime, kernels, n_threads)
                times = _milliseconds(network.int8_logits, _in_turn(patches, n))
                yield _latency(runtime, kernels, n_threads, times, rebuilt)


def _rebuilding(flatbuffer: bytes, runtime: str) -> Callable[[U8], object]:
    kernels: Kernels = "optimised"
    return lambda patch: Int8Network(flatbuffer, runtime, kernels).int8_logits(patch)


def _in_turn(patches: U8, n: int) -> Iterator[U8]:
    """N batches of one patch, (1, 50, 50, 3)."""
    for index in range(n):
        row = index % len(patches)
        yield patches[row : row + 1]


def _milliseconds(run: Callable[[U8], object], batches: Iterable[U8]) -> list[float]:
    """Wall time of each call in milliseconds, the first few left out, within `MAX_SECONDS`."""
    times: list[float] = []
    began = time.perf_counter()
    for index, batch in enumerate(batches):
        start = time.perf_counter()
        run(batch)
        end = time.perf_counter()
        if index >= WARM_UP:
            times.append(1e3 * (end - start))
        if end - began > MAX_SECONDS and times:
            break
    return times


def _latency(runtime: str, kernels: str, n_threads: int, times: list[float], rebuilt: list[float]) -> Latency:
    p50, p99 = (float(value) for value in np.quantile(times, [0.5, 0.99]))
    return Latency(
        runtime=runtime,
        version=runtime_version(runtime),
        kernels=kernels,
        n_threads=n_threads,
        n=len(times),
        p50_ms=p50,
        p99_ms=p99,
        times_faster=float(np.median(rebuilt)) / p50,
    )
