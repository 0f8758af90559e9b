"""Patches in, logits out: the network on the device, built once and asked for ever.

The interpreter is the costly part (milliseconds to build, a tenth of one to ask), so it lives as
long as its `Classifier` and its input buffer is reused. Scores are computed elsewhere, in float,
from int8 logits: a softmax inside the network would have 256 steps.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from alledge.flatbuffer import Tensor, read_graph
from alledge.model_file import ModelFile
from alledge.runtimes import Interpreter, Kernels, installed_runtimes, open_interpreter
from alledge.types import F32, I8, U8, ModelIdentity

Opener: TypeAlias = Callable[[bytes, str | None, Kernels, int], tuple[str, Interpreter]]

__all__ = ["Classifier", "Int8Network", "Kernels", "dequantise", "installed_runtimes", "open_classifier"]


class Classifier(Protocol):
    """Something that gives logits for patches."""

    @property
    def labels(self) -> tuple[str, ...]:
        """One name a logit."""

    @property
    def identity(self) -> ModelIdentity:
        """What binds a result to the model."""

    def int8_logits(self, patches: U8) -> I8:
        """(N, 50, 50, 3) uint8 RGB patches to (N, L) int8 logits."""

    def logits(self, patches: U8) -> F32:
        """(N, 50, 50, 3) uint8 RGB patches to (N, L) float32 logits."""


class Int8Network:
    """One int8 flatbuffer in one interpreter. Not for two threads at once.

    runtime: the name of the runtime in use. opener: who builds the interpreter, for a workstation that
    has runtimes which no device has. Raises RuntimeMissing and ModelUnreadable when built.
    """

    def __init__(
        self,
        flatbuffer: bytes,
        runtime: str | None = None,
        kernels: Kernels = "optimised",
        n_threads: int = 1,
        opener: Opener | None = None,
    ) -> None:
        graph = read_graph(flatbuffer)
        self._input, self._output = graph.inputs[0], graph.outputs[0]
        self.runtime, self._interpreter = (opener or open_interpreter)(
            flatbuffer, runtime, kernels, n_threads
        )
        self._input_index = _index_of(self._interpreter.get_input_details())
        self._output_index = _index_of(self._interpreter.get_output_details())
        self._buffer: U8 = np.empty(self._input.shape, dtype=np.uint8)

    def int8_logits(self, patches: U8) -> I8:
        """(N, 50, 50, 3) uint8 RGB patches to (N, L) int8 logits. Grey levels go in as they are."""
        outputs = np.empty((len(patches), self._output.shape[-1]), dtype=np.int8)
        for row, patch in enumerate(patches):
            self._buffer[0] = patch
            self._interpreter.set_tensor(self._input_index, self._buffer)
            self._interpreter.invoke()
            outputs[row] = self._interpreter.get_tensor(self._output_index)[0]
        return outputs

    def logits(self, patches: U8) -> F32:
        """(N, 50, 50, 3) uint8 RGB patches to (N, L) float32 logits."""
        return dequantise(self.int8_logits(patches), self._output)


class ModelClassifier:
    """A model file's network with its labels and identity."""

    def __init__(self, model: ModelFile, network: Int8Network) -> None:
        self._model = model
        self._network = network

    @property
    def labels(self) -> tuple[str, ...]:
        """One name a logit."""
        return self._model.card.labels

    @property
    def identity(self) -> ModelIdentity:
        """The model's name and SHA-256."""
        return self._model.identity

    @property
    def runtime(self) -> str:
        """The name of the runtime in use."""
        return self._network.runtime

    def int8_logits(self, patches: U8) -> I8:
        """(N, 50, 50, 3) uint8 RGB patches to (N, L) int8 logits."""
        return self._network.int8_logits(patches)

    def logits(self, patches: U8) -> F32:
        """(N, 50, 50, 3) uint8 RGB patches to (N, L) float32 logits."""
        return self._network.logits(patches)


def open_classifier(
    model: ModelFile, kernels: Kernels = "optimised", runtime: str | None = None, n_threads: int = 1
) -> ModelClassifier:
    """Open a model for use. Raises RuntimeMissing when no runtime, or not the one named, is installed."""
    return ModelClassifier(model, Int8Network(model.flatbuffer, runtime, kernels, n_threads))


def dequantise(int8_logits: I8, output: Tensor) -> F32:
    """The real numbers (N, L) float32 that the int8 logits of an output tensor stand for."""
    return np.float32(output.scales[0]) * (int8_logits.astype(np.float32) - np.float32(output.zero_point))


def _index_of(details: list[dict[str, object]]) -> int:
    index = details[0]["index"]
    assert isinstance(index, int | np.integer)
    return int(index)
