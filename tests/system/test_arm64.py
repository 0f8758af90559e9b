"""The model on 64-bit Arm: the same golden vectors and the same calls as here, in an emulated userland."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from allconvert.elsewhere import Runtime, runtimes_of
from allconvert.verify import check_kernels
from alledge.model_file import read_model
from tests.system.processes import run_command

REPOSITORY = Path(__file__).resolve().parents[2]
CANNOT = 77
CAMERA = "phantom:seed=20261"
# A mark and no skip in a fixture: no model is fitted for tests that do not run.
pytestmark = pytest.mark.skipif(
    not (os.environ.get("ALLSCOPE_ARM64") or os.environ.get("ALLSCOPE_ARM64_ROOT")),
    reason="arm64 is emulated where asked for: ALLSCOPE_ARM64=1, as root (docs/runtimes.md)",
)


@pytest.fixture(scope="module")
def root() -> Path:
    """An arm64 root file system with alledge in it, made by scripts/arm64."""
    script = [REPOSITORY / "scripts" / "arm64", "--prepare"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("ALLSCOPE_ARM64_ROOT") or cache / "allscope" / "arm64")


@pytest.fixture(scope="module")
def arm64(root: Path) -> Runtime:
    """LiteRT on the core of a Raspberry Pi 4."""
    found = [runtime for runtime in runtimes_of([root / "python-cortex-a72"]) if runtime.machine == "aarch64"]
    assert [runtime.name for runtime in found] == ["litert"]
    return found[0]


def test_golden_vectors_hold_bit_for_bit_on_reference_kernels(model: Path, arm64: Runtime) -> None:
    check = check_kernels(read_model(model), arm64, "reference")
    assert (check.n_different, check.n_changed_calls, check.passed) == (0, 0, True)


def test_golden_vectors_hold_within_a_step_on_optimised_kernels(model: Path, arm64: Runtime) -> None:
    assert check_kernels(read_model(model), arm64, "optimised").passed


def test_a_field_has_the_same_cells_with_the_same_calls(model: Path, root: Path, arm64: Runtime) -> None:
    """From the lamp's colour to the call; probabilities within what a step of int8 moves them."""
    (root / "model.tflite").write_bytes(model.read_bytes())
    snap = ["-c", "from alledge.cli import main; main()", "snap", "--camera", CAMERA, "--json"]
    done = subprocess.run(
        [arm64.python, *snap, "--model", "/model.tflite"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    here = json.loads(
        run_command("alledge", "snap", "--camera", CAMERA, "--json", "--model", model).must_succeed().out
    )
    assert len(there["cells"]) == len(here["cells"]) > 0
    moved = [one_moved(ours, theirs) for ours, theirs in zip(here["cells"], there["cells"], strict=True)]
    assert sum(moved) <= len(moved) // 2
    assert without_cells(there) == without_cells(here)


def one_moved(ours: dict[str, object], theirs: dict[str, object]) -> bool:
    """Whether the probabilities of a cell differ; nothing else may."""
    assert {**theirs, "p": None} == {**ours, "p": None}
    assert isinstance(ours["p"], dict)
    assert theirs["p"] == pytest.approx(ours["p"], abs=0.05)
    return theirs["p"] != ours["p"]


def without_cells(field: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in field.items() if name != "cells"}
