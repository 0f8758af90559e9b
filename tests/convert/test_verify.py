"""Golden vectors on the runtimes of this machine, and what happens when one answers otherwise."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from allconvert.elsewhere import runtimes_of
from allconvert.quantise import Proof
from allconvert.verify import check_everywhere, check_kernels, judge_answers
from allconvert.workstation import runtimes_here
from alledge.model_file import Golden, ModelFile, pack_model, parse_model
from alledge.runtimes import KERNELS, RUNTIMES, installed_runtimes


@pytest.fixture(scope="module")
def model(converted: tuple[Proof, bytes]) -> ModelFile:
    return parse_model(converted[1], "made")


def test_every_runtime_and_kernel_set_of_this_python_passes(model: ModelFile) -> None:
    """TensorFlow's own interpreter among them."""
    checks = check_everywhere(model)
    assert [(check.runtime, check.kernels) for check in checks] == [
        (runtime, kernels)
        for runtime in (*installed_runtimes(), "tensorflow")
        for kernels in ("reference", "optimised")
    ]
    assert all(check.passed for check in checks)
    assert all(check.n >= 256 for check in checks)
    assert all(check.n_different == 0 for check in checks if check.kernels == "reference")


def test_reference_kernels_may_not_be_a_single_step_off(model: ModelFile) -> None:
    answered = model.golden.outputs.copy()
    answered[17, 0] += 1 if answered[17, 0] < 127 else -1
    assert not judge_answers(model, answered, "litert", "reference").passed
    assert judge_answers(model, answered, "litert", "optimised").passed


def test_optimised_kernels_may_not_be_two_steps_off(model: ModelFile) -> None:
    answered = model.golden.outputs.copy()
    answered[17, 0] += 2 if answered[17, 0] < 126 else -2
    check = judge_answers(model, answered, "litert", "optimised")
    assert (check.n_different, check.largest_step, check.passed) == (1, 2, False)


def test_a_changed_call_fails_whatever_the_step(model: ModelFile) -> None:
    sensitive = replace(model.card, review_band=(0.0, 1.0), threshold=0.5)
    outputs = np.zeros_like(model.golden.outputs)
    on_edge = replace(model, card=sensitive, golden=Golden(model.golden.patches, outputs))
    answered = outputs.copy()
    answered[0] = (1, 0)
    check = judge_answers(on_edge, answered, "litert", "optimised")
    assert check.largest_step == 1
    assert check.n_changed_calls == 1
    assert not check.passed


def allconvert(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "allconvert"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_verify_prints_a_table(model_path: Path) -> None:
    table = allconvert("verify", model_path)
    assert table.returncode == 0, table.stderr
    assert table.stdout.count("passed") == 2 * len(runtimes_here())


def test_verify_fails_a_model_whose_golden_vectors_do_not_hold(model: ModelFile, tmp_path: Path) -> None:
    wrong = (model.golden.outputs.astype(np.int16) // 2).astype(np.int8)
    path = tmp_path / "wrong.tflite"
    path.write_bytes(pack_model(model.flatbuffer, model.card, Golden(model.golden.patches, wrong)))
    done = allconvert("verify", path, "--json")
    assert done.returncode == 1
    assert not any(check["passed"] for check in json.loads(done.stdout))
    assert done.stderr.splitlines()[-1].startswith("error[self-test-failed]: ")
    assert "Traceback" not in done.stderr


def test_the_runtimes_of_another_python_are_asked_too(model: ModelFile, model_path: Path) -> None:
    """The fall-back runtime needs numpy < 2, so it lives in an environment of its own (see the Makefile)."""
    python = os.environ.get("ALLSCOPE_TFLITE_RUNTIME_PYTHON")
    if not python:
        pytest.skip("no tflite-runtime here: ALLSCOPE_TFLITE_RUNTIME_PYTHON is not set (make test sets it)")
    runtimes = [runtime for runtime in runtimes_of([Path(python)]) if runtime.name == "tflite-runtime"]
    if not runtimes:
        pytest.skip("tflite-runtime has no wheel for this Python (3.11 is the last)")
    checks = [check_kernels(model, runtimes[0], kernels) for kernels in KERNELS]
    assert [(check.version, check.passed) for check in checks] == [("2.14.0", True)] * 2
    assert checks[0].n_different == 0


def test_a_runtime_that_breaks_down_fails_and_the_others_are_asked_all_the_same(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = runtimes_of()[0]
    broken = replace(here, name="tflite-runtime", python="/bin/false")
    monkeypatch.setattr("allconvert.verify.runtimes_of", lambda pythons: (broken, here))
    checks = check_everywhere(model)
    assert [check.passed for check in checks] == [False, False, True, True]
    assert checks[0].breakdown == "its process ended with status 1"


def test_a_network_that_a_runtime_refuses_has_its_reason_in_the_table(model: ModelFile) -> None:
    refused = replace(model, flatbuffer=model.flatbuffer[:8])
    check = check_kernels(refused, runtimes_of()[0], "reference")
    assert not check.passed
    assert check.breakdown is not None
    assert "broken inside" in check.breakdown


@pytest.mark.parametrize(("python", "words"), [("/no/such/python", "started"), ("/bin/false", "allscope")])
def test_a_python_that_cannot_be_asked_is_wrong_input(model_path: Path, python: str, words: str) -> None:
    done = allconvert("verify", model_path, "--python", python)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error[runtime-missing]: ")
    assert words in done.stderr


def test_the_device_never_hears_of_tensorflow() -> None:
    assert "tensorflow" not in RUNTIMES
    assert "tensorflow" in [name for name, _ in runtimes_here()]
