"""How much working memory the network's tensors need: an estimate, and the bound that no planner beats.

TFLite puts every tensor that is computed into one arena and lets tensors that are never needed at the
same time share a place. The order of a plan is TFLite's: what lives all through first (input and output),
then the largest, each into the smallest gap that fits (Y. Pisarchyk, J. Lee, "Efficient Memory Management
for Deep Neural Net Inference", 2020, greedy by size; tensorflow/lite/arena_planner.cc). An estimate,
because kernels add scratch tensors of their own and XNNPACK keeps a second arena; bench measures the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from alledge.flatbuffer import Graph, Tensor
from alledge.strict_json import Json

ALIGNMENT_BYTES: Final = 64  # TFLite's default for tensors
ELEMENT_BYTES: Final = {
    "float64": 8,
    "int64": 8,
    "uint64": 8,
    "complex64": 8,
    "complex128": 16,
    "float32": 4,
    "int32": 4,
    "uint32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int16": 2,
    "uint16": 2,
}


@dataclass(frozen=True, slots=True)
class Placement:
    """A tensor in the arena. first, last: operations between which it is alive. offset_bytes: its place."""

    tensor: int
    n_bytes: int
    first: int
    last: int
    offset_bytes: int = 0

    @property
    def end_bytes(self) -> int:
        """Where the next one may begin, at the earliest."""
        return self.offset_bytes + self.n_bytes

    def meets(self, other: "Placement") -> bool:
        """Whether both are alive at some operation."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Arena:
    """A plan for all computed tensors. least_bytes: the most that is alive at one operation."""

    n_bytes: int
    least_bytes: int
    placements: tuple[Placement, ...]

    def as_json(self) -> dict[str, Json]:
        """The estimate for fidelity.json and --json."""
        return {
            "estimated_bytes": self.n_bytes,
            "least_bytes": self.least_bytes,
            "method": "greedy by size over lifetimes, 64-byte alignment, without scratch tensors of kernels",
        }


def plan_arena(graph: Graph) -> Arena:
    """Place every computed tensor of a graph."""
    last = max(0, len(graph.operations) - 1)
    alive = lifetimes(graph)
    order = sorted(
        alive, key=lambda one: (_lives_all_through(one, last), -one.n_bytes, one.first, one.tensor)
    )
    placed: list[Placement] = []
    for one in order:
        offset = _smallest_gap(one, placed)
        placed.append(Placement(one.tensor, one.n_bytes, one.first, one.last, offset))
    return Arena(
        n_bytes=max((one.end_bytes for one in placed), default=0),
        least_bytes=max(
            (sum(one.n_bytes for one in alive if one.first <= at <= one.last) for at in range(last + 1)),
            default=0,
        ),
        placements=tuple(sorted(placed, key=lambda one: one.tensor)),
    )


def lifetimes(graph: Graph) -> tuple[Placement, ...]:
    """Computed tensors from the operation that makes them to the last that reads them; none placed yet.

    Inputs and outputs of the graph are never overwritten: they live from the start, and to the end.
    """
    end = max(0, len(graph.operations) - 1)
    inputs, outputs = (_indices(graph, some) for some in (graph.inputs, graph.outputs))
    first = dict.fromkeys(inputs, 0)
    last = dict.fromkeys(inputs, end)
    for at, operation in enumerate(graph.operations):
        for index in operation.outputs:
            first.setdefault(index, at)
            last.setdefault(index, at)
        for index in operation.inputs:
            if index in first:
                last[index] = max(last[index], at)
    last.update(dict.fromkeys(outputs & first.keys(), end))
    return tuple(
        Placement(index, tensor_bytes(graph.tensors[index]), first[index], last[index])
        for index in sorted(first)
        if not graph.tensors[index].n_bytes
    )


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor in memory; an open side counts as 1."""
    return ELEMENT_BYTES.get(tensor.type, 1) * prod(max(1, side) for side in tensor.shape)


def _indices(graph: Graph, tensors: Sequence[Tensor]) -> set[int]:
    wanted = {id(tensor) for tensor in tensors}
    return {index for index, tensor in enumerate(graph.tensors) if id(tensor) in wanted}


def _lives_all_through(one: Placement, last: int) -> int:
    return 0 if (one.first, one.last) == (0, last) else 1


def _smallest_gap(one: Placement, placed: Sequence[Placement]) -> int:
    """The offset in the tightest gap between those alive at the same time; else behind the last of them."""
    beside = sorted((other for other in placed if one.meets(other)), key=lambda other: other.offset_bytes)
    at, best, best_gap = 0, None, 0
    for other in beside:
        gap = other.offset_bytes - at
        if gap >= one.n_bytes and (best is None or gap < best_gap):
            best, best_gap = at, gap
        at = max(at, -(-other.end_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES)
    return at if best is None else best
