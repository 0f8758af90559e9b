"""Small TFLite networks made field by field, so that the device's tests need no TensorFlow.

One fully connected layer over the whole patch; int8, float or dynamic-range inside, as asked.
"""

from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from alledge.card import Card, PatchContract, Quantisation
from alledge.familiarity import fit_familiarity
from alledge.model_file import MIN_GOLDEN, Golden, pack_model
from alledge.types import U8

Type = schema.TensorType
Operator = schema.BuiltinOperator
OUTPUT_SCALE = 0.05
OUTPUT_ZERO_POINT = -7
N_INPUTS = 50 * 50 * 3


@dataclass
class TinyNetwork:
    """What goes into the flatbuffer; tests change a field and build."""

    n_labels: int = 2
    input_type: int = Type.UINT8
    inner_type: int = Type.INT8
    weight_type: int = Type.INT8
    output_type: int = Type.INT8
    input_scale: float = 1.0
    side_px: int = 50
    seed: int = 0

    def build(self) -> bytes:
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes = [_code(Operator.QUANTIZE), _code(Operator.FULLY_CONNECTED)]
        model.buffers = [_buffer(b""), _buffer(self._weights())]
        model.subgraphs = [self._graph()]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _weights(self) -> bytes:
        weights = np.random.default_rng(self.seed).integers(-127, 128, (self.n_labels, N_INPUTS))
        return weights.astype(np.int8 if self.weight_type == Type.INT8 else np.float32).tobytes()

    def _graph(self) -> schema.SubGraphT:
        graph = schema.SubGraphT()
        patch = [1, self.side_px, self.side_px, 3]
        graph.tensors = [
            _tensor("patch", self.input_type, patch, self.input_scale, 0),
            _tensor("inner", self.inner_type, patch, self.input_scale, -128),
            _tensor("weights", self.weight_type, [self.n_labels, N_INPUTS], 2e-6, 0, buffer=1),
            _tensor("logits", self.output_type, [1, self.n_labels], OUTPUT_SCALE, OUTPUT_ZERO_POINT),
        ]
        graph.inputs, graph.outputs = [0], [3]
        is_float = self.input_type == Type.FLOAT32
        first = 0 if is_float else 1
        graph.operators = [] if is_float else [_operator(0, [0], [1])]
        graph.operators.append(_operator(1, [first, 2, -1], [3], schema.FullyConnectedOptionsT()))
        return graph


FLOAT = TinyNetwork(
    input_type=Type.FLOAT32, inner_type=Type.FLOAT32, weight_type=Type.FLOAT32, output_type=Type.FLOAT32
)
DYNAMIC_RANGE = TinyNetwork(input_type=Type.FLOAT32, inner_type=Type.FLOAT32, output_type=Type.FLOAT32)


def tiny_patches(n: int, seed: int = 0) -> U8:
    """Patches that look a little like cells: a dark disc on plasma, of varied size and stain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:50, :50] - 24.5
    patches = np.full((n, 50, 50, 3), 230.0)
    for patch in patches:
        disc = np.hypot(x, y) < rng.uniform(8, 20)
        patch[disc] = rng.uniform([80, 40, 120], [150, 110, 190])
        patch += rng.normal(0, 4, patch.shape)
    return np.clip(patches, 0, 255).astype(np.uint8)


def tiny_card(labels: tuple[str, ...] = ("normal", "blast"), positive: tuple[str, ...] = ("blast",)) -> Card:
    return Card(
        name="tiny",
        labels=labels,
        positive_labels=positive,
        patch=PatchContract(20.0, 50, "RGB", "plasma-1"),
        quantisation=Quantisation(
            "made by hand", 1.0, 0, float(np.float32(OUTPUT_SCALE)), OUTPUT_ZERO_POINT, 1, "00"
        ),
        temperature=1.0,
        threshold=0.5 if positive else None,
        review_band=(0.4, 0.6) if positive else None,
        familiarity=fit_familiarity(tiny_patches(64)),
        metrics={"accuracy": {"value": 0.9, "ci95": [0.8, 0.95], "n": 100, "n_groups": 5}},
        data_fingerprint="ab" * 32,
        layout="class folders",
        grouped=True,
        phantom=True,
        notes=("Rendered images.",),
        versions={"allscope": "0.1.0"},
    )


def tiny_golden(n: int = MIN_GOLDEN, n_labels: int = 2) -> Golden:
    """Patches with made-up outputs: enough for reading and writing files."""
    return Golden(tiny_patches(n), np.zeros((n, n_labels), dtype=np.int8))


def tiny_model_bytes() -> bytes:
    return pack_model(TinyNetwork().build(), tiny_card(), tiny_golden())


def _code(operator: int) -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode = operator
    code.deprecatedBuiltinCode = operator
    code.version = {Operator.QUANTIZE: 1, Operator.FULLY_CONNECTED: 4}[operator]
    return code


def _buffer(data: bytes) -> schema.BufferT:
    buffer = schema.BufferT()
    buffer.data = list(data) if data else None
    return buffer


def _tensor(
    name: str, kind: int, shape: list[int], scale: float, zero_point: int, buffer: int = 0
) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.shape, tensor.buffer = name, kind, shape, buffer
    if kind in (Type.INT8, Type.UINT8, Type.INT16):
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
    return tensor


def _operator(code: int, inputs: list[int], outputs: list[int], options: object = None) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    if options is not None:
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = options
    return operator
