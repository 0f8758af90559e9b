"""What is shown depends on the place in the course alone, so any batch can be had again."""

import numpy as np
import pytest

from alltrain.augmentation import Augmentation, n_blurred
from alltrain.backend import load_keras
from alltrain.sampling import class_weights
from tests.train.patch_sets import make_patch_set

load_keras()

from alltrain.batches import Batches, Shown  # noqa: E402 - after Keras was loaded quietly

STUDY = make_patch_set(n_groups=4)
REAL = Shown(STUDY.patches, STUDY.labels, np.arange(20, 48), class_weights(STUDY.labels[20:], 2), 12)
RENDERED = Shown(STUDY.patches[:20], STUDY.labels[:20], np.arange(20), np.array([0.25, 0.5]), 4)


def batches(first: int = 0, last: int = 3, seed: int = 7, beside: Shown | None = RENDERED) -> Batches:
    return Batches(
        REAL, beside, n_batches=7, epochs=range(first, last), seed=seed, augmentation=Augmentation()
    )


def arrays_of(batch: tuple) -> list[np.ndarray]:
    (patches, parameters), labels, weights = batch
    return [patches, parameters, labels, weights]


def test_a_course_taken_up_at_a_later_epoch_is_shown_what_it_would_have_been_shown() -> None:
    whole, rest = batches(), batches(first=1)
    assert (len(whole), len(rest)) == (21, 14)
    for index in (0, 6, 13):
        for expected, found in zip(arrays_of(whole[7 + index]), arrays_of(rest[index]), strict=True):
            np.testing.assert_array_equal(expected, found)


def test_a_batch_does_not_depend_on_what_was_asked_for_before() -> None:
    asked_once, asked_around = batches(), batches()
    for index in (20, 0, 7, 13):
        asked_around[index]
    for expected, found in zip(arrays_of(asked_once[6]), arrays_of(asked_around[6]), strict=True):
        np.testing.assert_array_equal(expected, found)


def test_every_batch_and_every_seed_is_its_own() -> None:
    seen = {arrays_of(b[index])[1].tobytes() for b in (batches(), batches(seed=8)) for index in range(21)}
    assert len(seen) == 42


def test_an_epoch_shows_its_patches_equally_often_and_no_others() -> None:
    alone = batches(beside=None)
    index_of = {patch.tobytes(): index for index, patch in enumerate(STUDY.patches)}
    shown = [index_of[patch.tobytes()] for step in range(7) for patch in alone[step][0][0]]
    counts = np.bincount(shown, minlength=48)
    assert not counts[:20].any()
    assert set(counts[20:]) == {3}  # 7 batches of 12 are 3 rounds of 28


def test_labels_and_weights_stay_with_their_patches() -> None:
    index_of = {patch.tobytes(): index for index, patch in enumerate(STUDY.patches)}
    for patches, _, labels, weights in (arrays_of(batches()[index]) for index in range(21)):
        index = np.array([index_of[patch.tobytes()] for patch in patches])
        assert (index < 20).sum() == 4
        np.testing.assert_array_equal(labels.argmax(axis=1), STUDY.labels[index])
        expected = np.where(
            index < 20, RENDERED.class_weight[STUDY.labels[index]], REAL.class_weight[STUDY.labels[index]]
        )
        np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_any_patch_of_a_batch_may_be_among_those_that_are_blurred() -> None:
    """The first ones are; were rendered cells always last, none of them would ever be."""
    rendered = {patch.tobytes() for patch in STUDY.patches[:20]}
    first = n_blurred(16, Augmentation())
    shares = [
        np.mean([patch.tobytes() in rendered for patch in batches()[index][0][0][:first]])
        for index in range(21)
    ]
    assert np.mean(shares) == pytest.approx(0.25, abs=0.15)


def test_patches_may_lie_in_a_memory_mapped_file(tmp_path) -> None:
    np.save(tmp_path / "patches.npy", STUDY.patches)
    mapped = np.load(tmp_path / "patches.npy", mmap_mode="r")
    shown = Shown(mapped, STUDY.labels, REAL.indices, REAL.class_weight, 12)
    mapped_batches = Batches(shown, None, n_batches=7, epochs=range(1), seed=7, augmentation=Augmentation())
    np.testing.assert_array_equal(mapped_batches[3][0][0], batches(beside=None)[3][0][0])
    assert mapped_batches[3][0][0].dtype == np.uint8
