"""The rebuilt networks: right shapes, plain fitting, and rows that own up to what they are."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alltrain.backend import load_keras
from alltrain.literature.network import FittedNetwork, NetworkRecipe, fit_network, turn
from alltrain.literature.networks import NETWORKS, keep_central_cell, select_inputs
from alltrain.literature.ours import our_systems
from alltrain.literature.registry import REFERENCE, all_systems, choose_systems
from alltrain.literature.shortcuts import fit_shortcut
from alltrain.literature.system import System, TrainingSide
from alltrain.models import count_macs
from tests.train.patch_sets import PLASMA, make_patch_set

if TYPE_CHECKING:
    import keras

BY_KEY = {system.key: system for system in NETWORKS}


def side_of(n_groups: int = 4, **changes: object) -> TrainingSide:
    patch_set = make_patch_set(n_groups=n_groups)
    validates = np.arange(len(patch_set)) % 4 < 2  # both labels on both sides
    side = TrainingSide(
        patch_set.patches, patch_set.labels, validates, patch_set.morphology, patch_set.label_names, (1,), 0
    )
    return replace(side, **changes)  # type: ignore[arg-type]


def tiny(side: TrainingSide) -> "keras.Model":
    keras = load_keras()
    return keras.Sequential(
        [
            keras.Input((50, 50, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.AveragePooling2D(10),
            keras.layers.Flatten(),
            keras.layers.Dense(side.n_labels),
        ]
    )


TINY = NetworkRecipe(tiny, epochs=3, learning_rate=0.01, least_patches_an_epoch=64)


@pytest.mark.parametrize("n_labels", [2, 8])
@pytest.mark.parametrize("name", ["thanh_deep", "allnet", "dense_cnn", "se_cnn"])
def test_a_network_answers_in_one_logit_a_label(name: str, n_labels: int) -> None:
    load_keras()
    from alltrain.literature import architectures

    model = getattr(architectures, f"build_{name}")(n_labels)
    assert model.input_shape == (None, 50, 50, 3)
    assert model.output_shape == (None, n_labels)


def test_alexnet_costs_a_sixth_of_what_it_costs_on_its_own_input() -> None:
    load_keras()
    from alltrain.literature.architectures import build_alexnet

    model = build_alexnet(2)
    assert model.output_shape == (None, 2)
    assert 100e6 < count_macs(model) < 150e6  # 0.7 G on 227 pixels


def test_squeeze_and_excitation_weighs_maps_between_zero_and_one() -> None:
    keras = load_keras()
    from alltrain.literature.architectures import build_se_cnn

    model = build_se_cnn(2)
    weights = keras.Model(model.input, model.get_layer("excite_1").output)
    out = keras.ops.convert_to_numpy(weights(np.full((1, 50, 50, 3), 200.0, dtype=np.float32)))
    assert out.shape == (1, 1, 1, 32)
    assert (out > 0).all()
    assert (out < 1).all()


def test_inputs_that_were_not_chosen_change_nothing() -> None:
    keras = load_keras()
    from alltrain.literature.architectures import build_dense_cnn

    chosen = np.zeros((50, 50, 3), dtype=np.float32)
    chosen[:25] = 1
    model = build_dense_cnn(2, chosen)
    patch = np.full((1, 50, 50, 3), 120.0, dtype=np.float32)
    other = patch.copy()
    other[:, 25:] = 0
    one, two = (keras.ops.convert_to_numpy(model(shown, training=False)) for shown in (patch, other))
    assert np.array_equal(one, two)


def test_the_network_of_thanh_is_the_seed_network() -> None:
    side = replace(side_of(), epochs=1)
    fitted = BY_KEY["thanh"].fit(side)
    assert fitted.n_parameters == 62_312
    assert fitted.probabilities(side.patches[:3], side.morphology[:3]).sum(axis=1) == pytest.approx(1.0)


def test_feature_selection_keeps_half_of_the_inputs_and_never_asks_validation_cells() -> None:
    side = side_of()
    chosen = select_inputs(side)
    assert chosen.shape == (50, 50, 3)
    assert int(chosen.sum()) == 50 * 50 * 3 // 2
    spoilt = side.patches.copy()
    spoilt[side.is_validation] = 0
    assert np.array_equal(select_inputs(replace(side, patches=spoilt)), chosen)


def test_what_is_not_the_central_cell_becomes_plasma() -> None:
    patch = make_patch_set(n_groups=2).patches[1:2].copy()
    patch[0, :6, :6] = (110, 60, 150)  # a neighbour in the corner
    kept = keep_central_cell(patch)
    assert (kept[0, :6, :6] >= PLASMA).all()
    assert np.array_equal(kept[0, 25, 25], patch[0, 25, 25])


def test_a_patch_without_a_cell_stays_as_it_is() -> None:
    empty = np.full((1, 50, 50, 3), PLASMA, dtype=np.uint8)
    assert np.array_equal(keep_central_cell(empty), empty)


def test_a_fit_learns_what_is_plain_to_see() -> None:
    side = side_of(epochs=15)
    fitted = fit_network(TINY, side)
    called = fitted.probabilities(side.patches, side.morphology).argmax(axis=1)
    assert (called == side.labels).mean() > 0.9


def test_the_same_seed_gives_the_same_network_and_another_fold_another() -> None:
    def weights(side: TrainingSide) -> list[np.typing.NDArray[np.float32]]:
        fitted = fit_network(replace(TINY, varies=True), side)
        assert isinstance(fitted, FittedNetwork)
        return list(fitted.model.get_weights())

    one, two, other = weights(side_of()), weights(side_of()), weights(side_of(fold=1))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_epochs_asked_for_replace_those_of_the_recipe() -> None:
    told: list[tuple[int, int]] = []
    fit_network(TINY, side_of(epochs=2, on_epoch=lambda done, of: told.append((done, of))))
    assert told[:2] == [(1, 2), (2, 2)]


def test_a_fit_ends_when_validation_no_longer_gains() -> None:
    told: list[int] = []
    still = replace(TINY, learning_rate=0.0, epochs=30, patience=2)
    fit_network(still, side_of(on_epoch=lambda done, of: told.append(done)))
    assert told[:-1] == [1, 2, 3]
    assert told[-1] == 30


def test_turning_a_patch_moves_pixels_and_changes_none() -> None:
    patches = make_patch_set(n_groups=2).patches
    turned = turn(patches, np.random.default_rng(0))
    for before, after in zip(patches, turned, strict=True):
        assert np.array_equal(np.sort(before.reshape(-1, 3), axis=0), np.sort(after.reshape(-1, 3), axis=0))
    assert not np.array_equal(patches, turned)


def test_a_shortcut_is_told_numbers_and_no_pixels() -> None:
    side = side_of()
    told = replace(side, patches=np.zeros_like(side.patches), morphology=side.labels[:, None].astype(float))
    fitted = fit_shortcut(told)
    p = fitted.probabilities(told.patches, told.morphology)
    assert np.array_equal(p.argmax(axis=1), side.labels)
    assert p.sum(axis=1) == pytest.approx(1.0)


def test_a_label_that_a_side_lacks_stays_possible_for_a_shortcut() -> None:
    side = side_of(label_names=("normal", "blast", "other"))
    told = replace(side, morphology=side.labels[:, None].astype(float))
    p = fit_shortcut(told).probabilities(told.patches, told.morphology)
    assert p.shape == (len(side.labels), 3)
    assert (p > 0).all()


# --- what the table says of its rows ---


@pytest.mark.parametrize("row", NETWORKS, ids=lambda row: row.key)
def test_every_network_of_the_literature_quotes_its_claim_and_owns_up_to_choices(row: System) -> None:
    claim = row.claim
    assert claim is not None
    assert claim.authors
    assert claim.title
    assert claim.data
    assert claim.figure
    assert claim.split
    assert 2000 < claim.year < 2030
    assert claim.accuracy is None or f"{100 * claim.accuracy:g}"[:4] in claim.figure
    assert row.choices


@pytest.mark.parametrize("key", ["rehman", "shafique"])
def test_weights_that_cannot_be_had_are_said_to_be_missing(key: str) -> None:
    assert any("ImageNet" in choice for choice in BY_KEY[key].choices)


def test_ours_claim_nothing() -> None:
    assert [system.key for system in our_systems()] == [REFERENCE, "seed"]
    assert all(system.claim is None for system in our_systems())


def test_every_row_has_a_key_of_its_own() -> None:
    keys = [system.key for system in all_systems()]
    assert len(set(keys)) == len(keys)
    assert all(key == key.lower() and " " not in key for key in keys)


def test_systems_are_chosen_by_key_in_table_order() -> None:
    assert [system.key for system in choose_systems(["thanh", "smearnet"])] == ["smearnet", "thanh"]


def test_an_unknown_key_is_told_with_those_that_are_known() -> None:
    with pytest.raises(KeyError, match="resnet is no system of the table; known are smearnet"):
        choose_systems(["resnet"])
