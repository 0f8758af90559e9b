"""Golden vectors on the runtimes of this machine, and what happens when one answers otherwise."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from allconvert.bench import REBUILT, measure_everywhere
from allconvert.quantise import Proof
from allconvert.verify import check_everywhere, judge_answers
from alledge.classifier import installed_runtimes
from alledge.model_file import Golden, ModelFile, pack_model, parse_model, read_model

RUNNER = Path(__file__).parent / "golden_on_this_python.py"


@pytest.fixture(scope="module")
def model(converted: tuple[Proof, bytes]) -> ModelFile:
    return parse_model(converted[1], "made")


def test_every_runtime_and_kernel_set_of_this_machine_passes(model: ModelFile) -> None:
    checks = check_everywhere(model)
    assert [(check.runtime, check.kernels) for check in checks] == [
        (runtime, kernels) for runtime in installed_runtimes() for kernels in ("reference", "optimised")
    ]
    assert all(check.passed for check in checks)
    assert all(check.n >= 256 for check in checks)


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


def test_verify_prints_a_table_and_json(model_path: Path) -> None:
    table = allconvert("verify", model_path)
    assert table.returncode == 0
    assert table.stdout.count("passed") == 2 * len(installed_runtimes())
    checks = json.loads(allconvert("verify", model_path, "--json").stdout)
    assert all(check["passed"] for check in checks)
    assert table.stderr == ""


def test_verify_fails_a_model_whose_golden_vectors_do_not_hold(model: ModelFile, tmp_path: Path) -> None:
    wrong = (model.golden.outputs.astype(np.int16) // 2).astype(np.int8)
    path = tmp_path / "wrong.tflite"
    path.write_bytes(pack_model(model.flatbuffer, model.card, Golden(model.golden.patches, wrong)))
    done = allconvert("verify", path)
    assert done.returncode == 1
    assert done.stderr.startswith("error[self-test-failed]: ")
    assert "Traceback" not in done.stderr


def test_bench_times_every_way_against_an_interpreter_rebuilt_each_time(model: ModelFile) -> None:
    rows = list(measure_everywhere(model, 30))
    assert [(row.kernels, row.n_threads) for row in rows[:5]] == [
        (REBUILT, 1),
        ("reference", 1),
        ("reference", 2),
        ("optimised", 1),
        ("optimised", 2),
    ]
    assert all(0 < row.p50_ms <= row.p99_ms for row in rows)
    optimised = rows[3]
    assert optimised.times_faster > 2
    assert rows[0].times_faster == pytest.approx(1)


def test_golden_vectors_hold_bit_for_bit_on_tflite_runtime(model_path: Path) -> None:
    """The fall-back runtime needs numpy < 2, so it lives in an environment of its own (see the Makefile)."""
    python = os.environ.get("ALLSCOPE_TFLITE_RUNTIME_PYTHON")
    if not python:
        pytest.skip("no tflite-runtime here: ALLSCOPE_TFLITE_RUNTIME_PYTHON is not set (make test sets it)")
    probe = subprocess.run([python, "-c", "import tflite_runtime"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("tflite-runtime has no wheel for this Python (3.11 is the last)")
    done = subprocess.run([python, str(RUNNER), str(model_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    answers = json.loads(done.stdout)
    expected = read_model(model_path).golden.outputs.astype(int)
    assert np.array_equal(answers["reference"], expected)
    assert np.abs(np.array(answers["optimised"]) - expected).max() <= 1
    calls = judge_answers(
        read_model(model_path), np.array(answers["optimised"], dtype=np.int8), "tflite-runtime", "optimised"
    )
    assert calls.n_changed_calls == 0
