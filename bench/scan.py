"""Speed and memory of a scan: `python bench/scan.py [--images N] [--jobs 1 2] [--width PX] [--cluster]`.

Renders N different phantom fields, each as often as asked, scans them by the real command with each number
of processes, and prints images a second and the greatest resident memory of the command itself and of one
worker, in the first and in the second half of the run: memory that is bounded is the same in both. Every run
must write the same bytes. With --cluster: two workers of Dask on this machine against two processes.
"""

import argparse
import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from alledge.images import encode_image
from alledge.phantom import PhantomParameters, render_field

FIELDS = 8
ROUNDS = 3
PIXEL_UM = 0.1


@dataclass
class Memory:
    """Greatest resident memory seen, in MB: of the command and of a worker, by half of the run."""

    command: list[float]
    worker: list[float]


def archive(folder: Path, n_images: int, width_px: int) -> Path:
    """Links to a few different fields: the disk is not what is measured."""
    folder.mkdir()
    for seed in range(min(FIELDS, n_images)):
        n_red_cells = 230 * width_px**2 // 1280**2
        knobs = PhantomParameters(
            seed=seed, width_px=width_px, height_px=width_px * 3 // 4, n_red_cells=n_red_cells
        )
        (folder.parent / f"{seed}.png").write_bytes(encode_image(render_field(knobs).pixels, ".png"))
    for index in range(n_images):
        (folder / f"field{index:06}.png").hardlink_to(folder.parent / f"{index % FIELDS}.png")
    return folder


def resident_mb(pid: int) -> float:
    """Of a process now; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next(
        (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0
    )


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    try:
        told = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        return [int(child) for children in told for child in children.split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def processor_seconds() -> float:
    """That all processes took which have ended: other programs on the machine do not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor_seconds_of(pid: int) -> float:
    """That a process took which runs, with those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def watch(process: subprocess.Popen[bytes], working: Path, n_images: int) -> tuple[Memory, float]:
    """Memory until the process ends, and the seconds from its first image to its end."""
    memory, began_s = Memory([0.0, 0.0], [0.0, 0.0]), 0.0
    n_done, half = 0, 0
    while process.poll() is None:
        if working.exists():
            n_done = max(n_done, working.read_bytes().count(b"\n") - 1)
        began_s = began_s or (time.monotonic() if n_done else 0.0)
        half = int(n_done > n_images // 2)
        memory.command[half] = max(memory.command[half], resident_mb(process.pid))
        memory.worker[half] = max([memory.worker[half], *map(resident_mb, children(process.pid))])
        time.sleep(0.1)
    return memory, time.monotonic() - began_s


@dataclass(frozen=True)
class Run:
    """One scan: what it cost, and what it wrote."""

    seconds: float
    processor_s: float
    memory: Memory
    sha256: str


def scan(images: Path, out: Path, n_images: int, *how: object) -> Run:
    """The real command, once."""
    command = [Path(sys.executable).with_name("alledge"), "scan", images, "--out", out, *how]
    cpu_s = processor_seconds()
    process = subprocess.Popen([*map(str, command), "--pixel-um", str(PIXEL_UM)], stdout=subprocess.DEVNULL)
    memory, seconds = watch(process, Path(f"{out}.scanning"), n_images)
    sha256 = hashlib.sha256(out.read_bytes()).hexdigest()
    out.unlink()
    return Run(seconds, processor_seconds() - cpu_s, memory, sha256)


def tell(name: str, run: Run, n_images: int) -> None:
    """One line."""
    command_mb = " then ".join(f"{mb:.0f}" for mb in run.memory.command)
    worker_mb = " then ".join(f"{mb:.0f}" for mb in run.memory.worker)
    rate = f"{n_images / run.seconds:.1f} images a second"
    cost = f"{run.processor_s / n_images * 1000:.0f} ms of processor time each"
    print(f"{name}: {rate}, {cost}, command {command_mb} MB, worker {worker_mb} MB", flush=True)


def with_processes(images: Path, n_images: int, n_jobs: list[int]) -> set[str]:
    """A line a number of processes."""
    digests = set()
    for jobs in n_jobs:
        run = scan(images, images.parent / f"{jobs}.jsonl", n_images, "--jobs", jobs)
        tell(f"{jobs} jobs", run, n_images)
        digests.add(run.sha256)
    return digests


def everything(workers: list[int]) -> float:
    """Processor seconds of this process, of all that it started, and of workers with their processes."""
    pids = [pid for worker in workers for pid in (worker, *children(worker))]
    return sum(map(processor_seconds_of, [os.getpid(), *pids]))


def with_cluster(images: Path, n_images: int) -> set[str]:
    """Two workers of Dask and two processes in turn, and what the cluster costs more, round by round.

    Processor time is that of all: the command, the scheduler (which runs here), workers, and their processes.
    """
    from distributed import LocalCluster

    digests, times, costs = set(), [], []
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]

        def costly(name: str, *how: object) -> tuple[float, float]:
            before_s = everything(pids)
            run = scan(images, images.parent / "r.jsonl", n_images, *how)
            run = replace(run, processor_s=everything(pids) - before_s)
            tell(name, run, n_images)
            digests.add(run.sha256)
            return run.seconds, run.processor_s

        costly("first, to import and start", "--cluster", cluster.scheduler_address)
        for _ in range(ROUNDS):
            here = costly("2 processes", "--jobs", 2)
            there = costly("cluster of 2", "--cluster", cluster.scheduler_address)
            times.append(there[0] / here[0])
            costs.append((there[1] - here[1]) / n_images * 1000)
    print(f"time, cluster / processes: {statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})")
    print(
        f"more processor time each: {statistics.median(costs):.1f} ms ({min(costs):.1f} to {max(costs):.1f})"
    )
    return digests


def main() -> None:
    """Scan and print one line a run."""
    parser = argparse.ArgumentParser(description="Speed and memory of a scan.")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cluster", action="store_true", help="Two workers of Dask against two processes.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = archive(Path(folder) / "in", options.images, options.width)
        if options.cluster:
            digests = with_cluster(images, options.images)
        else:
            digests = with_processes(images, options.images, options.jobs)
    print("same bytes" if len(digests) == 1 else "DIFFERENT BYTES")


if __name__ == "__main__":
    main()
