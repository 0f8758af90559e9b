"""What a TFLite flatbuffer holds, read without any runtime: tensors, their types, the operators.

Two reasons. "int8" on a file's label is often dynamic-range inside, so the types are read from the
file and not believed. And runtimes crash on damaged files (tflite-runtime 2.14 takes a truncated
one down with a segmentation fault), so a file is looked through here before any runtime sees it.

Layout: https://flatbuffers.dev/internals and tensorflow/lite/schema/schema.fbs; the slot numbers
below are positions of fields in that schema, which never change.
"""

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alledge.errors import ModelUnreadable

IDENTIFIER: Final = b"TFL3"
# schema.fbs, enum TensorType, by number.
TENSOR_TYPES: Final = (
    "float32",
    "float16",
    "int32",
    "uint8",
    "int64",
    "string",
    "bool",
    "int16",
    "complex64",
    "int8",
    "float64",
    "complex128",
    "uint64",
    "resource",
    "variant",
    "uint32",
    "uint16",
    "int4",
    "bfloat16",
)
# schema.fbs, enum BuiltinOperator: those that small image networks use.
OPERATORS: Final[Mapping[int, str]] = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    21: "RELU6",
    22: "RESHAPE",
    25: "SOFTMAX",
    28: "TANH",
    34: "PAD",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    42: "DIV",
    45: "STRIDED_SLICE",
    53: "CAST",
    54: "PRELU",
    55: "MAXIMUM",
    57: "MINIMUM",
    65: "SLICE",
    74: "SUM",
    77: "SHAPE",
    82: "REDUCE_MAX",
    83: "PACK",
    98: "LEAKY_RELU",
    114: "QUANTIZE",
    117: "HARD_SWISH",
    150: "GELU",
}
CUSTOM_OPERATOR: Final = 32
FLOAT_TYPES: Final = frozenset({"float32", "float16", "float64", "bfloat16"})
MAX_ENTRIES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the graph.

    n_bytes: stored in the file, 0 for activations. scales: real = scale x (integer - zero point), one
    for the tensor or one a channel, empty when it is not quantised.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    n_bytes: int
    scales: tuple[float, ...]
    zero_point: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the graph. inputs, outputs: indices into its tensors; -1 for an input left out."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """The first subgraph of a TFLite model. operations: in the order in which they run."""

    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: tuple[Operation, ...]

    @property
    def operators(self) -> dict[str, int]:
        """How many operations there are of each name, names in order."""
        return dict(sorted(Counter(operation.name for operation in self.operations).items()))

    @property
    def float_tensors(self) -> tuple[Tensor, ...]:
        """Tensors of any floating type; a full-integer model has none."""
        return tuple(tensor for tensor in self.tensors if tensor.type in FLOAT_TYPES)


def read_graph(flatbuffer: bytes) -> Graph:
    """Read the graph of a TFLite model. Raises ModelUnreadable for bytes that are none."""
    if flatbuffer[4:8] != IDENTIFIER:
        raise ModelUnreadable(
            "The file is no TFLite model.", "Give the file that `allconvert quantize` wrote."
        )
    try:
        return _read(_Buffer(flatbuffer))
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise ModelUnreadable(
            "The file begins as a TFLite model but is broken inside.",
            "Copy it again, or convert the model again.",
        ) from error


class _Buffer:
    """Bounds-checked look-ups in a flatbuffer: every read beyond its end raises struct.error."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def unpack(self, layout: str, position: int) -> int:
        value: int = struct.unpack_from(layout, self._data, _inside(position))[0]
        return value

    def floats(self, table: int, index: int) -> tuple[float, ...]:
        start, length = self.vector(table, index)
        return struct.unpack_from(f"<{_sane(length)}f", self._data, _inside(start))

    def follow(self, position: int) -> int:
        """The place that an offset stored at `position` points to."""
        return position + self.unpack("<I", position)

    def slot(self, table: int, index: int) -> int | None:
        """Where field `index` of a table lies, or None when the table leaves it at its default."""
        vtable = table - self.unpack("<i", table)
        entry = 4 + 2 * index
        if entry >= self.unpack("<H", vtable):
            return None
        offset = self.unpack("<H", vtable + entry)
        return table + offset if offset else None

    def number(self, table: int, index: int, layout: str) -> int:
        position = self.slot(table, index)
        return 0 if position is None else self.unpack(layout, position)

    def vector(self, table: int, index: int) -> tuple[int, int]:
        """(position of the first entry, number of entries) of a vector field."""
        position = self.slot(table, index)
        if position is None:
            return 0, 0
        start = self.follow(position)
        return start + 4, self.unpack("<I", start)

    def integers(self, table: int, index: int) -> tuple[int, ...]:
        start, length = self.vector(table, index)
        return tuple(self.unpack("<i", start + 4 * entry) for entry in range(_sane(length)))

    def tables(self, table: int, index: int) -> tuple[int, ...]:
        start, length = self.vector(table, index)
        return tuple(self.follow(start + 4 * entry) for entry in range(_sane(length)))

    def text(self, table: int, index: int) -> str:
        start, length = self.vector(table, index)
        return self._data[start : start + length].decode("utf-8")


def _inside(position: int) -> int:
    # struct counts a negative offset from the end, as slices do; here it is damage.
    if position < 0:
        raise ValueError(position)
    return position


def _sane(length: int) -> int:
    if length > MAX_ENTRIES:
        raise ValueError(length)
    return length


def _read(buffer: _Buffer) -> Graph:
    model = buffer.follow(0)
    codes = [_operator_name(buffer, code) for code in buffer.tables(model, 1)]
    stored = [buffer.vector(entry, 0)[1] for entry in buffer.tables(model, 4)]
    subgraph = buffer.tables(model, 2)[0]
    tensors = tuple(_tensor(buffer, table, stored) for table in buffer.tables(subgraph, 0))
    operations = tuple(_operation(buffer, table, codes) for table in buffer.tables(subgraph, 3))
    return Graph(
        tensors=tensors,
        inputs=tuple(tensors[_within(index, tensors)] for index in buffer.integers(subgraph, 1)),
        outputs=tuple(tensors[_within(index, tensors)] for index in buffer.integers(subgraph, 2)),
        operations=tuple(_checked(operation, tensors) for operation in operations),
    )


def _operation(buffer: _Buffer, table: int, codes: list[str]) -> Operation:
    return Operation(
        name=codes[buffer.number(table, 0, "<I")],
        inputs=buffer.integers(table, 1),
        outputs=buffer.integers(table, 2),
    )


def _checked(operation: Operation, tensors: tuple[Tensor, ...]) -> Operation:
    """The operation, whose tensors all exist; an input may be left out (-1)."""
    for index in operation.inputs:
        if index != -1:
            _within(index, tensors)
    for index in operation.outputs:
        _within(index, tensors)
    return operation


def _within(index: int, tensors: tuple[Tensor, ...]) -> int:
    # A negative index would count from the end; in a file it is damage.
    if not 0 <= index < len(tensors):
        raise IndexError(index)
    return index


def _tensor(buffer: _Buffer, table: int, stored: list[int]) -> Tensor:
    quantisation = buffer.slot(table, 4)
    scales: tuple[float, ...] = ()
    zero_point = 0
    if quantisation is not None:
        parameters = buffer.follow(quantisation)
        scales = buffer.floats(parameters, 2)
        start, length = buffer.vector(parameters, 3)
        zero_point = buffer.unpack("<q", start) if length else 0
    return Tensor(
        name=buffer.text(table, 3),
        type=TENSOR_TYPES[buffer.number(table, 1, "<B")],
        shape=buffer.integers(table, 0),
        n_bytes=stored[buffer.number(table, 2, "<I")],
        scales=scales,
        zero_point=zero_point,
    )


def _operator_name(buffer: _Buffer, code: int) -> str:
    # Codes below 127 live in the old one-byte field, later ones in the new; readers take the greater.
    builtin = max(buffer.number(code, 0, "<b"), buffer.number(code, 3, "<i"))
    if builtin == CUSTOM_OPERATOR:
        return f"CUSTOM {buffer.text(code, 1)}"
    return OPERATORS.get(builtin, f"BUILTIN {builtin}")
