"""Probabilities that are never certain: what a count of training cells allows one to say.

Laplace's rule of succession adds one cell to every label. So no classical system ever says 0 or 1, which
a handful of cells cannot support, and logarithms of its probabilities stay finite for calibration.
"""

import numpy as np

from alledge.types import F64, I64


def count_labels(labels: I64, n_labels: int) -> F64:
    """(L,) float64 cells of each label."""
    return np.bincount(labels, minlength=n_labels).astype(np.float64)


def succession(counts: F64) -> F64:
    """(..., L) float64 probabilities from (..., L) counts of cells: (n + 1) / (total + L)."""
    raised = counts + 1
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def soften(p: F64, n_cells: int) -> F64:
    """(N, L) float64 probabilities that `n_cells` can support: `p` as counts, with one cell more a label."""
    return succession(p * n_cells)
