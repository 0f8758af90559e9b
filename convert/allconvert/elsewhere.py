"""Runtimes in processes of their own: this Python's, and those of any other Python that has allscope.

One process a question. Kernels may abort, two runtimes in one process share the names of their native
functions, tflite-runtime wants a numpy that TensorFlow does not, and a Raspberry Pi's userland needs
another architecture altogether; a command to start is all that these have in common.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from allconvert.answering import REFUSED_STATUS
from alledge.errors import RuntimeMissing
from alledge.runtimes import Kernels
from alledge.types import I8, U8

MODULE: Final = "allconvert.answering"
# Emulated reference kernels need half a minute for 256 patches; what has not ended by then never will.
MAX_SECONDS: Final = 900


@dataclass(frozen=True, slots=True)
class Runtime:
    """One runtime of one Python. python: the command that starts it; machine: such as x86_64."""

    name: str
    version: str
    python: str
    python_version: str
    machine: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}, Python {self.python_version}, {self.machine}"


class BrokeDown(Exception):
    """A runtime refused the network, or its process ended on it. `str` is the reason, for a table."""


def runtimes_of(pythons: Iterable[Path] = ()) -> tuple[Runtime, ...]:
    """Every runtime of this Python and then of the others named, best first.

    Raises RuntimeMissing when a Python cannot be started, has no allscope, or has no runtime.
    """
    found: list[Runtime] = []
    for python in (sys.executable, *map(str, pythons)):
        runtimes = _list(python)
        if not runtimes:
            raise RuntimeMissing(
                f"{python} has no TFLite runtime.", f"Install one: `{python} -m pip install ai-edge-litert`."
            )
        found.extend(runtimes)
    return tuple(found)


def ask(runtime: Runtime, kernels: Kernels, flatbuffer: bytes, patches: U8) -> I8:
    """Int8 logits (N, L) of (N, 50, 50, 3) uint8 RGB patches. Raises BrokeDown."""
    request = io.BytesIO()
    np.savez(request, flatbuffer=np.frombuffer(flatbuffer, dtype=np.uint8), patches=patches)
    try:
        done = subprocess.run(  # noqa: S603  (a Python that the user named)
            [runtime.python, "-P", "-m", MODULE, runtime.name, kernels],
            input=request.getvalue(),
            capture_output=True,
            check=False,
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokeDown(f"no answer within {MAX_SECONDS} s") from error
    if done.returncode == REFUSED_STATUS:
        raise BrokeDown(done.stderr.decode(errors="replace").strip())
    if done.returncode != 0:
        raise BrokeDown(f"its process ended with status {done.returncode}")
    logits: I8 = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return logits


def _list(python: str) -> list[Runtime]:
    try:
        done = subprocess.run(  # noqa: S603  (a Python that the user named)
            [python, "-P", "-m", MODULE, "list"], capture_output=True, check=False, timeout=MAX_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeMissing(
            f"{python} cannot be started ({error}).", "Give the path of a Python."
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise RuntimeMissing(
            f"{python} cannot ask its runtimes ({said[0]}).",
            f"Install allscope: `{python} -m pip install .`.",
        )
    listed = json.loads(done.stdout)
    return [
        Runtime(name, version, python, listed["python"], listed["machine"])
        for name, version in listed["runtimes"]
    ]
