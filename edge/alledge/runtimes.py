"""The TFLite runtimes a device may have, behind one door; the only module that touches them.

LiteRT (`ai-edge-litert`) is preferred: it has wheels for today's Pythons and numpy 2, and is three
to five times faster on these networks. `tflite-runtime` 2.14, its last release, is the fall-back
for devices that already have it. Neither is imported before somebody asks for an interpreter.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from alledge.errors import ModelUnreadable, RuntimeMissing
from alledge.quiet import quiet_stderr

Kernels: TypeAlias = Literal["optimised", "reference"]
KERNELS: Final[tuple[Kernels, ...]] = ("reference", "optimised")
# Best first: runtime -> (module, distribution).
RUNTIMES: Final[Mapping[str, tuple[str, str]]] = {
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
    "tflite-runtime": ("tflite_runtime.interpreter", "tflite-runtime"),
}
RESOLVERS: Final[Mapping[Kernels, str]] = {"reference": "BUILTIN_REF", "optimised": "AUTO"}
INSTALL: Final = "Install one: `pip install ai-edge-litert`."


class Interpreter(Protocol):
    """What both runtimes offer, as far as it is used here."""

    def allocate_tensors(self) -> None:
        """Make room for every tensor; again after an input has another size."""

    def resize_tensor_input(self, input_index: int, tensor_size: Sequence[int]) -> None:
        """Give an input tensor another shape, which holds after `allocate_tensors`."""

    def set_tensor(self, tensor_index: int, value: npt.NDArray[np.generic]) -> None:
        """Copy `value` into an input tensor."""

    def invoke(self) -> None:
        """Run the network on what the input tensors hold."""

    def get_tensor(self, tensor_index: int) -> npt.NDArray[np.generic]:
        """A copy of an output tensor."""

    def get_input_details(self) -> list[dict[str, object]]:
        """One dictionary an input: index, shape, dtype, quantization."""

    def get_output_details(self) -> list[dict[str, object]]:
        """One dictionary an output: index, shape, dtype, quantization."""


def installed_runtimes() -> tuple[str, ...]:
    """Names of the runtimes that are installed, best first. Imports none of them."""
    return tuple(
        name for name, (module, _) in RUNTIMES.items() if importlib.util.find_spec(module.split(".")[0])
    )


def runtime_version(runtime: str) -> str:
    """The installed version of a runtime, such as 2.3.0."""
    try:
        return version(RUNTIMES[runtime][1])
    except PackageNotFoundError:
        return "unknown"


def open_interpreter(
    flatbuffer: bytes, runtime: str | None = None, kernels: Kernels = "optimised", n_threads: int = 1
) -> tuple[str, Interpreter]:
    """Build an interpreter, ready to be invoked. Costly: once a process, never once a patch.

    Args:
        flatbuffer: a TFLite model that `alledge.flatbuffer.read_graph` could read.
        runtime: one of `RUNTIMES`, or None for the best that is installed.
        kernels: `reference` answers alike on every machine, `optimised` is fast.
        n_threads: threads within one patch.

    Returns:
        The runtime's name and the interpreter.

    Raises:
        RuntimeMissing: the runtime asked for, or any, cannot be imported.
        ModelUnreadable: the runtime refuses the model.
    """
    name, module = _import_runtime(runtime)
    return name, build_interpreter(name, module, flatbuffer, kernels, n_threads)


def build_interpreter(
    name: str, module: ModuleType, flatbuffer: bytes, kernels: Kernels, n_threads: int
) -> Interpreter:
    """An interpreter of a runtime that is imported: `module` holds its Interpreter and OpResolverType.

    Raises ModelUnreadable when the runtime, called `name` in the error, refuses the model.
    """
    resolver = getattr(module.OpResolverType, RESOLVERS[kernels])
    with quiet_stderr() as said:
        try:
            interpreter: Interpreter = module.Interpreter(
                model_content=flatbuffer, num_threads=n_threads, experimental_op_resolver_type=resolver
            )
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = (str(error) or said.text).strip().splitlines()[0].rstrip(".")
            raise ModelUnreadable(f"{name} refuses the model: {reason}.", "Convert the run again.") from error
    return interpreter


def _import_runtime(runtime: str | None) -> tuple[str, ModuleType]:
    if runtime is not None and runtime not in RUNTIMES:
        raise RuntimeMissing(
            f"There is no runtime called {runtime!r}.", f"Choose from {', '.join(RUNTIMES)}."
        )
    reasons: list[str] = []
    for name in (runtime,) if runtime else RUNTIMES:
        try:
            return name, importlib.import_module(RUNTIMES[name][0])
        # A runtime built for numpy 1 fails under numpy 2 with an AttributeError.
        except (ImportError, AttributeError) as error:
            reasons.append(f"{name}: {error}")
    raise RuntimeMissing(f"No TFLite runtime can be imported ({'; '.join(reasons)}).", INSTALL)
