"""A cluster of Dask on this machine, as its own commands start it: one scheduler, workers as processes."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.processes import BIN

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0


class DaskCluster:
    """Processes that live in `folder`. environment: more of it for the scheduler and every worker."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        folder.mkdir()
        self.folder = folder
        self.file = folder / "scheduler.json"
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.environment = os.environ | {"PYTHONPATH": path} | (environment or {})
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler: subprocess.Popen[bytes] | None = None

    def start_scheduler(self, *options: str) -> None:
        self.scheduler = self._run("scheduler", "--no-show", "--no-jupyter", "--port", "0", *options)
        deadline = time.monotonic() + DEADLINE_S
        while not self.file.exists() or not self.file.read_text().endswith("}"):
            assert self.scheduler.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    @property
    def address(self) -> str:
        address = json.loads(self.file.read_text())["address"]
        assert isinstance(address, str)
        return address

    def start_worker(self, *options: str, odd: str | None = None) -> subprocess.Popen[bytes]:
        """With one thread, and a nanny that starts it again when it dies unless the options say otherwise.

        odd: what is wrong with it, of those that odd_dask_worker.py knows.
        """
        if odd is not None:
            self.environment["ODD_WORKER"] = odd
            options = ("--preload", "tests.system.odd_dask_worker", *options)
        return self._run(
            "worker",
            "--nthreads",
            "1",
            "--memory-limit",
            "0",
            "--local-directory",
            str(self.folder),
            *options,
        )

    def wait_for_workers(self, n: int) -> None:
        """Until so many have said that the scheduler knows them."""
        deadline = time.monotonic() + DEADLINE_S
        while self.log().count("Registered to:") < n:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        """At once: a worker that is asked to go first tells a scheduler that is gone."""
        for process in self.processes:
            process.kill()
            process.wait()

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        common = ["--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", str(self.file)]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(BIN / "dask"), *arguments, *common],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
            )
        self.processes.append(process)
        return process


@contextmanager
def dask_cluster(
    folder: Path, environment: dict[str, str] | None = None, *options: str
) -> Iterator[DaskCluster]:
    """A cluster that does not outlive the block; with a scheduler, and no worker yet."""
    cluster = DaskCluster(folder, environment)
    try:
        cluster.start_scheduler(*options)
        yield cluster
    finally:
        cluster.stop()
