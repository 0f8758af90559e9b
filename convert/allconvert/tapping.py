"""Read what flows between the operations of two TFLite files, in a process of its own.

Kernels may refuse extreme scales or abort the whole process, and tensors between operations can only be
seen by an interpreter that was told to keep them all. Both are kept out of the workstation's process.
"""

import io
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Final, Protocol, TypedDict

import numpy as np
import numpy.typing as npt

from alledge.errors import AllscopeError, FidelityRefused
from alledge.flatbuffer import Operation, read_graph
from alledge.types import F64, U8

MAX_DB: Final = 99.0
REFUSED_STATUS: Final = 3
NOT_COMPUTING: Final = frozenset({"QUANTIZE", "DEQUANTIZE"})
WEIGHTED: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Tap:
    """One operation of the int8 file against the same one in float; figures as in `LayerError`."""

    operation: str
    tensor: str
    scale: float
    sqnr_db: float
    largest_error: float
    saturated_share: float
    weight_sqnr_db: float | None
    worst_channel_db: float


def tap_isolated(float_file: bytes, int8_file: bytes, patches: U8, offset: float) -> tuple[Tap, ...]:
    """Compare all operations that both files have, in their order.

    Args:
        float_file: takes (1, 50, 50, 3) float32: grey levels plus `offset`.
        int8_file: the same network, takes (1, 50, 50, 3) uint8; 16 bits and float within are compared too.
        patches: (N, 50, 50, 3) uint8 RGB.
        offset: what the float network wants added to grey levels.

    Raises:
        FidelityRefused: the runtime refuses a file, or ends on it.
    """
    request = io.BytesIO()
    np.savez(
        request,
        float_file=np.frombuffer(float_file, dtype=np.uint8),
        int8_file=np.frombuffer(int8_file, dtype=np.uint8),
        patches=patches,
        offset=np.float32(offset),
    )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "allconvert.tapping"],
        input=request.getvalue(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        reason = said if done.returncode == REFUSED_STATUS else f"exit status {done.returncode}"
        raise FidelityRefused(
            f"The layers of the int8 network cannot be compared with float: the runtime ends ({reason}).",
            "Fit a network whose weights and activations are of like size.",
        )
    return tuple(Tap(**row) for row in json.loads(done.stdout))


# --- the child's side ---


class _Quantised(TypedDict):
    """What LiteRT tells of a tensor's integers."""

    scales: F64
    zero_points: npt.NDArray[np.int64]
    quantized_dimension: int


class _TensorDetail(TypedDict):
    index: int
    name: str
    quantization_parameters: _Quantised


class _Interpreter(Protocol):
    def allocate_tensors(self) -> None: ...
    def set_tensor(self, tensor_index: int, value: Array) -> None: ...
    def invoke(self) -> None: ...
    def get_tensor(self, tensor_index: int) -> Array: ...
    def get_input_details(self) -> list[_TensorDetail]: ...
    def get_tensor_details(self) -> list[_TensorDetail]: ...


class _Network:
    """A file in an interpreter that keeps every tensor."""

    def __init__(self, flatbuffer: bytes) -> None:
        from ai_edge_litert import interpreter as litert

        # No delegate: XNNPACK runs several operations as one and leaves nothing between them.
        self._interpreter: _Interpreter = litert.Interpreter(
            model_content=flatbuffer,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self.details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        # A tensor's place in the file is its index in the interpreter too.
        found = read_graph(flatbuffer).operations
        self.operations = [one for one in found if one.name not in NOT_COMPUTING]

    def run(self, patch: Array) -> None:
        self._interpreter.set_tensor(self._input, patch[None])
        self._interpreter.invoke()

    def stored(self, index: int) -> Array:
        return self._interpreter.get_tensor(index)

    def real(self, index: int) -> F64:
        """The real numbers that a tensor stands for, one scale or one a channel."""
        integers, told = self.stored(index), self.details[index]["quantization_parameters"]
        if not told["scales"].size:
            return integers.astype(np.float64)
        shape = [1] * integers.ndim
        if told["scales"].size > 1:
            shape[told["quantized_dimension"]] = -1
        zero = told["zero_points"].reshape(shape)
        values: F64 = told["scales"].astype(np.float64).reshape(shape) * (integers.astype(np.float64) - zero)
        return values


class _Tally:
    """Sums over patches for one operation. Signal is counted about each channel's mean."""

    def __init__(self, n_channels: int) -> None:
        self.n = 0
        self.sums = np.zeros(n_channels)
        self.squares = np.zeros(n_channels)
        self.noise = np.zeros(n_channels)
        self.largest, self.n_saturated = 0.0, 0

    def add(self, real: F64, got: F64, n_saturated: int) -> None:
        columns = real.reshape(-1, self.sums.size)
        error = np.abs(got.reshape(columns.shape) - columns)
        self.n += real.size
        self.sums += columns.sum(axis=0)
        self.squares += (columns**2).sum(axis=0)
        self.noise += (error**2).sum(axis=0)
        self.largest = max(self.largest, float(error.max()))
        self.n_saturated += n_saturated

    @property
    def power(self) -> F64:
        """Of each channel, about its mean; a dead one has none."""
        per_channel = self.n / self.sums.size
        spread: F64 = self.squares - self.sums**2 / per_channel
        return np.where(spread > 1e-12 * self.squares, spread, 0.0)

    @property
    def sqnr_db(self) -> float:
        return decibels(float(self.power.sum()), float(self.noise.sum()))

    @property
    def worst_channel_db(self) -> float:
        pairs = zip(self.power, self.noise, strict=True)
        alive = [decibels(float(power), float(noise)) for power, noise in pairs if power != 0]
        return min(alive, default=MAX_DB)


def decibels(power: float, noise: float) -> float:
    """Power over noise in decibels, within -99 and 99; -99 when either is no finite number."""
    if not np.isfinite(power) or not np.isfinite(noise):
        return -MAX_DB
    if noise <= 0:
        return MAX_DB
    return float(np.clip(10 * np.log10(max(power, 1e-300) / noise), -MAX_DB, MAX_DB))


def compare_files(float_file: bytes, int8_file: bytes, patches: U8, offset: float) -> list[Tap]:
    """The comparison itself; arguments as for `tap_isolated`. Raises what LiteRT raises."""
    real, integer = _Network(float_file), _Network(int8_file)
    pairs = _same_operations(real, integer)
    tallies = [_Tally(real.stored(before.outputs[0]).shape[-1]) for before, _ in pairs]
    for patch in patches:
        real.run(patch.astype(np.float32) + np.float32(offset))
        integer.run(patch)
        for (before, after), tally in zip(pairs, tallies, strict=True):
            expected, index = real.real(before.outputs[0]), after.outputs[0]
            got = integer.real(index)
            tally.add(expected, got, _count_saturated(integer, index, expected))
    return [
        Tap(
            operation=after.name,
            tensor=integer.details[after.outputs[0]]["name"],
            scale=_scale(integer, after.outputs[0]),
            sqnr_db=tally.sqnr_db,
            largest_error=min(tally.largest, float(np.finfo(np.float32).max)),
            saturated_share=tally.n_saturated / tally.n,
            weight_sqnr_db=_weight_sqnr_db(real, integer, before, after),
            worst_channel_db=tally.worst_channel_db,
        )
        for (before, after), tally in zip(pairs, tallies, strict=True)
    ]


def _same_operations(real: _Network, integer: _Network) -> list[tuple[Operation, Operation]]:
    """Operations of both files in pairs: by place where both have the same ones, else by name."""
    names = [[one.name for one in network.operations] for network in (real, integer)]
    if names[0] == names[1]:
        return list(zip(real.operations, integer.operations, strict=True))
    by_name = {real.details[one.outputs[0]]["name"]: one for one in real.operations}
    found = []
    for one in integer.operations:
        twin = by_name.get(integer.details[one.outputs[0]]["name"])
        if twin is not None and twin.name == one.name:
            found.append((twin, one))
    return found


def _scale(network: _Network, index: int) -> float:
    scales = network.details[index]["quantization_parameters"]["scales"]
    return float(scales[0]) if scales.size else 0.0


def _count_saturated(network: _Network, index: int, expected: F64) -> int:
    """Integers at an end of their type whose float value lies more than half a step beyond."""
    integers, scale = network.stored(index), _scale(network, index)
    if not np.issubdtype(integers.dtype, np.integer) or scale == 0:
        return 0
    ends = np.iinfo(integers.dtype.name)
    steps = expected / scale + float(network.details[index]["quantization_parameters"]["zero_points"][0])
    low = (integers == ends.min) & (steps < ends.min - 0.5)
    return int((low | ((integers == ends.max) & (steps > ends.max + 0.5))).sum())


def _weight_sqnr_db(real: _Network, integer: _Network, before: Operation, after: Operation) -> float | None:
    if after.name not in WEIGHTED:
        return None
    expected, got = real.real(before.inputs[1]), integer.real(after.inputs[1])
    return decibels(float((expected**2).sum()), float(((got - expected) ** 2).sum()))


def _answer() -> int:
    """A request on stdin, rows as JSON on stdout; the reason on stderr when the runtime refuses."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as request:
        files = request["float_file"].tobytes(), request["int8_file"].tobytes()
        patches, offset = request["patches"], float(request["offset"])
    try:
        with np.errstate(all="ignore"):
            taps = compare_files(*files, patches, offset)
    except (ValueError, RuntimeError, AllscopeError) as error:
        sys.stderr.write(str(error).strip().splitlines()[0])
        return REFUSED_STATUS
    sys.stdout.write(json.dumps([asdict(tap) for tap in taps]))
    return 0


if __name__ == "__main__":
    sys.exit(_answer())
