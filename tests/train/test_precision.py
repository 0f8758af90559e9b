"""Mixed precision trains a float32 model in 16 bits: on a GPU, with its logits and weights in 32."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from alledge.errors import InputError
from alltrain import precision
from alltrain.backend import load_keras
from alltrain.models import MODELS
from alltrain.precision import BFLOAT16, FLOAT16, FLOAT32, optimiser_at, settle_precision, twin_at
from alltrain.training import Trainer
from tests.train.conftest import BRIEF_RECIPE
from tests.train.patch_sets import make_patch_set

TWO_GPUS = SimpleNamespace(n_replicas=2)
SIXTEEN_BITS = (BFLOAT16, FLOAT16)


def test_on_a_processor_mixed_precision_is_refused_and_float32_is_not(monkeypatch) -> None:
    monkeypatch.setattr(precision, "compute_capability", lambda: None)
    assert settle_precision("float32") == FLOAT32
    with pytest.raises(InputError, match="slower than float32"):
        settle_precision("mixed")


@pytest.mark.parametrize(
    ("capability", "expected"), [((9, 0), BFLOAT16), ((8, 0), BFLOAT16), ((7, 5), FLOAT16)]
)
def test_mixed_is_bfloat16_where_the_gpu_is_capable_of_it(capability, expected: str, monkeypatch) -> None:
    monkeypatch.setattr(precision, "compute_capability", lambda: capability)
    assert settle_precision("mixed") == expected


def test_replicas_are_never_given_a_scaled_loss(monkeypatch) -> None:
    monkeypatch.setattr(precision, "compute_capability", lambda: (7, 5))
    with pytest.raises(InputError, match="several GPUs"):
        settle_precision("mixed", TWO_GPUS)
    monkeypatch.setattr(precision, "compute_capability", lambda: (8, 6))
    assert settle_precision("mixed", TWO_GPUS) == BFLOAT16


@pytest.mark.parametrize(
    ("told", "parsed"), [("7.5", (7, 5)), ("12.0", (12, 0)), ("gfx90a", (8, 0)), ("", (8, 0))]
)
def test_a_capability_is_read_as_jax_tells_it(told: str, parsed: tuple[int, int]) -> None:
    assert precision._parsed(told) == parsed


def test_float32_is_the_network_itself() -> None:
    network = MODELS["smearnet"](2)
    assert twin_at(network, FLOAT32) is network


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("policy", SIXTEEN_BITS)
def test_the_twin_computes_in_16_bits_and_keeps_weights_and_logits_in_32(name: str, policy: str) -> None:
    network = MODELS[name](3)
    twin = twin_at(network, policy)
    bits = [layer.compute_dtype for layer in twin.layers]
    assert bits[-1] == "float32"
    assert policy.removeprefix("mixed_") in bits
    assert {weight.dtype for weight in twin.get_weights()} == {np.dtype(np.float32)}
    patches = make_patch_set(n_groups=2).patches.astype(np.float32)
    logits, expected = (load_keras().ops.convert_to_numpy(model(patches)) for model in (twin, network))
    assert logits.dtype == np.float32
    assert not np.array_equal(logits, expected)
    np.testing.assert_allclose(logits, expected, atol=0.1)


def test_only_float16_needs_its_loss_scaled() -> None:
    keras = load_keras()
    for policy, scaled in ((FLOAT32, False), (BFLOAT16, False), (FLOAT16, True)):
        optimiser = optimiser_at(keras.optimizers.AdamW(1e-3), policy)
        assert isinstance(optimiser, keras.optimizers.LossScaleOptimizer) == scaled


@pytest.mark.parametrize("policy", SIXTEEN_BITS)
def test_a_fit_in_16_bits_starts_anew_each_time_and_gives_an_ordinary_float32_model(
    policy: str, tmp_path: Path
) -> None:
    keras, study = load_keras(), make_patch_set(n_groups=2)
    validates = np.arange(len(study)) % 3 == 0
    recipe = replace(BRIEF_RECIPE, precision=policy, batch_size=4, least_patches_an_epoch=4)
    trainer = Trainer(2, recipe)
    first, again = (trainer.fit(study.patches, study.labels, validates, recipe) for _ in range(2))
    for one, other in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()
    first.model.save(tmp_path / "model.keras")
    read = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert {layer.dtype_policy.name for layer in read.layers} == {"float32"}
    assert {weight.dtype for weight in read.get_weights()} == {np.dtype(np.float32)}
