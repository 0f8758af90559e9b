"""The model file: everything the device needs in one `.tflite`, and nothing in it runs.

    int8 flatbuffer | zip: card.json, golden.npz | seal

The zip is appended as TFLite metadata does it: any TFLite tool opens the file and ignores what
follows the flatbuffer; `unzip -l` lists what follows. The seal is the zip's comment, the SHA-256
of every byte before it, so one changed byte anywhere is found before anything is interpreted.
It guards against damage and mix-ups; it is no signature, whoever edits a file can seal it again.
"""

import hashlib
import io
import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.card import PRECISIONS, Card, NamedException
from alledge.errors import ModelDamaged, ModelLabelsDiffer, ModelNotInt8, ModelUnreadable, PathUnusable
from alledge.flatbuffer import FLOAT_TYPES, IDENTIFIER, Graph, Tensor, read_graph
from alledge.patches import PATCH_PX
from alledge.types import I8, U8, ModelIdentity

CARD_NAME: Final = "card.json"
GOLDEN_NAME: Final = "golden.npz"
SEAL_PREFIX: Final = b"allscope sha256 "
SEAL_HEX: Final = 64
MIN_GOLDEN: Final = 256
# A fixed time stamp (the earliest a zip can hold): the same model is the same bytes on every day.
ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
MAX_FILE_BYTES: Final = 64 * 2**20
MAX_CARD_BYTES: Final = 2**20
MAX_GOLDEN_BYTES: Final = 64 * 2**20
WEIGHTED: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
FOREIGN: Final = "CUSTOM"  # operations outside TFLite's own kernels, flex ones among them
# int32 and int64: biases and shapes. bool and others have no place in a network of this kind.
KNOWN_TYPES: Final = frozenset({"uint8", "int8", "int16", "int32", "int64"}) | FLOAT_TYPES
CONVERT: Final = "Convert the run with `allconvert quantize RUN --out MODEL.tflite`."
COPY_AGAIN: Final = "Copy it again from where it came, or convert the run again."
# What zipfile and numpy raise for parts that a stranger wrote: bad streams, and headers of impossible arrays.
BROKEN_PARTS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    SyntaxError,
    tokenize.TokenError,
    RuntimeError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Patches with the outputs that every runtime must give for them.

    patches: (N, 50, 50, 3) uint8 RGB. outputs: (N, L) int8, as the reference kernels answer.
    decision_sha256: `Card.decision_sha256` of the card they were chosen with, so that a card which was
    edited later, or is another model's, is found; empty where nobody noted it.
    """

    patches: U8
    outputs: I8
    decision_sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model file, read and checked: the flatbuffer is int8, and card and golden vectors fit it."""

    sha256: str
    flatbuffer: bytes
    card: Card
    golden: Golden

    @property
    def name(self) -> str:
        """The model's name, from its card."""
        return self.card.name

    @property
    def identity(self) -> ModelIdentity:
        """What binds a result to this file."""
        return ModelIdentity(self.card.name, self.sha256)


def read_model(path: Path) -> ModelFile:
    """Read and check a model file.

    Raises:
        PathUnusable: no such file, or it cannot be opened.
        ModelUnreadable: no TFLite model, one without allscope's card, or a card that breaks a rule.
        ModelDamaged: changed or cut short since it was written.
        ModelNotInt8: a float, dynamic-range or 16-bit model, with or without a card.
        ModelLabelsDiffer: the network has another number of outputs than the card has labels.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PathUnusable(
            f"The model {path} cannot be opened: {error.strerror}.", "Give the path of a model file."
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise ModelUnreadable(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB.", "Give an allscope model.")
    return parse_model(data, str(path))


def parse_model(data: bytes, source: str) -> ModelFile:
    """The model that bytes hold; `source` names them in errors. Raises as `read_model` does, path aside."""
    if data[-SEAL_HEX - len(SEAL_PREFIX) : -SEAL_HEX] != SEAL_PREFIX:
        raise _explain_unsealed(data, source)
    if _seal_of(data[:-SEAL_HEX]) != data[-SEAL_HEX:]:
        raise ModelDamaged(f"{source} was changed since it was written: its checksum differs.", COPY_AGAIN)
    flatbuffer, parts = _open_parts(data, source)
    card = Card.from_json(_text_of(parts[CARD_NAME], source))
    golden = _golden_from(parts[GOLDEN_NAME], len(card.labels), source)
    if golden.decision_sha256 not in ("", card.decision_sha256()):
        raise ModelDamaged(
            f"{source} turns logits into calls otherwise than when its golden vectors were made: "
            "labels, temperature, threshold or familiarity were changed.",
            COPY_AGAIN,
        )
    require_int8(read_graph(flatbuffer), card, source)
    return ModelFile(hashlib.sha256(data).hexdigest(), flatbuffer, card, golden)


def pack_model(flatbuffer: bytes, card: Card, golden: Golden) -> bytes:
    """One file from its parts: the same parts give the same bytes. Raises as `read_model` does."""
    buffer = io.BytesIO()
    buffer.write(flatbuffer)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(CARD_NAME, ZIP_TIME), card.to_json().encode())
        archive.writestr(zipfile.ZipInfo(GOLDEN_NAME, ZIP_TIME), _golden_bytes(golden))
        archive.comment = SEAL_PREFIX + b"0" * SEAL_HEX
    unsealed = buffer.getvalue()[:-SEAL_HEX]
    data = unsealed + _seal_of(unsealed)
    parse_model(data, card.name)
    return data


def require_int8(graph: Graph, card: Card, source: str) -> None:
    """Hold the network to the contract: uint8 patch in, int8 logits out, integers between, one a label."""
    exceptions = card.quantisation.exceptions if card.quantisation is not None else ()
    require_only_named(graph, exceptions, source)
    side = card.patch.px
    if [(tensor.type, tensor.shape) for tensor in graph.inputs] != [("uint8", (1, side, side, 3))]:
        raise ModelNotInt8(f"{source} does not take one uint8 patch of {side} x {side} x 3.", CONVERT)
    if len(graph.outputs) != 1 or graph.outputs[0].type != "int8":
        raise ModelNotInt8(f"{source} does not give one row of int8 logits.", CONVERT)
    if graph.outputs[0].shape != (1, len(card.labels)):
        raise ModelLabelsDiffer(
            f"{source} gives {graph.outputs[0].shape[-1]} logits but its card has {len(card.labels)} labels.",
            CONVERT,
        )
    _require_int8_layers(graph, exceptions, source)
    _require_same_quantisation(graph, card, source)


def require_only_named(graph: Graph, exceptions: Sequence[NamedException], source: str) -> None:
    """Raise ModelNotInt8 unless all is int8, exceptions aside, and every exception is as it is named.

    One tensor of another type than the card tells is enough, and so is one operation that TFLite's own
    kernels do not know.
    """
    foreign = [name for name in graph.operators if name.startswith(FOREIGN)]
    if foreign:
        raise ModelNotInt8(f"{source} needs {', '.join(foreign)}, which no device has.", CONVERT)
    named = {name: PRECISIONS[entry.precision] for entry in exceptions for name in entry.tensors}
    stray = [tensor for tensor in wide_tensors(graph) if named.get(tensor.name) != tensor.type]
    stray += [tensor for tensor in graph.tensors if tensor.type not in KNOWN_TYPES]
    if stray:
        kind = precision_of(graph)
        beside = " beside the layers its card names" if exceptions else ""
        raise ModelNotInt8(
            f"{source} is a {kind} model, not full-integer int8: {stray[0].name.split(';')[0]} is "
            f"{stray[0].type}{beside}.",
            CONVERT,
        )


def _require_int8_layers(graph: Graph, exceptions: Sequence[NamedException], source: str) -> None:
    """Every convolution and dense layer that no exception names is int8 in, weights and out; one at least."""
    named = {name for exception in exceptions for name in exception.tensors}
    n_int8 = 0
    for operation in graph.operations:
        if operation.name not in WEIGHTED or not operation.outputs:
            continue
        result = graph.tensors[operation.outputs[0]]
        if result.name in named:
            continue
        types = [graph.tensors[index].type for index in (*operation.inputs[:2], operation.outputs[0])]
        if types != ["int8", "int8", "int8"]:
            raise ModelNotInt8(
                f"{source} is no int8 model: {operation.name} {result.name.split(';')[0]} computes "
                f"{' x '.join(types[:2])} to {types[2]}.",
                CONVERT,
            )
        n_int8 += 1
    if not n_int8:
        raise ModelNotInt8(f"{source} has no layer in int8.", CONVERT)


def wide_tensors(graph: Graph) -> tuple[Tensor, ...]:
    """Tensors that an int8 network has not: floating-point and 16-bit ones."""
    return tuple(tensor for tensor in graph.tensors if tensor.type in FLOAT_TYPES or tensor.type == "int16")


def precision_of(graph: Graph) -> str:
    """The kind of arithmetic inside, by its usual name: int8, float32, float16, dynamic-range or 16x8."""
    kinds = {tensor.type for tensor in graph.tensors}
    weights = {tensor.type for tensor in graph.tensors if tensor.n_bytes and len(tensor.shape) > 1}
    if not graph.float_tensors:
        return "16x8" if "int16" in kinds else "int8"
    if "int8" in weights:
        activations = {tensor.type for tensor in graph.tensors if not tensor.n_bytes}
        return "partly float" if "int8" in activations else "dynamic-range"
    return "float16" if "float16" in weights else "float32"


def _require_same_quantisation(graph: Graph, card: Card, source: str) -> None:
    stated = card.quantisation
    if stated is None:
        raise ModelUnreadable(f"The card of {source} lacks the field `quantisation`.", CONVERT)
    ends = (graph.inputs[0], graph.outputs[0])
    found = [(tensor.scales, tensor.zero_point) for tensor in ends]
    if found != [
        ((stated.input_scale,), stated.input_zero_point),
        ((stated.output_scale,), stated.output_zero_point),
    ]:
        raise ModelUnreadable(
            f"The card of {source} states another `quantisation` than the network has.", CONVERT
        )


def _seal_of(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _explain_unsealed(data: bytes, source: str) -> Exception:
    """Say what a file without a whole seal is: cut short, somebody else's model, or no model."""
    if data[4:8] != IDENTIFIER and CARD_NAME.encode() not in data:
        return ModelUnreadable(
            f"{source} is no TFLite model.", "Give the file that `allconvert quantize` wrote."
        )
    if CARD_NAME.encode() in data:
        return ModelDamaged(f"{source} is an allscope model that was cut short or changed.", COPY_AGAIN)
    try:
        precision = precision_of(read_graph(data))
    except ModelUnreadable:
        return ModelDamaged(f"{source} begins as a TFLite model but is cut short or broken.", COPY_AGAIN)
    if precision != "int8":
        return ModelNotInt8(f"{source} is a {precision} TFLite model, not a full-integer int8 one.", CONVERT)
    return ModelUnreadable(
        f"{source} is a plain TFLite model without allscope's card and golden vectors.", CONVERT
    )


def _open_parts(data: bytes, source: str) -> tuple[bytes, Mapping[str, bytes]]:
    """(flatbuffer, part by name) of a file whose seal holds."""
    limits = {CARD_NAME: MAX_CARD_BYTES, GOLDEN_NAME: MAX_GOLDEN_BYTES}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sorted(entry.filename for entry in entries) != sorted(limits):
                raise ModelUnreadable(f"{source} does not hold exactly {' and '.join(limits)}.", CONVERT)
            if any(entry.file_size > limits[entry.filename] for entry in entries):
                raise ModelUnreadable(f"{source} holds a part that is too large.", CONVERT)
            parts = {entry.filename: archive.read(entry) for entry in entries}
            return data[: min(entry.header_offset for entry in entries)], parts
    except BROKEN_PARTS as error:
        raise ModelUnreadable(f"{source} holds no readable zip: {error}.", COPY_AGAIN) from error


def _text_of(part: bytes, source: str) -> str:
    try:
        return part.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelUnreadable(f"The card of {source} is no UTF-8 text.", CONVERT) from error


def _golden_bytes(golden: Golden) -> bytes:
    """golden.npz with fixed time stamps; numpy's own writer would put today's date in."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in (
            ("patches", golden.patches),
            ("outputs", golden.outputs),
            ("decision_sha256", np.array([golden.decision_sha256])),
        ):
            entry = zipfile.ZipInfo(f"{name}.npy", ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(entry, stream.getvalue())
    return buffer.getvalue()


def _golden_from(part: bytes, n_labels: int, source: str) -> Golden:
    try:
        with zipfile.ZipFile(io.BytesIO(part)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_GOLDEN_BYTES:
                raise ModelUnreadable(f"The golden vectors of {source} are too large.", CONVERT)
        with np.load(io.BytesIO(part), allow_pickle=False) as arrays:
            # What is no array at all, numpy gives as bytes.
            patches: npt.NDArray[np.generic] = np.asarray(arrays["patches"])
            outputs: npt.NDArray[np.generic] = np.asarray(arrays["outputs"])
            noted = arrays["decision_sha256"].ravel().tolist() if "decision_sha256" in arrays else []
    except BROKEN_PARTS as error:
        raise ModelUnreadable(f"The golden vectors of {source} cannot be read: {error}.", CONVERT) from error
    n = len(patches) if patches.ndim else 0
    if n < MIN_GOLDEN or patches.shape != (n, PATCH_PX, PATCH_PX, 3) or outputs.shape != (n, n_labels):
        expected = f"{MIN_GOLDEN} or more patches of ({PATCH_PX}, {PATCH_PX}, 3) with {n_labels} outputs each"
        got = f"{patches.shape} and {outputs.shape}"
        raise ModelUnreadable(f"The golden vectors of {source} must be {expected}, but are {got}.", CONVERT)
    if patches.dtype != np.uint8 or outputs.dtype != np.int8:
        raise ModelUnreadable(
            f"The golden vectors of {source} must be uint8 patches and int8 outputs.", CONVERT
        )
    return Golden(patches.astype(np.uint8), outputs.astype(np.int8), "".join(map(str, noted)))
