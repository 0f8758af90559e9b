"""Speed and memory of a scan: `python bench/scan.py [--images N] [--jobs 1 2] [--width PX]`.

Renders N different phantom fields, each as often as asked, scans them by the real command with each number
of processes, and prints images a second and the greatest resident memory of the command itself and of one
worker, in the first and in the second half of the run: memory that is bounded is the same in both. Every run
must write the same bytes.
"""

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from alledge.images import encode_image
from alledge.phantom import PhantomParameters, render_field

FIELDS = 8
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
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def processor_seconds() -> float:
    """That all processes took which have ended: other programs on the machine do not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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


def main() -> None:
    """Scan and print one line a number of processes."""
    parser = argparse.ArgumentParser(description="Speed and memory of a scan.")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    digests = set()
    with tempfile.TemporaryDirectory() as folder:
        images = archive(Path(folder) / "in", options.images, options.width)
        for jobs in options.jobs:
            out = Path(folder) / f"{jobs}.jsonl"
            command = [
                Path(sys.executable).with_name("alledge"),
                "scan",
                images,
                "--out",
                out,
                "--jobs",
                jobs,
            ]
            cpu_s = processor_seconds()
            process = subprocess.Popen(
                [*map(str, command), "--pixel-um", str(PIXEL_UM)], stdout=subprocess.DEVNULL
            )
            memory, seconds = watch(process, Path(f"{out}.scanning"), options.images)
            digests.add(hashlib.sha256(out.read_bytes()).hexdigest())
            command_mb = " then ".join(f"{mb:.0f}" for mb in memory.command)
            worker_mb = " then ".join(f"{mb:.0f}" for mb in memory.worker)
            rate = f"{options.images / seconds:.1f} images a second"
            cost = f"{(processor_seconds() - cpu_s) / options.images * 1000:.0f} ms of processor time each"
            print(f"{jobs} jobs: {rate}, {cost}, command {command_mb} MB, worker {worker_mb} MB")
    print("same bytes" if len(digests) == 1 else "DIFFERENT BYTES")


if __name__ == "__main__":
    main()
