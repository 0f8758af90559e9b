"""How often each patch is shown, and how much it counts: alike, whatever its label or the study's size."""

import numpy as np

from alledge.types import F64, I64


def shuffled_batches(indices: I64, n_batches: int, batch_size: int, rng: np.random.Generator) -> I64:
    """(n_batches, batch_size) of the indices, all shown equally often (to one), each round shuffled anew.

    Every batch is full: a batch of another size would make the backend compile the step again.
    """
    n_rounds = -(-n_batches * batch_size // indices.size)
    rounds = np.concatenate([rng.permutation(indices) for _ in range(n_rounds)])
    return rounds[: n_batches * batch_size].reshape(n_batches, batch_size)


def class_weights(labels: I64, n_labels: int) -> F64:
    """(n_labels,) weights that make every label count alike, one on average over the patches."""
    counts = np.bincount(labels, minlength=n_labels)
    return np.asarray(labels.size / (n_labels * np.maximum(counts, 1)), dtype=np.float64)
