"""Ask a freshly converted network in a process of its own.

Two reasons. The device runs the network without TensorFlow beside it, so its proof is made that way
too. And a network that quantised badly can take a runtime down: kernels refuse extreme scales, or
abort the whole process. Here that is a refusal with a reason, as it has to be.
"""

import io
import subprocess
import sys
from typing import Final

import numpy as np

from alledge.classifier import Int8Network
from alledge.errors import AllscopeError, FidelityRefused
from alledge.runtimes import Kernels
from alledge.types import I8, U8

REFUSED_STATUS: Final = 3
NEXT_STEP: Final = "Fit a network whose weights and activations are of like size."


def ask_isolated(flatbuffer: bytes, patches: U8, kernels: Kernels = "optimised") -> I8:
    """Int8 logits (N, L) of (N, 50, 50, 3) uint8 RGB patches, from the preferred runtime in a child process.

    Raises FidelityRefused when the runtime refuses the network, or ends on it.
    """
    request = io.BytesIO()
    np.savez(request, flatbuffer=np.frombuffer(flatbuffer, dtype=np.uint8), patches=patches, kernels=kernels)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "allconvert.isolated"],
        input=request.getvalue(),
        capture_output=True,
        check=False,
    )
    if done.returncode == REFUSED_STATUS:
        raise FidelityRefused(
            f"No device could run the int8 network: {done.stderr.decode().strip()}", NEXT_STEP
        )
    if done.returncode != 0:
        raise FidelityRefused(
            f"The runtime breaks down on the int8 network (exit status {done.returncode}).", NEXT_STEP
        )
    logits: I8 = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return logits


def _answer() -> int:
    """The child's side: a request on stdin, logits on stdout, the reason on stderr when it is refused."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as request:
        flatbuffer, patches = request["flatbuffer"].tobytes(), request["patches"]
        kernels: Kernels = "reference" if str(request["kernels"]) == "reference" else "optimised"
    try:
        logits = Int8Network(flatbuffer, kernels=kernels).int8_logits(patches)
    except AllscopeError as error:
        sys.stderr.write(error.what_happened)
        return REFUSED_STATUS
    np.save(sys.stdout.buffer, logits, allow_pickle=False)
    return 0


if __name__ == "__main__":
    sys.exit(_answer())
