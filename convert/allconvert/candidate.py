"""A network made int8 by one rung of the ladder, with whatever the rung left in a higher precision.

Exceptions are told twice: to people by the layer's name and a reason, to the device by every tensor of the
file that is no int8 (card.json). The second list is read from the file itself, never from what was asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from allconvert.audit import Audit
from allconvert.integers import quantise_file
from allconvert.ranges import Extremes
from allconvert.representative import Representative
from allconvert.story import Precision, PrecisionException
from allconvert.subject import FloatNetwork, Subject
from alledge.card import Card, NamedException
from alledge.flatbuffer import Graph, read_graph
from alledge.model_file import wide_tensors

CONVERSIONS: Final = frozenset({"QUANTIZE", "DEQUANTIZE"})

Wide: TypeAlias = Mapping[int, Precision]
"""Precision of the operations that are not to be int8, by their place in the float file."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One network in integers. exceptions, named: what stays in a higher precision, for people and device."""

    network: FloatNetwork
    flatbuffer: bytes
    representative: Representative
    exceptions: tuple[PrecisionException, ...] = ()
    named: tuple[NamedException, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Int8Model:
    """A network of the run in integers: the shipped one or a fold's.

    representative: its rows are those of the run. card: recalibrated on int8 logits. network: the float
    form that was quantised. exceptions: as its card names them.
    """

    flatbuffer: bytes
    audit: Audit
    representative: Representative
    card: Card
    network: FloatNetwork
    exceptions: tuple[NamedException, ...] = ()


Convert: TypeAlias = Callable[[Subject], Candidate]


def quantise(
    network: FloatNetwork,
    chosen: Representative,
    extremes: Mapping[str, Extremes],
    *,
    quantile: float = 1.0,
    wide: Wide | None = None,
    reasons: Mapping[int, tuple[str, str]] | None = None,
) -> Candidate:
    """Quantise a float network.

    Args:
        network: the float network.
        chosen: the training patches that set the ranges.
        extremes: what the activations do on them.
        quantile: share of the patches that each range keeps within; the rest is clipped.
        wide: operations that are not to be int8.
        reasons: layer and reason of each of those.

    Raises:
        FidelityRefused: litert-quantizer refuses the network.
    """
    graph = read_graph(network.file)
    ranges = {name: found.range(quantile) for name, found in extremes.items()}
    offset = network.rewritten.offset
    # Grey levels go in as they are: the range of the input is theirs, whatever the patches hold.
    ranges[graph.inputs[0].name] = (offset, offset + 255.0)
    asked = {_given(graph, place): precision for place, precision in (wide or {}).items()}
    first = network.rewritten.inputs(chosen.patches[:1])[0]
    flatbuffer = quantise_file(network.file, first, ranges, asked)
    told = {
        _given(graph, place): PrecisionException(layer, asked[_given(graph, place)], reason)
        for place, (layer, reason) in (reasons or {}).items()
    }
    return Candidate(network, flatbuffer, chosen, *_named(read_graph(flatbuffer), told))


def _given(graph: Graph, place: int) -> str:
    """The name of the tensor that an operation gives."""
    return graph.tensors[graph.operations[place].outputs[0]].name


def _named(
    graph: Graph, told: Mapping[str, PrecisionException]
) -> tuple[tuple[PrecisionException, ...], tuple[NamedException, ...]]:
    """The exceptions of a file, each with all its tensors. Layers that nobody asked for are not named."""
    wide = {tensor.name for tensor in wide_tensors(graph)}
    found: dict[PrecisionException, list[str]] = {}
    for operation in graph.operations:
        exception = told.get(graph.tensors[operation.outputs[0]].name)
        if exception is None or operation.name in CONVERSIONS:
            continue
        indices = [index for index in (*operation.inputs, *operation.outputs) if index >= 0]
        names = [graph.tensors[index].name for index in indices if graph.tensors[index].name in wide]
        found.setdefault(exception, []).extend(names)
    exceptions = tuple(exception for exception, names in found.items() if names)
    named = tuple(
        NamedException(one.layer, one.precision, tuple(dict.fromkeys(found[one]))) for one in exceptions
    )
    return exceptions, named


def left_wide(flatbuffer: bytes, float_graph: Graph) -> tuple[int, ...]:
    """Places, in the float file, of operations that the quantiser left in float for want of an int8 form."""
    graph = read_graph(flatbuffer)
    wide = {tensor.name for tensor in wide_tensors(graph)}
    outputs = {
        graph.tensors[index].name
        for operation in graph.operations
        if operation.name not in CONVERSIONS
        for index in operation.outputs
    }
    names = [_given(float_graph, place) for place in range(len(float_graph.operations))]
    return tuple(place for place, name in enumerate(names) if name in wide and name in outputs)
