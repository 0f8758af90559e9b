"""How fast fields become patches, and what memory it takes: `python bench/extraction.py [DATA]`.

Cuts a study with the process held to one core, then with all of them, each in a process of its own, taking
turns. Prints fields a second and peak memory. Without DATA the study is rendered.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alltrain.datasets.loading import load_patches
from alltrain.datasets.parallel import n_cores
from alltrain.phantom_study import write_study

N_FIELDS = 40
KIB = 1024


def cut(data: Path) -> None:
    """The measured process: cut, and print what it took as JSON."""
    started_s = time.perf_counter()
    patch_set = load_patches(data, allow_no_groups=True)
    took_s = time.perf_counter() - started_s
    peak_mib = peak_rss_kib() / KIB
    n_fields = len(set(patch_set.sources))
    told = {"fields": n_fields, "patches": len(patch_set), "rate": n_fields / took_s, "peak_mib": peak_mib}
    print(json.dumps(told))


def peak_rss_kib() -> int:
    """Most memory that this program has had since it started (getrusage would count its parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measured(data: Path, cores: set[int]) -> dict[str, float]:
    """What `cut` tells when its process may use these cores only."""
    command = [sys.executable, __file__, "--cut", str(data)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def compare(data: Path, turns: int) -> None:
    """Print one core beside all."""
    everything = os.sched_getaffinity(0)
    settings = {"1 core": {min(everything)}, f"{n_cores()} cores": everything}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in settings}
    for _ in range(turns):
        for name, cores in settings.items():
            found[name].append(measured(data, cores))
    first = next(iter(found.values()))[0]
    print(f"{first['fields']:.0f} fields, {first['patches']:.0f} patches, median of {turns} turns")
    for name, told in found.items():
        rate = statistics.median(turn["rate"] for turn in told)
        print(f"{name:10s} {rate:6.1f} fields a second, {max(t['peak_mib'] for t in told):6.0f} MiB at most")


def _untold(done: int, total: int) -> None:
    del done, total


def main() -> None:
    """Measure a study, a rendered one if none is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--cut", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cut:
        cut(given.data)
    elif given.data is not None:
        compare(given.data, given.turns)
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_study(Path(folder) / "study", N_FIELDS, 7, _untold)
            compare(Path(folder) / "study", given.turns)


if __name__ == "__main__":
    main()
