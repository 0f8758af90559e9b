"""The child's side of `elsewhere`: what runtimes this Python has, and what one of them answers.

    python -m allconvert.answering list
    python -m allconvert.answering litert reference  <patches and network  >logits

It imports numpy and `alledge` only, so that a Python without TensorFlow, on another architecture even,
can be asked too.
"""

import io
import json
import platform
import sys
from typing import Final

import numpy as np

from allconvert.workstation import open_on_workstation, runtimes_here
from alledge.classifier import Int8Network
from alledge.errors import AllscopeError
from alledge.runtimes import Kernels

REFUSED_STATUS: Final = 3


def listing() -> str:
    """The runtimes of this Python and what it runs on, as one line of JSON."""
    return json.dumps(
        {"runtimes": runtimes_here(), "python": platform.python_version(), "machine": platform.machine()}
    )


def answer(request: bytes, runtime: str, kernels: Kernels) -> bytes:
    """The .npy file of int8 logits (N, L) for an .npz file of `flatbuffer` and `patches`."""
    with np.load(io.BytesIO(request), allow_pickle=False) as parts:
        flatbuffer, patches = parts["flatbuffer"].tobytes(), parts["patches"]
    network = Int8Network(flatbuffer, runtime, kernels, opener=open_on_workstation)
    answered = io.BytesIO()
    np.save(answered, network.int8_logits(patches), allow_pickle=False)
    return answered.getvalue()


def main(arguments: list[str]) -> int:
    """One question, answered on standard output; the reason on standard error when it is refused."""
    if arguments == ["list"]:
        sys.stdout.write(listing() + "\n")
        return 0
    runtime, kernels = arguments
    try:
        answered = answer(
            sys.stdin.buffer.read(), runtime, "reference" if kernels == "reference" else "optimised"
        )
    except AllscopeError as error:
        sys.stderr.write(error.what_happened)
        return REFUSED_STATUS
    sys.stdout.buffer.write(answered)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
