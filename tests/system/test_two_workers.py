"""Two workers, as two real processes on loopback, fit one run: what one process would have fitted."""

import hashlib
import json
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.system.processes import BIN, Finished, run_command

OPTIONS = ("--folds", "2", "--epochs", "1", "--seed", "1", "--json")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all runs of this module lie in."""
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def one(study: Path, runs: Path) -> Path:
    """The run of one process."""
    run_command("alltrain", "fit", study, "--out", runs / "one", *OPTIONS).must_succeed()
    return runs / "one"


@pytest.fixture(scope="module")
def two(study: Path, runs: Path) -> tuple[Finished, ...]:
    """What the chief and the other worker said; each was given an --out of its own."""
    return fit_together(study, runs / "chief", runs / "other")


def fit_together(study: Path, *outs: Path) -> tuple[Finished, ...]:
    """Runs `alltrain fit` once for each folder, as workers of one cluster."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(len(outs))]
    running = []
    for index, out in enumerate(outs):
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        running.append(
            subprocess.Popen(
                [str(BIN / "alltrain"), "fit", str(study), "--out", str(out), *OPTIONS],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"TF_CONFIG": json.dumps(config), "NO_COLOR": "1", "COLUMNS": "200"},
            )
        )
    try:
        said = [process.communicate(timeout=600) for process in running]
    finally:
        for process in running:
            process.kill()
    return tuple(Finished(p.returncode, *words) for p, words in zip(running, said, strict=True))


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    holders = [socket.socket() for _ in range(n)]
    for holder in holders:
        holder.bind(("127.0.0.1", 0))
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def weights_of(run: Path, fold: int | None = None) -> list[np.ndarray]:
    from alltrain.run_folder import load_model

    return load_model(run, fold).get_weights()


def test_both_workers_succeed_and_only_the_chief_leaves_a_run(
    two: tuple[Finished, ...], runs: Path, one: Path
) -> None:
    chief, other = (finished.must_succeed() for finished in two)
    assert json.loads(chief.out)["figures"]["accuracy"]["n"] > 0
    assert other.out == ""
    assert {path.name for path in (runs / "chief").iterdir()} == {path.name for path in one.iterdir()}
    assert not (runs / "other").exists()


def test_both_workers_hold_the_same_weights_to_the_byte(two: tuple[Finished, ...], runs: Path) -> None:
    from alltrain.run_folder import load_model

    weights = load_model(runs / "chief").get_weights()
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest()
    assert f"SHA-256 {digest}" in two[1].err


@pytest.mark.parametrize("fold", [0, 1, None])
def test_two_workers_learn_what_one_process_learns(
    two: tuple[Finished, ...], runs: Path, one: Path, fold: int | None
) -> None:
    """Alike, not equal: in 64 steps training makes of the last digit of a weight a tenth of a logit.

    That the two differ by rounding only is shown over a few steps, in tests/train/test_replicas.py.
    """
    from alltrain.run_folder import read_course

    two[0].must_succeed()
    together, alone = (read_course(run, fold) for run in (runs / "chief", one))
    assert np.isfinite(together.epochs).all()
    training_loss = 0
    assert together.epochs[:, training_loss] == pytest.approx(alone.epochs[:, training_loss], abs=0.05)
    assert np.corrcoef(together.logits[:, 1], alone.logits[:, 1])[0, 1] > 0.95


def test_the_run_says_that_two_workers_made_it(two: tuple[Finished, ...], runs: Path) -> None:
    two[0].must_succeed()
    machine = json.loads((runs / "chief" / "provenance.json").read_text())["starts"][-1]["machine"]
    assert (machine["n_workers"], machine["n_replicas"]) == (2, 2)
