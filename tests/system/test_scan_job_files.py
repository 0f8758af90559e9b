"""The job files of docs/scale.md, run as they stand with the variables that Slurm and Kubernetes set."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

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
        block("#!/bin/sh\n#SBATCH --job-name=scan\n").replace("64", "2").replace("--model model.tflite", "")
    )
    for task in ("1", "2"):
        shell(script, site, {"SLURM_ARRAY_TASK_ID": task, "SLURM_CPUS_PER_TASK": "1"})
    shell("alledge scan --merge --out results.jsonl", site, {})
    assert (site / "results.jsonl").read_bytes() == (site / "one.jsonl").read_bytes()


def test_the_indexed_job_of_kubernetes_writes_the_bytes_of_one_process(site: Path) -> None:
    job = block("apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: scan")
    script = " ".join(line.strip() for line in job.split(">-\n", 1)[1].split("resources:", 1)[0].splitlines())
    script = script.replace("--model /data/model.tflite", "").replace("/data/", "").replace("64", "2")
    for index in ("0", "1"):
        shell(script, site, {"JOB_COMPLETION_INDEX": index})
    shell("alledge scan --merge --out results.jsonl", site, {})
    assert (site / "results.jsonl").read_bytes() == (site / "one.jsonl").read_bytes()


@contextmanager
def started(site: Path, command: list[str], variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process and all that it starts, which end with the block, as with a job or a pod."""
    path = f"{site}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path} | variables
    with (site / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=site, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_the_job_of_slurm_with_dask_writes_the_bytes_of_one_process(site: Path) -> None:
    (site / "srun").write_text('#!/bin/sh\nexec "$@"\n')
    (site / "srun").chmod(0o755)
    script = block("#!/bin/sh\n#SBATCH --job-name=scan-dask\n").replace("--model model.tflite", "")
    with started(site, ["sh", "-c", script], {"SLURM_CPUS_PER_TASK": "2"}) as job:
        assert job.wait(120) == 0, (site / "log").read_text()
    assert (site / "results.jsonl").read_bytes() == (site / "one.jsonl").read_bytes()


def test_the_pods_of_kubernetes_with_dask_write_the_bytes_of_one_process(site: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = block("apiVersion: v1\nkind: Service").replace("8786", str(port))
    here = (
        text.replace("scan-scheduler:", "127.0.0.1:")
        .replace("/data/", "")
        .replace("--model model.tflite", "")
    )
    objects = list(yaml.safe_load_all(here))
    assert [each["kind"] for each in objects] == [
        "Service",
        "Deployment",
        "Deployment",
        "Job",
        "NetworkPolicy",
    ]
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in objects[1:4]]
    assert labels[0].items() >= objects[0]["spec"]["selector"].items()
    assert all(label["scan"] == "dask" for label in labels)
    pods = [each["spec"]["template"]["spec"]["containers"][0] for each in objects[1:4]]
    scheduler, worker, scan = (pod["command"] + pod.get("args", []) for pod in pods)
    with (
        started(site, scheduler, {}),
        started(site, worker, {}),
        started(site, scan, {}) as job,
    ):
        assert job.wait(120) == 0, (site / "log").read_text()
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
