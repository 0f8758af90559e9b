"""`allconvert inspect`: all that a `.tflite` file says about itself, and what it is in truth.

A file that breaks a rule is called what it is, and what can still be read of it is shown: operations,
tensors and sizes are facts of the flatbuffer and need no card. What a changed file's card claims is not
repeated, for nothing vouches for it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from allconvert.arena import Arena, plan_arena, tensor_bytes
from alledge.calls import make_calls
from alledge.card import Card
from alledge.classifier import dequantise
from alledge.errors import AllscopeError, ModelUnreadable, PathUnusable
from alledge.flatbuffer import Graph, Tensor, read_graph
from alledge.model_file import MAX_FILE_BYTES, Golden, parse_model, precision_of
from alledge.strict_json import Json


@dataclass(frozen=True, slots=True)
class GoldenSummary:
    """The golden vectors of a file. calls: how many the card calls each label, by the stored outputs.

    sha256: of the patches' bytes followed by the outputs' bytes.
    """

    n: int
    calls: Mapping[str, int]
    sha256: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation in order: names, types and shapes of what it reads and writes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """What the flatbuffer holds, whoever made it. precision: its arithmetic by its usual name."""

    precision: str
    graph: Graph
    operations: tuple[Operation, ...]
    arena: Arena

    @property
    def n_weight_bytes(self) -> int:
        """Bytes of all weights and biases."""
        return sum(tensor.n_bytes for tensor in self.graph.tensors)


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """A file looked through. problem: why no device takes it, None when it is a sound model file.

    card, golden: None unless it is one. network: None when not even a flatbuffer can be read.
    """

    path: Path
    n_bytes: int
    sha256: str
    problem: AllscopeError | None
    card: Card | None
    golden: GoldenSummary | None
    network: Network | None


def inspect_file(path: Path) -> Inspection:
    """Look through a file.

    Raises:
        PathUnusable: it cannot be opened.
        ModelUnreadable: it is larger than any model of ours, and was not looked into.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PathUnusable(f"{path} cannot be opened: {error.strerror}.", "Give a .tflite file.") from error
    if len(data) > MAX_FILE_BYTES:
        raise ModelUnreadable(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB.", "Give an allscope model.")
    problem, card, golden = None, None, None
    try:
        model = parse_model(data, str(path))
        card, golden = model.card, summarise_golden(model.golden, model.card, read_graph(model.flatbuffer))
    except AllscopeError as error:
        problem = error
    return Inspection(
        path, len(data), hashlib.sha256(data).hexdigest(), problem, card, golden, read_network(data)
    )


def read_network(data: bytes) -> Network | None:
    """The flatbuffer at the start of some bytes; None when there is none."""
    try:
        graph = read_graph(data)
    except ModelUnreadable:
        return None
    operations = tuple(
        Operation(
            name=operation.name,
            inputs=tuple(_describe(graph.tensors[index]) for index in operation.inputs if index >= 0),
            outputs=tuple(_describe(graph.tensors[index]) for index in operation.outputs),
        )
        for operation in graph.operations
    )
    return Network(precision_of(graph), graph, operations, plan_arena(graph))


def summarise_golden(golden: Golden, card: Card, graph: Graph) -> GoldenSummary:
    """Number, calls and hash of golden vectors."""
    calls = make_calls(dequantise(golden.outputs, graph.outputs[0]), golden.patches, card)
    counts = Counter(call.label for call in calls)
    digest = hashlib.sha256(np.ascontiguousarray(golden.patches).tobytes())
    digest.update(np.ascontiguousarray(golden.outputs).tobytes())
    return GoldenSummary(
        len(golden.patches), {label: counts[label] for label in card.labels}, digest.hexdigest()
    )


def _describe(tensor: Tensor) -> str:
    shape = " x ".join(str(side) for side in tensor.shape)
    return f"{tensor.type} {shape}".strip()


# --- for programs ---


def inspection_as_json(inspection: Inspection) -> dict[str, Json]:
    """Everything, for --json."""
    problem, card, golden = inspection.problem, inspection.card, inspection.golden
    return {
        "path": str(inspection.path),
        "n_bytes": inspection.n_bytes,
        "sha256": inspection.sha256,
        "sound": problem is None,
        "problem": None if problem is None else {"code": problem.code, "what": problem.what_happened},
        "card": None if card is None else json.loads(card.to_json()),
        "golden": None
        if golden is None
        else {"n": golden.n, "calls": dict(golden.calls), "sha256": golden.sha256},
        "network": None if inspection.network is None else network_as_json(inspection.network),
    }


def network_as_json(network: Network) -> dict[str, Json]:
    """Operations, tensors, bytes and arena; the same in fidelity.json."""
    tensors = network.graph.tensors
    return {
        "precision": network.precision,
        "weight_bytes": network.n_weight_bytes,
        "arena": network.arena.as_json(),
        "operations": [
            {"name": one.name, "inputs": list(one.inputs), "outputs": list(one.outputs)}
            for one in network.operations
        ],
        "tensors": [tensor_as_json(tensor) for tensor in tensors],
    }


def tensor_as_json(tensor: Tensor) -> dict[str, Json]:
    """One tensor: weights have bytes in the file, activations only in memory."""
    return {
        "name": tensor.name,
        "type": tensor.type,
        "shape": list(tensor.shape),
        "stored": tensor.n_bytes > 0,
        "n_bytes": tensor.n_bytes or tensor_bytes(tensor),
        "n_scales": len(tensor.scales),
        "scale": tensor.scales[0] if tensor.scales else None,
        "zero_point": tensor.zero_point,
    }
