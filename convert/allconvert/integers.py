"""litert-quantizer, behind one door: a float TFLite file and ranges in, an int8 one out.

Weights get one scale a channel and are symmetric, activations one scale a tensor (R. Krishnamoorthi,
arXiv:1806.08342). Layers that are named stay in 16x8 (int16 activations, int8 weights) or in float32. The
library gives a file that takes int8; ours takes the grey levels as they are, so the input is turned into
uint8 with a QUANTIZE behind it, as TensorFlow's converter does it.
"""

import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from allconvert.ranges import Ranges
from allconvert.story import Precision
from alledge.errors import FidelityRefused
from alledge.quiet import quiet_stderr
from alledge.types import F32

if TYPE_CHECKING:
    from ai_edge_litert import schema_py_generated as schema
    from litert_quantizer.recipe_manager import RecipeManager  # type: ignore[import-untyped]

EVERYTHING: Final = ".*"


def quantise_file(
    float_file: bytes, first_input: F32, ranges: Ranges, wide: Mapping[str, Precision] | None = None
) -> bytes:
    """Quantise a float TFLite file.

    Args:
        float_file: takes (1, 50, 50, 3) float32.
        first_input: (50, 50, 3) float32, any input of the network.
        ranges: of every activation; the input's must span 255, so that its scale is 1.
        wide: precision of the operations that are not to be int8, by the name of the tensor they give.

    Raises:
        FidelityRefused: litert-quantizer refuses the network.
    """
    from litert_quantizer import quantizer  # type: ignore[import-untyped]

    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = quantizer.Quantizer(float_file, _recipe(wide or {}).get_quantization_recipe())
            # One patch fills the library's own table of tensors; every activation in it is then replaced.
            signature, name = _signature(float_file)
            found = made.calibrate({signature: [{name: first_input[None]}]}, num_threads=1)
            for tensor, (low, high) in ranges.items():
                shape = np.shape(found[tensor]["min"]) if found.get(tensor) else (1,)
                found[tensor] = {
                    "min": np.full(shape, low, dtype=np.float32),
                    "max": np.full(shape, high, dtype=np.float32),
                }
            result = made.quantize(found, enable_progress_bar=False, enable_progress_report=False)
        except (ValueError, RuntimeError, KeyError) as error:
            raise FidelityRefused(
                f"litert-quantizer cannot make the network int8: {str(error).strip().splitlines()[0][:160]}.",
                "Build it from operations with an int8 form: convolution, ReLU, pooling, dense.",
            ) from error
    return _with_uint8_input(bytes(result.quantized_model or b""))


def _recipe(wide: Mapping[str, Precision]) -> "RecipeManager":
    """Int8 for everything, then the exceptions; later rules win."""
    from litert_quantizer.algorithm_manager import AlgorithmName  # type: ignore[import-untyped]
    from litert_quantizer.qtyping import QuantGranularity, TFLOperationName  # type: ignore[import-untyped]
    from litert_quantizer.recipe_manager import RecipeManager

    recipe = RecipeManager()
    recipe.add_static_config(EVERYTHING, TFLOperationName.ALL_SUPPORTED, 8, 8)
    # tflite-runtime 2.14 reads the first scale of a dense layer only, and answers wrongly without a word.
    recipe.add_static_config(
        EVERYTHING, TFLOperationName.FULLY_CONNECTED, 8, 8, weight_granularity=QuantGranularity.TENSORWISE
    )
    for tensor, precision in wide.items():
        scope = re.escape(tensor)
        if precision == "16x8":
            recipe.add_static_config(scope, TFLOperationName.ALL_SUPPORTED, 16, 8)
        else:
            recipe.add_quantization_config(
                scope, TFLOperationName.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE
            )
    return recipe


def _signature(float_file: bytes) -> tuple[str, str]:
    """Names of the file's signature and of its input."""
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_content=float_file).get_signature_list()
    name = next(iter(signatures))
    return name, signatures[name]["inputs"][0]


def _with_uint8_input(flatbuffer: bytes) -> bytes:
    """The same network behind a uint8 input: QUANTIZE to its int8, or DEQUANTIZE to its float input."""
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    (graph,) = model.subgraphs
    before, inner = int(graph.inputs[0]), len(graph.tensors)
    tensor = graph.tensors[before]
    graph.tensors.append(_inner_of(tensor))
    tensor.type = schema.TensorType.UINT8
    tensor.quantization.zeroPoint = [int(tensor.quantization.zeroPoint[0]) + 128]
    for operation in graph.operators:
        operation.inputs = [inner if index == before else int(index) for index in operation.inputs]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    model.operatorCodes.append(code)
    turn = schema.OperatorT()
    turn.opcodeIndex, turn.inputs, turn.outputs = len(model.operatorCodes) - 1, [before], [inner]
    graph.operators.insert(0, turn)
    builder = flatbuffers.Builder(len(flatbuffer) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _inner_of(tensor: "schema.TensorT") -> "schema.TensorT":
    """The int8 tensor that the network behind the input reads; a copy of the input as it was."""
    from ai_edge_litert import schema_py_generated as schema

    inner = schema.TensorT()
    inner.name = tensor.name + b"_int8" if isinstance(tensor.name, bytes) else f"{tensor.name}_int8"
    inner.type, inner.shape, inner.buffer = tensor.type, tensor.shape, tensor.buffer
    inner.shapeSignature, inner.hasRank = tensor.shapeSignature, tensor.hasRank
    inner.quantization = schema.QuantizationParametersT()
    inner.quantization.scale = [float(tensor.quantization.scale[0])]
    inner.quantization.zeroPoint = [int(tensor.quantization.zeroPoint[0])]
    return inner
