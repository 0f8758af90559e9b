"""What a network is shown, batch by batch, as a pure function of seed, epoch and step.

Patches stay uint8 where they lie, in memory or in a memory-mapped file; a batch copies its own few. Chance
comes from a counter-based generator (Philox; J. K. Salmon et al., SC 2011) whose counter is the place in
the course, so a fit that was cut short is shown what it would have been shown.
"""

from dataclasses import dataclass

import keras
import numpy as np

from alledge.types import F32, F64, I64, U8
from alltrain.augmentation import Augmentation, draw_parameters
from alltrain.sampling import shuffled_batches

_ORDER, _BATCH = 0, 1
"""What a generator is for: the order of an epoch, or all chance of one batch."""

Batch = tuple[tuple[U8, F32], F32, F32]
"""((patches, parameters of augmentation), labels as shares (B, L), weights (B,))."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Patches that a network is shown, and what weight each label has among them.

    patches: (N, 50, 50, 3) uint8 RGB; labels: (N,) int64; indices: those of them that are shown, no others.
    class_weight: (L,). n_a_batch: how many of them are in every batch.
    """

    patches: U8
    labels: I64
    indices: I64
    class_weight: F64
    n_a_batch: int


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """All batches of a fit, one epoch after the other, from epoch `first_epoch` on.

    One sequence over all epochs, not one an epoch: whoever fetches ahead across the end of an epoch gets
    the right batch.
    """

    def __init__(
        self,
        main: Shown,
        beside: Shown | None,
        *,
        n_batches: int,
        epochs: range,
        seed: int,
        augmentation: Augmentation,
    ) -> None:
        """main: shown equally often. beside: drawn at random. n_batches: of an epoch. epochs: to give."""
        super().__init__(workers=1)
        self._main, self._beside = main, beside
        self._n_batches, self._epochs, self._seed = n_batches, epochs, seed
        self._augmentation = augmentation
        self._order = (-1, np.empty((0, 0), dtype=np.int64))

    def __len__(self) -> int:
        return self._n_batches * len(self._epochs)

    def __getitem__(self, index: int) -> Batch:
        epoch, step = self._epochs.start + index // self._n_batches, index % self._n_batches
        rng = generator(self._seed, epoch, step, _BATCH)
        parts = [(self._main, self._order_of(epoch)[step])]
        if self._beside is not None:
            parts.append((self._beside, rng.choice(self._beside.indices, self._beside.n_a_batch)))
        # Shuffled as a whole: its first patches are the ones that may be blurred.
        order = rng.permutation(sum(chosen.size for _, chosen in parts))
        patches = np.concatenate([shown.patches[chosen] for shown, chosen in parts])[order]
        labels = np.concatenate([shown.labels[chosen] for shown, chosen in parts])[order]
        weights = np.concatenate([shown.class_weight[shown.labels[chosen]] for shown, chosen in parts])[order]
        one_hot = np.eye(self._main.class_weight.size, dtype=np.float32)[labels]
        parameters = draw_parameters(order.size, rng, self._augmentation)
        return (patches, parameters), one_hot, weights.astype(np.float32)

    def _order_of(self, epoch: int) -> I64:
        held_epoch, order = self._order
        if held_epoch != epoch:
            rng = generator(self._seed, epoch, 0, _ORDER)
            order = shuffled_batches(self._main.indices, self._n_batches, self._main.n_a_batch, rng)
            self._order = (epoch, order)
        return order


def generator(seed: int, epoch: int, step: int, purpose: int) -> np.random.Generator:
    """The generator of one place in the course of a fit."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, step, epoch, purpose]))
