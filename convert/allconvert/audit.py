"""What is inside the converted file, read from the file: is it integers all through?

The converter may be told "int8 only" and still leave an operation in float, between a DEQUANTIZE
and a QUANTIZE, without a word. So nobody is believed: the flatbuffer is read, and one float tensor
is enough to refuse it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alledge.card import NamedException
from alledge.errors import FidelityRefused
from alledge.flatbuffer import Graph, read_graph
from alledge.model_file import precision_of, wide_tensors


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of weights. n_bytes: its size in the file. n_scales: 1, or one a channel."""

    name: str
    type: str
    shape: tuple[int, ...]
    n_bytes: int
    n_scales: int


@dataclass(frozen=True, slots=True)
class Audit:
    """Operators by number, weights by tensor, and the largest activation, of a flatbuffer."""

    precision: str
    n_bytes: int
    operators: Mapping[str, int]
    weights: tuple[StoredTensor, ...]
    largest_activation_bytes: int

    @property
    def n_weight_bytes(self) -> int:
        """Bytes of all weights and biases."""
        return sum(tensor.n_bytes for tensor in self.weights)


def audit_flatbuffer(flatbuffer: bytes) -> Audit:
    """Read what a flatbuffer holds. Raises ModelUnreadable for bytes that are none."""
    graph = read_graph(flatbuffer)
    weights = tuple(
        StoredTensor(tensor.name, tensor.type, tensor.shape, tensor.n_bytes, max(1, len(tensor.scales)))
        for tensor in graph.tensors
        if tensor.n_bytes
    )
    return Audit(
        precision=precision_of(graph),
        n_bytes=len(flatbuffer),
        operators=graph.operators,
        weights=weights,
        largest_activation_bytes=_largest_activation_bytes(graph),
    )


def require_integers(flatbuffer: bytes, exceptions: Sequence[NamedException] = ()) -> Audit:
    """The audit of a flatbuffer that is int8 all through, the layers named as exceptions aside.

    Raises FidelityRefused, naming what stands out, when another tensor is float, the graph has more than
    8 bits, an operator is none of TFLite's own, or a dense layer has a scale a channel.
    """
    audit = audit_flatbuffer(flatbuffer)
    graph = read_graph(flatbuffer)
    foreign = [name for name in audit.operators if name.startswith("CUSTOM")]
    if foreign:
        raise FidelityRefused(
            f"The converted network needs {', '.join(foreign)}, which no device has.",
            "Build it from operations with an int8 form.",
        )
    named = {name for exception in exceptions for name in exception.tensors}
    stray_wide = [tensor for tensor in wide_tensors(graph) if tensor.name not in named]
    if stray_wide:
        names = ", ".join(tensor.name.split(";")[0] for tensor in stray_wide[:3])
        raise FidelityRefused(
            f"The converter left the network {audit.precision} inside (at {names}).",
            "Replace the operation there by one with an int8 form.",
        )
    stray = [tensor.name for tensor in audit.weights if len(tensor.shape) == 2 and tensor.n_scales > 1]
    if stray:
        raise FidelityRefused(
            f"The dense layer {stray[0].split(';')[0]} has a scale a channel, which tflite-runtime misreads.",
            "Convert with a TensorFlow that can quantise dense layers as a whole (2.17 or later).",
        )
    return audit


def _largest_activation_bytes(graph: Graph) -> int:
    """Bytes of the largest tensor that is computed; int8, so one byte an element."""
    sizes = [1]
    for tensor in graph.tensors:
        if not tensor.n_bytes:
            n_elements = 1
            for side in tensor.shape:
                n_elements *= max(1, side)
            sizes.append(n_elements)
    return max(sizes)
