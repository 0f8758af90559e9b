"""Times that can be believed: in turn with the baseline, memory of one network a process, nothing made up."""

import json
from dataclasses import replace

import numpy as np
import pytest

from allconvert import bench
from allconvert.bench import Latency, Network, aims_of, measure_everywhere, networks_to_time, tasks_for
from allconvert.elsewhere import Runtime, runtimes_of
from allconvert.machine import this_machine
from allconvert.other_networks import MOBILENET
from allconvert.stopwatch import Stopwatch
from allconvert.timing import Task, time_calls
from alledge.model_file import parse_model
from tests.edge.tiny_model import TinyNetwork, tiny_model_bytes, tiny_patches

TINY = TinyNetwork().build()
PATCHES = tiny_patches(4)


@pytest.fixture(scope="module")
def litert() -> Runtime:
    return next(runtime for runtime in runtimes_of() if runtime.name == "litert")


@pytest.fixture(scope="module")
def rows(litert: Runtime) -> list[Latency]:
    """A tiny network against itself in the baseline's place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "runtimes_of", lambda pythons: (litert,))
        networks = (Network("tiny", TINY, PATCHES), Network(MOBILENET, TINY, PATCHES))
        return list(measure_everywhere(networks, 40))


def test_every_way_is_timed_and_reference_kernels_only_for_the_model(rows: list[Latency]) -> None:
    tiny = [(row.kernels, row.n_threads, row.way) for row in rows if row.network == "tiny"]
    assert tiny == [(task.kernels, task.n_threads, task.way) for task in tasks_for("litert", True)]
    assert {row.kernels for row in rows if row.network == MOBILENET} == {"optimised"}


def test_figures_are_in_order_and_of_as_many_calls_as_they_say(rows: list[Latency]) -> None:
    for row in rows:
        if row.failure is None:
            assert row.p10_ms is not None
            assert row.p50_ms is not None
            assert row.p99_ms is not None
            assert 0 < row.p10_ms <= row.p50_ms <= row.p99_ms
            assert 5 <= row.n <= 40


def test_a_network_is_as_fast_as_itself_and_slower_when_rebuilt(rows: list[Latency]) -> None:
    """Against itself in the baseline's place, so that the ratios are known."""
    times = {row.way: row.times_faster for row in rows if row.network == MOBILENET and row.n_threads == 1}
    assert times["single"] == pytest.approx(1, rel=0.5)
    assert times["rebuilt"] is not None
    assert times["rebuilt"] < 0.5


def test_memory_is_of_the_network_and_not_of_the_runtime(rows: list[Latency]) -> None:
    for row in rows:
        if row.failure is None:
            assert row.peak_mib is not None
            assert row.network_mib is not None
            assert 0 <= row.network_mib < row.peak_mib < 1000


def test_a_batch_of_eight_is_timed_or_the_reason_is_told(rows: list[Latency]) -> None:
    eight = [row for row in rows if row.way == "batch of 8"]
    assert eight
    assert all((row.failure is None) == (row.p50_ms is not None) for row in eight)


def test_a_network_that_breaks_a_runtime_is_a_row_with_a_reason(litert: Runtime) -> None:
    with Stopwatch(litert, Task("litert", "optimised", 1, "single"), TINY[:100], PATCHES) as watch:
        watch.time(0.1, 5)
    assert watch.failure
    assert not watch.rounds_ms


def test_a_process_that_ends_is_a_row_with_a_reason(litert: Runtime) -> None:
    gone = replace(litert, python="/bin/false")
    with Stopwatch(gone, Task("litert", "optimised", 1, "single"), TINY, PATCHES) as watch:
        watch.time(0.1, 5)
    assert watch.failure == "its process ended"


def test_calls_stop_at_either_limit_and_the_first_ones_do_not_count() -> None:
    assert len(time_calls(lambda index: 1, 10.0, 20)) == 20
    assert len(time_calls(lambda index: 1, 0.0, 20)) == 1


def test_the_aims_are_judged_on_one_patch_a_call_on_one_thread() -> None:
    row = Latency("ours", 1, "litert", "2", "3.11", "optimised", 1, "single", 9, 0.04, 0.05, 0.06, 49.0)
    other = replace(row, n_threads=2, p50_ms=0.5)
    assert [aim.met for aim in aims_of([other, row], "ours")] == [True, False]
    assert aims_of([other], "ours") == ()


def test_mobilenet_gets_the_same_patches_enlarged() -> None:
    model = parse_model(tiny_model_bytes(), "tiny")
    networks = networks_to_time(model, b"float", b"mobilenet")
    assert [network.inputs.shape[1:] for network in networks] == [(50, 50, 3), (50, 50, 3), (224, 224, 3)]
    assert [network.inputs.dtype.name for network in networks] == ["uint8", "float32", "uint8"]
    assert np.array_equal(networks[0].inputs, model.golden.patches[:16])


def test_the_machine_and_how_busy_it_was_are_told() -> None:
    machine = this_machine()
    assert machine.n_cores >= 1
    assert json.dumps(machine.as_json())
    assert machine.processor in str(machine)
