"""The seed network is kept exactly; smearnet is smaller and cheaper; both take what the device cuts."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from alltrain.backend import load_keras, package_versions
from alltrain.datasets.dataset import PatchSet
from alltrain.models import DEFAULT_MODEL, MODELS, count_macs
from alltrain.sampling import class_weights, shuffled_batches
from alltrain.training import Fitted, Recipe, Trainer, evaluate, predict_logits
from tests.train.patch_sets import make_patch_set

keras = load_keras()

QUANTISES_WELL = {"Rescaling", "Conv2D", "MaxPooling2D", "GlobalAveragePooling2D", "Flatten", "Dense"}


def test_the_seed_network_has_62312_parameters_for_two_labels() -> None:
    assert MODELS["seed"](2).count_params() == 62_312


def test_the_seed_network_is_the_published_one() -> None:
    layers = MODELS["seed"](2).layers
    assert [type(layer).__name__ for layer in layers] == [
        "Rescaling", "Conv2D", "Conv2D", "MaxPooling2D", "Flatten", "Dense",
    ]  # fmt: skip
    for conv in layers[1:3]:
        assert (conv.filters, conv.kernel_size, conv.strides, conv.padding) == (30, (5, 5), (1, 1), "same")
        assert conv.activation is keras.activations.relu
    assert layers[3].pool_size == (2, 2)
    assert layers[5].activation is keras.activations.linear


def test_the_default_network_is_cheaper_than_the_seed_and_fits_the_device() -> None:
    seed, default = MODELS["seed"](2), MODELS[DEFAULT_MODEL](2)
    assert count_macs(default) < count_macs(seed) / 6
    assert count_macs(default) <= 10_000_000
    assert default.count_params() <= 95_000  # one byte each in int8, and the file stays under 100 kB


def test_the_default_network_has_67042_parameters_for_two_labels() -> None:
    assert MODELS[DEFAULT_MODEL](2).count_params() == 67_042


def test_multiply_accumulates_are_counted_by_hand_for_the_seed() -> None:
    by_hand = 50 * 50 * (25 * 3 * 30 + 25 * 30 * 30) + 25 * 25 * 30 * 2
    assert count_macs(MODELS["seed"](2)) == by_hand


@pytest.mark.parametrize("name", MODELS)
def test_every_network_uses_only_operations_that_quantise_well(name: str) -> None:
    assert {type(layer).__name__ for layer in MODELS[name](2).layers} <= QUANTISES_WELL


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_labels", [2, 5])
def test_every_network_gives_one_logit_a_label_for_a_patch_of_50_pixels(name: str, n_labels: int) -> None:
    model = MODELS[name](n_labels)
    assert model.input_shape == (None, 50, 50, 3)
    logits = predict_logits(model, np.zeros((3, 50, 50, 3), dtype=np.uint8))
    assert (logits.shape, logits.dtype) == ((3, n_labels), np.float32)


def test_a_patch_gets_the_same_logits_in_any_company() -> None:
    model = MODELS[DEFAULT_MODEL](2)
    patches = make_patch_set().patches
    one_by_one = np.concatenate([predict_logits(model, patches[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(predict_logits(model, patches)[:5], one_by_one, rtol=1e-4, atol=1e-5)
    assert predict_logits(model, patches[:0]).shape == (0, 2)


def fit_once(study: PatchSet, held: np.ndarray, recipe: Recipe) -> Fitted:
    return Trainer(2, recipe).fit(study.patches, study.labels, held, recipe)


def test_a_fit_does_not_depend_on_what_its_trainer_fitted_before() -> None:
    study = make_patch_set(n_groups=2)
    held = np.arange(len(study)) % 4 == 0
    recipe = Recipe(epochs=1, least_patches_an_epoch=32)
    trainer = Trainer(2, recipe)
    runs = [trainer.fit(study.patches, study.labels, held, replace(recipe, seed=s)) for s in (3, 4, 3)]
    first, other, again = (predict_logits(run.model, study.patches) for run in runs)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_fitting_learns_what_can_be_learnt_and_keeps_the_best_epoch() -> None:
    study = make_patch_set(n_groups=4, per_label=10)
    held = np.arange(len(study)) % 4 == 0
    fitted = fit_once(study, held, Recipe(epochs=4))
    loss, accuracy = evaluate(predict_logits(fitted.model, study.patches[held]), study.labels[held])
    assert accuracy > 0.9
    assert loss == pytest.approx(fitted.epochs[fitted.best_epoch].validation_loss, abs=1e-4)
    assert loss == pytest.approx(min(epoch.validation_loss for epoch in fitted.epochs), abs=1e-4)


def test_training_stops_when_validation_no_longer_improves() -> None:
    study = make_patch_set(n_groups=2)
    told: list[int] = []
    held = np.arange(len(study)) % 4 == 0
    nonsense = np.random.default_rng(0).integers(0, 2, len(study))
    recipe = Recipe(epochs=30, least_patches_an_epoch=32, patience=1)
    fitted = Trainer(2, recipe).fit(study.patches, nonsense, held, recipe, told.append)
    assert len(fitted.epochs) < 30
    assert told == list(range(1, len(fitted.epochs) + 1))


def test_scarce_classes_weigh_as_much_as_common_ones() -> None:
    labels = np.repeat([0, 1], [30, 10]).astype(np.int64)
    weights = class_weights(labels, 2)
    assert weights[0] * 30 == pytest.approx(weights[1] * 10)
    assert weights[labels].mean() == pytest.approx(1.0)


def test_the_versions_that_made_a_model_are_known() -> None:
    assert package_versions()["keras"] == keras.__version__


def test_the_rate_warms_up_to_its_peak_and_falls_ever_after() -> None:
    from alltrain.training_step import learning_rate_at

    rates = [float(learning_rate_at(step, 200, 0.01)) for step in range(200)]
    assert max(rates) == pytest.approx(0.01)
    assert rates[0] < 0.0021
    top = rates.index(max(rates))
    assert top <= 10
    assert all(later <= earlier for earlier, later in pairwise(rates[top:]))
    assert rates[-1] == pytest.approx(0.0005, rel=0.05)


def test_an_epoch_shows_every_patch_equally_often_in_full_batches() -> None:
    batches = shuffled_batches(np.arange(10, 23), 6, 8, np.random.default_rng(0))
    assert batches.shape == (6, 8)
    counts = np.bincount(batches.ravel(), minlength=23)[10:]
    assert counts.min() >= counts.max() - 1
