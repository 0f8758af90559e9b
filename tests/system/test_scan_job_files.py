"""The job files of docs/scale.md, run as they stand with the variables that Slurm and Kubernetes set."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.edge.scanning.archive import make_archive
from tests.system.processes import BIN, run_command

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "scale.md").read_text()


def block(start: str) -> str:
    """The block of the guide that begins so."""
    return start + GUIDE.split(f"\n{start}", 1)[1].split("\n```", 1)[0] + "\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An archive of two slides and the results of one process, in a folder that stands for a shared disk."""
    (tmp_path / "archive").mkdir()
    for slide in ("b", "a"):
        make_archive(tmp_path / "archive" / slide, 3)
    slides = [f"archive/{slide}" for slide in ("a", "b")]
    run_command("alledge", "scan", *slides, "--out", "one.jsonl", cwd=tmp_path).must_succeed()
    return tmp_path


def shell(script: str, folder: Path, variables: dict[str, str]) -> str:
    path = f"{folder}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path} | variables
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_array_job_of_slurm_writes_the_bytes_of_one_process(site: Path) -> None:
    script = (
        block("#!/bin/sh\n#SBATCH --job-name=scan").replace("64", "2").replace("--model model.tflite", "")
    )
    for task in ("1", "2"):
        shell(script, site, {"SLURM_ARRAY_TASK_ID": task, "SLURM_CPUS_PER_TASK": "1"})
    shell("alledge scan --merge --out results.jsonl", site, {})
    assert (site / "results.jsonl").read_bytes() == (site / "one.jsonl").read_bytes()


def test_the_indexed_job_of_kubernetes_writes_the_bytes_of_one_process(site: Path) -> None:
    job = block("apiVersion: batch/v1")
    script = " ".join(line.strip() for line in job.split(">-\n", 1)[1].split("resources:", 1)[0].splitlines())
    script = script.replace("--model /data/model.tflite", "").replace("/data/", "").replace("64", "2")
    for index in ("0", "1"):
        shell(script, site, {"JOB_COMPLETION_INDEX": index})
    shell("alledge scan --merge --out results.jsonl", site, {})
    assert (site / "results.jsonl").read_bytes() == (site / "one.jsonl").read_bytes()


def test_the_training_job_of_slurm_tells_each_worker_who_is_who(tmp_path: Path) -> None:
    """Slurm's own commands and `alltrain` are stood in for: what is looked at is TF_CONFIG."""
    stand_ins = {
        "scontrol": "printf 'node1\\nnode2\\n'",
        "srun": 'shift; for SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@"; done',
        "alltrain": 'echo "$TF_CONFIG"',
    }
    for name, content in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{content}\n")
        (tmp_path / name).chmod(0o755)
    told = shell(block("#!/bin/sh\n#SBATCH --nodes=2"), tmp_path, {"SLURM_JOB_NODELIST": "node[1-2]"})
    configs = [json.loads(line) for line in told.splitlines()]
    assert [config["cluster"]["worker"] for config in configs] == [["node1:5000", "node2:5000"]] * 2
    assert [config["task"] for config in configs] == [{"type": "worker", "index": i} for i in (0, 1)]
