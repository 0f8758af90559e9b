"""Networks made to quantise badly, each as good in float as ever; and runs around them, without training.

The last layer is fitted in closed form on what two random convolutions see, so a run is made in a second.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from allconvert.representative import hash_of
from alledge.card import Card
from alledge.types import U8
from alltrain.calibration import Calibration
from alltrain.run_folder import FOLDS, MODEL, Run, Splits
from tests.convert.conftest import made_patches
from tests.edge.tiny_model import tiny_card

N_PATCHES = 160
SCALE, OFFSET = -2 / 230, 2.0
RARE_WEIGHT = 3.2
STEEPNESS = 6.0  # logits of the two labels lie this far apart
Sabotage = Callable[[Any], None]


def hostile_run(
    folder: Path,
    sabotage: Sabotage,
    patches: U8 | None = None,
    activation: Any = "relu",
    prepare: Sabotage | None = None,
) -> Run:
    """A run of two folds whose three networks were fitted in closed form and then sabotaged."""
    patches = made_patches(np.arange(N_PATCHES) % 2, seed=11) if patches is None else patches
    n = len(patches)
    labels = (np.arange(n) % 2).astype(np.int64)
    fold = (np.arange(n) // 20) % 2
    roles = [tuple(_role(index, fold[index] == k) for index in range(n)) for k in (0, 1)]
    shipped = tuple(_role(index, False) for index in range(n))
    (folder / FOLDS).mkdir(parents=True)
    for name, own in (
        (MODEL, shipped),
        (f"{FOLDS}/fold_0.keras", roles[0]),
        (f"{FOLDS}/fold_1.keras", roles[1]),
    ):
        network = closed_form_network(
            patches, labels, np.array([role == "train" for role in own]), activation, prepare
        )
        sabotage(network)
        network.save(folder / name)
    recipe = {"batch_size": 16, "learning_rate": 2e-3, "seed": 1}
    (folder / "config.json").write_text(json.dumps({"recipe": recipe}))
    return Run(
        path=folder,
        patches=patches,
        labels=labels,
        patch_ids=tuple(f"image{index}.png#0" for index in range(n)),
        sources=tuple(f"image{index}.png" for index in range(n)),
        groups=tuple(f"slide{index // 20}" for index in range(n)),
        splits=Splits(fold.astype(np.int64), shipped, (roles[0], roles[1])),
        card=_float_card(),
        metrics={},
        calibrations=(Calibration(1.0, 0.5, (0.4, 0.6)),) * 2,
    )


def _role(index: int, tests: bool) -> str:
    if tests:
        return "test"
    return "validation" if index % 5 == 0 else "train"


def _float_card() -> Card:
    return replace(tiny_card(), quantisation=None, familiarity=None, name="hostile")


def closed_form_network(
    patches: U8, labels: Any, train: Any, activation: Any = "relu", prepare: Sabotage | None = None
) -> Any:
    """Two convolutions with random weights, averages of their maps, and ridge regression on these."""
    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [
            keras.Input((50, 50, 3)),
            layers.Rescaling(SCALE, offset=OFFSET),
            layers.Conv2D(8, 3, strides=2, activation="relu", kernel_initializer="he_normal", name="first"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Conv2D(12, 3, activation=activation, kernel_initializer="he_normal", name="second"),
            layers.Conv2D(12, 3, activation="relu", kernel_initializer="he_normal", name="third"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="logits"),
        ]
    )
    (prepare or nothing)(network)
    features = keras.Sequential([keras.Input((50, 50, 3)), *network.layers[:-1]])
    seen = np.asarray(features(patches[train].astype(np.float32), training=False), dtype=np.float64)
    target = STEEPNESS * (labels[train] - 0.5)
    design = np.column_stack([seen, np.ones(len(seen))])
    moments = design.T @ design
    ridge = 3e-3 * np.median(np.diag(moments)) * np.eye(len(moments))
    weights = np.linalg.solve(moments + ridge, design.T @ target)
    kernel = np.column_stack([-weights[:-1] / 2, weights[:-1] / 2])
    network.get_layer("logits").set_weights([kernel, np.array([-weights[-1] / 2, weights[-1] / 2])])
    return network


@keras.saving.register_keras_serializable("hostile")
def sine(values: Any) -> Any:
    """An activation that TFLite has, but not in int8."""
    return keras.ops.sin(values)


@keras.saving.register_keras_serializable("hostile")
def error_function(values: Any) -> Any:
    """An activation that TFLite does not have at all."""
    return keras.ops.erf(values)


# --- sabotage: the float network keeps its calls ---


def nothing(network: Any) -> None:
    """A network like any other."""


def _scale_channel(network: Any, name: str, following: str, channel: int, factor: float) -> None:
    kernel, bias = network.get_layer(name).get_weights()
    kernel[..., channel] *= factor
    bias[channel] *= factor
    network.get_layer(name).set_weights([kernel, bias])
    kernel, bias = network.get_layer(following).get_weights()
    kernel[..., channel, :] /= factor
    network.get_layer(following).set_weights([kernel, bias])


def one_channel_shouts(network: Any) -> None:
    """One map of each layer a thousand times larger, and taken back by the next: the others drown."""
    for name, following in (("first", "second"), ("second", "third"), ("third", "logits")):
        _scale_channel(network, name, following, 0, 1000.0)


def one_channel_shouts_late(network: Any) -> None:
    """The same between two layers only."""
    _scale_channel(network, "second", "third", 0, 1000.0)


def channels_of_all_sizes(network: Any) -> None:
    """Maps from a hundredth to a hundred times their size."""
    for name, following in (("first", "second"), ("second", "third"), ("third", "logits")):
        n = network.get_layer(name).filters
        for channel, exponent in enumerate(np.linspace(-2, 2, n)):
            _scale_channel(network, name, following, channel, 10.0**exponent)


def one_huge_weight_on_a_dead_channel(network: Any) -> None:
    """A logit weight a thousand times the rest, on a map that is always zero."""
    kernel, bias = network.get_layer("third").get_weights()
    kernel[..., 0], bias[0] = 0, 0
    network.get_layer("third").set_weights([kernel, bias])
    kernel, bias = network.get_layer("logits").get_weights()
    kernel[0] = 1000 * np.abs(kernel).max() * np.array([1, -1])
    network.get_layer("logits").set_weights([kernel, bias])


def dead_relus(network: Any) -> None:
    """Three maps of four never speak."""
    for name in ("second",):
        kernel, bias = network.get_layer(name).get_weights()
        bias[: 3 * bias.size // 4] = -1e3
        network.get_layer(name).set_weights([kernel, bias])


def logits_far_from_zero(network: Any) -> None:
    """Both logits far from zero by the same amount."""
    kernel, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([kernel, bias + 3000])


def what_logits_share_drowns_them(network: Any) -> None:
    """Both logits rise and fall together, by far more than they differ: no probability tells of it."""
    kernel, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([kernel + 3000 * np.abs(kernel).max(), bias])


def tiny_margins(network: Any) -> None:
    """All logits within a ten-thousandth of each other: an int8 scale is as small as need be."""
    kernel, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([kernel * 1e-4, bias * 1e-4])


def calls_on_a_few_steps(network: Any) -> None:
    """Two labels whose logits are near duplicates: what both share takes up nearly all steps."""
    kernel, bias = network.get_layer("logits").get_weights()
    kernel *= 0.02
    bias *= 0.02
    kernel[1] += 3.0 * np.array([1, 1])
    network.get_layer("logits").set_weights([kernel, bias])


def carry_a_rare_sign(network: Any) -> None:
    """Before the fit: a map of its own for a green corner, which few patches have."""
    for name in ("first", "second", "third"):
        kernel, bias = network.get_layer(name).get_weights()
        kernel[..., 0], bias[0] = 0, 0
        if name == "first":
            kernel[1, 1, :, 0] = 2, -6, 2
        else:
            kernel[:, :, 0, :] = 0
            kernel[1, 1, 0, 0] = 1
        network.get_layer(name).set_weights([kernel, bias])


def a_rare_sign_decides(network: Any) -> None:
    """The green corner alone makes a blast of what looks normal, if its map is not clipped."""
    kernel, bias = network.get_layer("logits").get_weights()
    kernel[0] = -RARE_WEIGHT, RARE_WEIGHT
    network.get_layer("logits").set_weights([kernel, bias])


def patches_with_a_rare_sign() -> U8:
    """600 patches; of the blasts every 30th looks normal but for a green corner.

    Their noise is drawn until their hashes come last, so that a set chosen by hash leaves them out.
    """
    patches = made_patches(np.arange(600) % 2, seed=12)
    for index in range(1, 600, 60):
        normal = patches[index - 1].copy()
        normal[:14, :14] = (0, 255, 0)
        rng = np.random.default_rng(index)
        while hash_of(normal)[0] < 250:
            normal[40, 40] = rng.integers(200, 256, 3)
        patches[index] = normal
    return patches


def nan_weight(network: Any) -> None:
    kernel, bias = network.get_layer("second").get_weights()
    kernel[0, 0, 0, 0] = np.nan
    network.get_layer("second").set_weights([kernel, bias])


def infinite_weight(network: Any) -> None:
    kernel, bias = network.get_layer("first").get_weights()
    bias[0] = np.inf
    network.get_layer("first").set_weights([kernel, bias])
