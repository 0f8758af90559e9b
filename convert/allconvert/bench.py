"""How long one patch takes, by runtime, kernels, threads and batch; against what else could have been used.

The baseline of every row is what a tutorial would have used: MobileNetV2-224 int8, one patch a call, one
thread, optimised kernels, the same runtime. Each row's network and the baseline take turns, round by
round. What else the machine does interrupts long calls more often than short ones and would flatter the
small network, so that ratios compare the fastest tenth of the calls, which nobody interrupted. A second
mistake of the field has a row of its own, the interpreter built anew for every patch.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from allconvert.elsewhere import Runtime, runtimes_of
from allconvert.other_networks import MOBILENET, MOBILENET_PX
from allconvert.stopwatch import Stopwatch
from allconvert.timing import Inputs, Task
from alledge.model_file import ModelFile
from alledge.strict_json import Json
from alledge.types import U8
from alltrain.datasets.parallel import n_cores

BASELINE: Final = f"{MOBILENET}, one patch a call, 1 thread, optimised kernels, same runtime"
ROUNDS: Final = 5
# A row ends after this time, whatever the number of patches: reference kernels are slow.
MAX_SECONDS: Final = 2.5
UNDISTURBED: Final = 0.1
N_INPUTS: Final = 16
# Aims of allscope for its own network, on the preferred runtime: a patch in milliseconds, and the ratio.
AIM_MS: Final = 0.1
AIM_TIMES_FASTER: Final = 50.0

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network to time. inputs: (N, H, W, 3), as many patches in turn."""

    name: str
    flatbuffer: bytes
    inputs: Inputs


@dataclass(frozen=True, slots=True)
class Latency:
    """One way to run one network.

    p10_ms: what a call takes that nobody interrupts. times_faster: than `BASELINE`, by that. peak_mib: of
    the whole process; network_mib: what of it came with the network. failure: why there are no figures,
    None when there are.
    """

    network: str
    n_bytes: int
    runtime: str
    version: str
    python: str
    kernels: str
    n_threads: int
    way: str
    n: int = 0
    p10_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    times_faster: float | None = None
    peak_mib: float | None = None
    network_mib: float | None = None
    failure: str | None = None

    def as_json(self) -> dict[str, Json]:
        """The row for --json."""
        return {**asdict(self)}


@dataclass(frozen=True, slots=True)
class Aim:
    """What allscope wants of its own network. other networks may miss it."""

    what: str
    limit: float
    value: float
    met: bool

    def as_json(self) -> dict[str, Json]:
        """The aim for --json."""
        return {**asdict(self)}


def networks_to_time(model: ModelFile, float_network: bytes | None, mobilenet: bytes) -> tuple[Network, ...]:
    """The model, its float form where there is one, and MobileNetV2-224 on the same patches, enlarged."""
    patches = model.golden.patches[:N_INPUTS]
    large: U8 = np.stack(
        [cv2.resize(patch, (MOBILENET_PX, MOBILENET_PX), interpolation=cv2.INTER_LINEAR) for patch in patches]
    ).astype(np.uint8)
    networks = [Network(f"{model.name} int8", model.flatbuffer, patches)]
    if float_network is not None:
        networks.append(Network(f"{model.name} float", float_network, patches.astype(np.float32)))
    return (*networks, Network(MOBILENET, mobilenet, large))


def tasks_for(runtime: str, is_preferred: bool) -> tuple[Task, ...]:
    """Ways to run a network on a runtime: kernels, threads and batch; the baseline's way first.

    The preferred runtime, which is the device's, is timed in two ways more.
    """
    n_threads = max(2, n_cores())
    both = (
        Task(runtime, "optimised", 1, "single"),
        Task(runtime, "optimised", n_threads, "single"),
        Task(runtime, "optimised", 1, "batch of 8"),
        Task(runtime, "optimised", n_threads, "batch of 8"),
        Task(runtime, "optimised", 1, "rebuilt"),
    )
    if not is_preferred:
        return both
    return (*both, Task(runtime, "optimised", 1, "eight calls"), Task(runtime, "reference", 1, "single"))


def measure_everywhere(
    networks: tuple[Network, ...],
    n: int,
    pythons: Iterable[Path] = (),
    progress: Progress = lambda _what, _done, _total: None,
) -> Iterator[Latency]:
    """Latencies of networks, the last of which is the baseline, on every runtime.

    n: calls a row, at most. Raises RuntimeMissing when a Python cannot be asked.
    """
    runtimes = runtimes_of(pythons)
    runs = [
        (runtime, task) for runtime in runtimes for task in tasks_for(runtime.name, runtime is runtimes[0])
    ]
    for done, (runtime, task) in enumerate(runs):
        progress("timing", done, len(runs))
        yield from _measure(runtime, task, networks, n)
    progress("timing", len(runs), len(runs))


def aims_of(rows: Iterable[Latency], name: str) -> tuple[Aim, ...]:
    """How the network called `name` stands to our aims, on the preferred runtime; empty without figures."""
    chosen = [
        row
        for row in rows
        if (row.network, row.kernels, row.n_threads, row.way) == (name, "optimised", 1, "single")
        and row.failure is None
    ][:1]
    aims = []
    for row in chosen:
        assert row.p50_ms is not None
        assert row.times_faster is not None
        aims = [
            Aim("milliseconds a patch, at most", AIM_MS, row.p50_ms, row.p50_ms <= AIM_MS),
            Aim(
                f"times faster than {MOBILENET}, at least",
                AIM_TIMES_FASTER,
                row.times_faster,
                row.times_faster >= AIM_TIMES_FASTER,
            ),
        ]
    return tuple(aims)


def _measure(runtime: Runtime, task: Task, networks: tuple[Network, ...], n: int) -> Iterator[Latency]:
    """The rows of one way to run networks, timed in turn with the baseline."""
    baseline = networks[-1]
    # Reference kernels need seconds for MobileNet, and nobody would use them for speed.
    timed = networks[:1] if task.kernels == "reference" else networks
    with ExitStack() as stack:
        base = stack.enter_context(_watch(runtime, tasks_for(runtime.name, False)[0], baseline))
        watches = [stack.enter_context(_watch(runtime, task, network)) for network in timed]
        for _ in range(ROUNDS):
            for watch in (base, *watches):
                watch.time(MAX_SECONDS / ROUNDS, -(-n // ROUNDS))
    for network, watch in zip(timed, watches, strict=True):
        yield _latency(runtime, task, network, watch, base)


def _watch(runtime: Runtime, task: Task, network: Network) -> Stopwatch:
    return Stopwatch(runtime, task, network.flatbuffer, network.inputs)


def _latency(runtime: Runtime, task: Task, network: Network, watch: Stopwatch, base: Stopwatch) -> Latency:
    where = (network.name, len(network.flatbuffer), runtime.name, runtime.version, runtime.python_version)
    how = (task.kernels, task.n_threads, task.way)
    if watch.failure is not None or not watch.rounds_ms:
        return Latency(*where, *how, failure=watch.failure or "no call ended")
    p10, p50, p99 = _quantiles(watch, (UNDISTURBED, 0.5, 0.99))
    slow = None if base.failure is not None or not base.rounds_ms else _quantiles(base, (UNDISTURBED,))[0]
    peak, before = watch.peak_mib, watch.before_mib
    return Latency(
        *where,
        *how,
        n=sum(map(len, watch.rounds_ms)),
        p10_ms=p10,
        p50_ms=p50,
        p99_ms=p99,
        times_faster=None if slow is None else slow / p10,
        peak_mib=peak,
        network_mib=None if peak is None or before is None else peak - before,
    )


def _quantiles(watch: Stopwatch, shares: tuple[float, ...]) -> list[float]:
    """Milliseconds a patch under which these shares of a network's calls lie."""
    return [float(value) for value in np.quantile(np.concatenate(watch.rounds_ms), shares)]
