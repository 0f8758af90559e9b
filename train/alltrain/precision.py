"""Mixed precision: 16-bit arithmetic where a GPU is fast at it, 32 bits where numbers must be kept.

Weights, logits, loss and optimiser stay in float32; only the layers between compute in 16 bits (P.
Micikevicius et al., Mixed Precision Training, ICLR 2018). So a model fitted this way is an ordinary
float32 model: the network that trains is a twin of the one that is saved, with the same weights.

bfloat16 has the range of float32 and needs nothing else. float16, all that GPUs before compute capability
8.0 are fast at, has not: gradients would vanish, so the loss is scaled up and they are scaled down again.
On a processor either is slower than float32 and no better, so it is refused there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from alledge.errors import InputError
from alltrain.backend import load_keras
from alltrain.distribution import ALONE, Distribution

if TYPE_CHECKING:
    import keras

FLOAT32: Final = "float32"
MIXED: Final = "mixed"
PRECISIONS: Final = (FLOAT32, MIXED)
BFLOAT16: Final = "mixed_bfloat16"
FLOAT16: Final = "mixed_float16"
# NVIDIA, CUDA C++ Programming Guide, "Features and Technical Specifications": bfloat16 from 8.0 (Ampere) on.
_BFLOAT16_SINCE: Final = (8, 0)


def settle_precision(asked: str, distribution: Distribution = ALONE) -> str:
    """The arithmetic that "mixed" means on this machine: "float32", "mixed_bfloat16" or "mixed_float16".

    Goes into the recipe, so that a run is never resumed in another arithmetic.

    Raises:
        InputError: mixed precision without a GPU; or, with several replicas, on GPUs without bfloat16:
            replicas would not agree on when a scaled gradient has overflowed.
    """
    if asked == FLOAT32:
        return FLOAT32
    capability = compute_capability()
    if capability is None:
        raise InputError(
            "Mixed precision needs a GPU; on a processor it is slower than float32 and no better.",
            "Leave --precision out, or say --precision float32.",
        )
    if capability >= _BFLOAT16_SINCE:
        return BFLOAT16
    if distribution.n_replicas > 1:
        raise InputError(
            "Mixed precision on several GPUs needs bfloat16, which these are not capable of.",
            "Say --precision float32, or let the fit see one GPU only (CUDA_VISIBLE_DEVICES=0).",
        )
    return FLOAT16


def compute_capability() -> tuple[int, int] | None:
    """(major, minor) CUDA capability of the weakest GPU that Keras sees; None without a GPU.

    A GPU that does not tell, such as one of another maker, counts as capable of bfloat16.
    """
    keras = load_keras()
    if not keras.distribution.list_devices("gpu"):
        return None
    asked = _ASK_BACKEND.get(keras.backend.backend())
    return min(asked(), default=_BFLOAT16_SINCE) if asked else _BFLOAT16_SINCE


def _ask_tensorflow() -> list[tuple[int, int]]:
    config = import_module("tensorflow").config
    told = [config.experimental.get_device_details(gpu) for gpu in config.list_physical_devices("GPU")]
    return [details.get("compute_capability") or _BFLOAT16_SINCE for details in told]


def _ask_jax() -> list[tuple[int, int]]:
    told = [str(getattr(gpu, "compute_capability", "")) for gpu in import_module("jax").devices("gpu")]
    return [_parsed(capability) for capability in told]


def _parsed(capability: str) -> tuple[int, int]:
    """JAX tells "8.0" on CUDA, and a name such as "gfx90a" elsewhere."""
    major, _, minor = capability.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else _BFLOAT16_SINCE


_ASK_BACKEND: Final = {"tensorflow": _ask_tensorflow, "jax": _ask_jax}


def twin_at(network: "keras.Model", precision: str) -> "keras.Model":
    """The same network with the same weights, its layers computing at a precision; logits in float32.

    network: a float32 Sequential or functional model; returned as it is for "float32". The twin's weights
    are float32 too and in the same order, so `set_weights` carries them back.
    """
    if precision == FLOAT32:
        return network
    last = network.layers[-1].name
    twin = load_keras().models.clone_model(
        network,
        clone_function=lambda layer: _layer_at(layer, FLOAT32 if layer.name == last else precision),
    )
    twin.set_weights(network.get_weights())
    return twin


def _layer_at(layer: "keras.layers.Layer", precision: str) -> "keras.layers.Layer":
    """A layer like this one, with weights of its own, computing at a precision."""
    config = layer.get_config() | {"dtype": precision}
    return layer.__class__.from_config(config)


def optimiser_at(optimiser: "keras.optimizers.Optimizer", precision: str) -> "keras.optimizers.Optimizer":
    """The optimiser, with the loss scaled against vanishing gradients where the precision needs it."""
    if precision != FLOAT16:
        return optimiser
    return load_keras().optimizers.LossScaleOptimizer(optimiser)
