"""Nothing acknowledged is ever lost: not to SIGKILL, not to a power cut, not to a disk that refuses.

Each test runs `tests.system.crash.journal`, which forks services and kills them; that module says how. Here
a part of all instants is tried. ALLSCOPE_CRASHES=all tries every system call, 1,000 random instants, five
draws of every power cut, every refused write, and power cuts after refused flushes.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

ALL = os.environ.get("ALLSCOPE_CRASHES") == "all"
TRACING_PROBE = "from tests.system.crash.tracing import {0}; raise SystemExit(not {0}())"


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: SIGKILL does not ask which disk it was."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        yield Path(folder)


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=os.environ | one_thread,
        capture_output=True,
        text=True,
        timeout=3600 if ALL else 300,
        check=False,
    )


def need(ability: str) -> None:
    """Skip where the machine forbids tracing (a container without ptrace)."""
    if run_python("-c", TRACING_PROBE.format(ability)).returncode:
        pytest.skip(f"{ability} says no: ptrace is not allowed or not known here")


def survived(way: str, folder: Path, n: int) -> int:
    """How often the service died, or met a disk that refused, with nothing lost, torn or repaired."""
    done = run_python("-m", "tests.system.crash.journal", way, str(folder), str(n))
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["deaths"])


def test_killed_at_every_system_call_of_the_write_path(memory: Path) -> None:
    need("can_trace")
    assert survived("calls", memory, 1 if ALL else 11) > (800 if ALL else 70)


def test_killed_at_random_instants(memory: Path) -> None:
    n = 1000 if ALL else 50
    assert survived("random", memory, n) == n


def test_a_power_cut_after_every_write_leaves_what_was_acknowledged(memory: Path) -> None:
    need("can_trace")
    assert survived("power", memory, 5 if ALL else 1) > (800 if ALL else 150)


def test_a_disk_that_refuses_a_write_and_recovers_loses_and_doubles_nothing(memory: Path) -> None:
    need("can_refuse")
    assert survived("errors", memory, 1 if ALL else 10) > (400 if ALL else 30)


def test_a_refused_flush_and_a_power_cut_later_on_lose_nothing(memory: Path) -> None:
    """The kernel forgets what a refused flush was to bring: a log opened afresh then has lost bytes."""
    need("can_refuse")
    assert survived("flush", memory, 2 if ALL else 40) > (1000 if ALL else 50)
