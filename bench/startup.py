"""How long a person waits for a command: whole processes, as ratios against bare interpreters.

    python bench/startup.py --image FIELD.jpg --model MODEL.tflite

Commands and their baselines alternate, so that a machine whose speed drifts is fair to both.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ALLEDGE = str(Path(sys.executable).parent / "alledge")


def wall_ms(command: list[str]) -> float:
    """Milliseconds from start to end of a process that must succeed."""
    started_ns = time.perf_counter_ns()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter_ns() - started_ns) / 1e6


def compare(name: str, command: list[str], baseline_name: str, baseline: list[str], runs: int) -> None:
    """Prints the medians of a command and its baseline, and the median of their pairwise ratios."""
    pairs = [(wall_ms(command), wall_ms(baseline)) for _ in range(runs)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name:34} {ours:6.0f} ms   {baseline_name:34} {theirs:6.0f} ms   ratio {ratio:.2f}")


def main() -> None:
    """Times help and a snap with a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--image", required=True, help="a field to snap")
    parser.add_argument("--model", required=True, help="a model to call its cells with")
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    typer = [sys.executable, "-c", "import typer"]
    libraries = [sys.executable, "-c", "import numpy, cv2, typer, ai_edge_litert.interpreter"]
    snap = [ALLEDGE, "snap", "--camera", f"file:{given.image}", "--model", given.model, "--json"]
    compare("alledge --help", [ALLEDGE, "--help"], "python, import typer", typer, given.runs)
    compare("alledge snap file: with a model", snap, "python, import the libraries", libraries, given.runs)


if __name__ == "__main__":
    main()
