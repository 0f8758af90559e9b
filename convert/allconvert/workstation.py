"""The runtimes of a workstation: those of the device, and TensorFlow's own interpreter.

TensorFlow is what most people convert and try a model with, so what it answers counts. It is no
runtime of the device, which never imports it: that is why it is known here and not in `alledge`.
"""

import importlib
import importlib.util
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from alledge.errors import RuntimeMissing
from alledge.quiet import quiet_stderr
from alledge.runtimes import (
    Interpreter,
    Kernels,
    build_interpreter,
    installed_runtimes,
    open_interpreter,
    runtime_version,
)

TENSORFLOW: Final = "tensorflow"
_MODULE: Final = "tensorflow.lite.python.interpreter"


def runtimes_here() -> tuple[tuple[str, str], ...]:
    """(name, version) of each runtime of this Python: the device's first, then TensorFlow's. Imports none."""
    here = [(name, runtime_version(name)) for name in installed_runtimes()]
    if importlib.util.find_spec(TENSORFLOW):
        here.append((TENSORFLOW, _tensorflow_version()))
    return tuple(here)


def open_on_workstation(
    flatbuffer: bytes, runtime: str | None = None, kernels: Kernels = "optimised", n_threads: int = 1
) -> tuple[str, Interpreter]:
    """`alledge.runtimes.open_interpreter`, for TensorFlow's interpreter too. Raises what that raises.

    To be called in a process that has imported no other runtime: two of them share the names of their
    native functions.
    """
    if runtime != TENSORFLOW:
        return open_interpreter(flatbuffer, runtime, kernels, n_threads)
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = importlib.import_module(_MODULE)
        except ImportError as error:
            raise RuntimeMissing(
                f"TensorFlow cannot be imported ({error}).", "Install the training part again."
            ) from error
    return TENSORFLOW, build_interpreter(TENSORFLOW, module, flatbuffer, kernels, n_threads)


def _tensorflow_version() -> str:
    for distribution in (TENSORFLOW, "tensorflow-cpu"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "unknown"
