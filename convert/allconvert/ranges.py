"""What every activation of the float network did on given patches, and the int8 ranges drawn from it.

Ranges are explicit here, not left to a converter: litert-quantizer's own calibration is a moving average of
each patch's extremes, so that a rare loud patch is clipped without anybody having decided so. Measured on
the float TFLite file itself, whose tensors are the int8 file's own, one for one.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from alledge.flatbuffer import read_graph
from alledge.quiet import quiet_stderr
from alledge.types import F32, I64

Ranges: TypeAlias = Mapping[str, tuple[float, float]]
"""Lowest and highest real number of each activation, by the name of its tensor."""


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """How far each channel of one activation went on each patch. low, high: (N, C) float32."""

    low: F32
    high: F32

    def of(self, rows: I64) -> "Extremes":
        """The same for some of the patches."""
        return Extremes(self.low[rows], self.high[rows])

    def range(self, quantile: float = 1.0) -> tuple[float, float]:
        """Ends over the patches: the outermost, or what a share `quantile` of the patches stays within."""
        low, high = self.low.min(axis=1), self.high.max(axis=1)
        return float(np.quantile(low, 1 - quantile)), float(np.quantile(high, quantile))


def measure_extremes(float_file: bytes, inputs: F32) -> dict[str, Extremes]:
    """Run a float network over inputs, (N, 50, 50, 3) float32, and keep the ends of each channel.

    The dictionary holds every tensor that an operation gives, and the input.
    """
    from ai_edge_litert import interpreter as litert

    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = litert.Interpreter(
            model_content=float_file,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    graph = read_graph(float_file)
    source = interpreter.get_input_details()[0]["index"]
    kept = [source, *(index for operation in graph.operations for index in operation.outputs)]
    lows: dict[int, list[F32]] = {index: [] for index in kept}
    highs: dict[int, list[F32]] = {index: [] for index in kept}
    for one in inputs:
        interpreter.set_tensor(source, one[None])
        interpreter.invoke()
        for index in kept:
            value = interpreter.get_tensor(index)
            columns = value.reshape(-1, value.shape[-1] if value.ndim else 1)
            lows[index].append(columns.min(axis=0))
            highs[index].append(columns.max(axis=0))
    return {
        graph.tensors[index].name: Extremes(np.stack(lows[index]), np.stack(highs[index])) for index in kept
    }


def ranges_of(extremes: Mapping[str, Extremes], quantile: float = 1.0) -> dict[str, tuple[float, float]]:
    """The range of every activation over all patches that were measured."""
    return {name: found.range(quantile) for name, found in extremes.items()}
