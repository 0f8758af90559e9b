"""Where it hurts: how far each layer of the int8 network is from the same layer in float.

One figure for the logits says that quantisation went wrong, not where. Here the rewritten network is
written out once more in float, so that its operations are the int8 file's own, one for one (batch
normalisation folded, activations fused), and the output of every convolution, dense layer and pooling is
compared for the same patches. The runtimes' private tensors are read in a child process (`tapping.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from allconvert.converter import export_float
from allconvert.rewriting import Rewritten
from allconvert.tapping import Tap, tap_isolated
from alledge.errors import FidelityRefused
from alledge.strict_json import Json
from alledge.types import U8
from alltrain.backend import load_keras

if TYPE_CHECKING:
    import keras

KINDS: Final = {
    "CONV_2D": "convolution",
    "DEPTHWISE_CONV_2D": "depthwise convolution",
    "FULLY_CONNECTED": "dense",
    "MAX_POOL_2D": "maximum",
    "AVERAGE_POOL_2D": "average",
    "MEAN": "average",
}


@dataclass(frozen=True, slots=True)
class LayerError:
    """The output of one layer, int8 against float.

    layer: its name in Keras, or its tensor's where operations and layers are not one for one.
    sqnr_db: power of the float output about its channel means over the power of the error, in decibels,
    within -99 and 99. largest_error: in the layer's own units. saturated_share: of all values, those at
    the end of the int8 range that float puts beyond it. tensor, scale: in the int8 file.
    weight_sqnr_db: the same for its weights as they are stored, None for a pooling. worst_channel_db: the
    lowest of a channel's own, for a loud channel hides how the quiet ones drown; dead channels aside.
    """

    layer: str
    kind: str
    sqnr_db: float
    largest_error: float
    saturated_share: float
    tensor: str
    scale: float
    weight_sqnr_db: float | None = None
    worst_channel_db: float = 99.0

    def as_json(self) -> dict[str, Json]:
        """The row for fidelity.json."""
        return {
            "layer": self.layer,
            "kind": self.kind,
            "sqnr_db": self.sqnr_db,
            "worst_channel_db": self.worst_channel_db,
            "largest_error": self.largest_error,
            "saturated_share": self.saturated_share,
            "weight_sqnr_db": self.weight_sqnr_db,
            "tensor": self.tensor,
            "scale": self.scale,
        }


def layer_errors(rewritten: Rewritten, flatbuffer: bytes, patches: U8) -> tuple[LayerError, ...]:
    """Compare every convolution, dense layer and pooling, in the order of the network.

    Args:
        rewritten: the float network that the int8 one was made of.
        flatbuffer: the int8 network; layers that were left in 16 bits or in float may be among its own.
        patches: (N, 50, 50, 3) uint8 RGB; some dozens are enough.

    Returns:
        One row a layer; none when the reference kernels cannot run the network. That is for the gate to
        object to, and a table that cannot be made must not stand in the way of its reasons.

    Raises:
        FidelityRefused: TFLite has no form of an operation of the network.
        StorageFailed: the folder for temporary files is full.
    """
    real = export_float(rewritten)
    try:
        every = tap_isolated(real, flatbuffer, patches, rewritten.offset)
    except FidelityRefused:
        return ()
    taps = [tap for tap in every if tap.operation in KINDS]
    names = _layer_names(rewritten.model, taps)
    return tuple(
        LayerError(
            layer=name,
            kind=KINDS[tap.operation],
            sqnr_db=tap.sqnr_db,
            largest_error=tap.largest_error,
            saturated_share=tap.saturated_share,
            tensor=tap.tensor,
            scale=tap.scale,
            weight_sqnr_db=tap.weight_sqnr_db,
            worst_channel_db=tap.worst_channel_db,
        )
        for name, tap in zip(names, taps, strict=True)
    )


def _layer_names(model: "keras.Model", taps: Sequence[Tap]) -> list[str]:
    """The Keras layer of each tap by its place, or else the first part of its tensor's name."""
    known = [(layer.name, kind) for layer in model.layers for kind in _operations_of(layer)]
    if [kind for _, kind in known] == [KINDS[tap.operation] for tap in taps]:
        return [name for name, _ in known]
    return [tap.tensor.split(";")[0] for tap in taps]


def _operations_of(layer: "keras.layers.Layer") -> tuple[str, ...]:
    """The kinds of operation, of those in `KINDS`, that a layer becomes in TFLite."""
    layers = load_keras().layers
    if isinstance(layer, layers.SeparableConv2D):
        return "depthwise convolution", "convolution"
    if isinstance(layer, layers.DepthwiseConv2D):
        return ("depthwise convolution",)
    if isinstance(layer, layers.Conv2D):
        return ("convolution",)
    if isinstance(layer, layers.Dense):
        return ("dense",)
    if isinstance(layer, layers.MaxPooling2D):
        return ("maximum",)
    if isinstance(layer, (layers.AveragePooling2D, layers.GlobalAveragePooling2D)):
        return ("average",)
    return ()
