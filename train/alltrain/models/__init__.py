"""The networks that `alltrain fit --model` knows, by name. Each lives in a module of its own.

The builders import Keras when they are called, so that `alltrain --help` does not wait for TensorFlow.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import keras

DEFAULT_MODEL: Final = "smearnet"


def _smearnet(n_labels: int) -> "keras.Model":
    from alltrain.models.smearnet import build_smearnet

    return build_smearnet(n_labels)


def _seed(n_labels: int) -> "keras.Model":
    from alltrain.models.seed import build_seed

    return build_seed(n_labels)


MODELS: Final[dict[str, Callable[[int], "keras.Model"]]] = {"smearnet": _smearnet, "seed": _seed}


def count_macs(model: "keras.Model") -> int:
    """Multiply-accumulate operations that one patch costs in convolutions and dense layers."""
    macs = 0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        per_position = 1
        for side in kernel.shape:
            per_position *= int(side)
        positions = 1
        for side in layer.output.shape[1:-1]:  # rows and columns of a convolution, nothing of a dense layer
            positions *= int(side)
        macs += per_position * positions
    return macs
