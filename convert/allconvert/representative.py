"""Which patches set the int8 ranges: training patches only, the classes in equal number, hashed.

The range of every tensor is what it did on these patches. A set taken from one class gives the
other class clipped activations; one taken from test patches lets the model peek. So the caller
hands over training patches only, and the card keeps the hash of those that were taken.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.types import I64, U8

N_REPRESENTATIVE: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class Representative:
    """The patches that set the ranges.

    patches: (N, 50, 50, 3) uint8 RGB. rows: (N,) int64 where they stand in what was given.
    per_label: how many of each label. sha256: of the patches' bytes, in order.
    """

    patches: U8
    rows: I64
    per_label: tuple[int, ...]
    sha256: str


def choose_representative(
    patches: U8, labels: I64, n_labels: int, n: int = N_REPRESENTATIVE
) -> Representative:
    """Take up to n training patches, the same number of each label as far as there are enough.

    Args:
        patches: (N, 50, 50, 3) uint8 RGB, training patches only.
        labels: (N,) int64 indices.
        n_labels: number of labels.
        n: how many to take at most.

    The choice depends on nothing but the patches: their hashes put them in order.
    """
    ranked = sorted(range(len(patches)), key=lambda row: hashlib.sha256(patches[row].tobytes()).digest())
    queues = [[row for row in ranked if labels[row] == label] for label in range(n_labels)]
    rows: list[int] = []
    while len(rows) < min(n, len(patches)):
        rows.extend(queue.pop(0) for queue in queues if queue)
    rows = rows[:n]
    chosen = _with_full_input_range(patches[rows])
    return Representative(
        patches=chosen,
        rows=np.asarray(rows, dtype=np.int64),
        per_label=tuple(int(count) for count in np.bincount(labels[rows], minlength=n_labels)),
        sha256=hashlib.sha256(chosen.tobytes()).hexdigest(),
    )


def _with_full_input_range(patches: U8) -> U8:
    """One black and one white corner pixel in the first patch: the input's scale is then exactly 1.

    Grey level 200 is then the integer 200, in any tool that opens the model. One pixel in the corner
    moves the ranges behind the first layer no further than the darkest nucleus does.
    """
    widened = patches.copy()
    widened[0, 0, 0] = 0
    widened[0, -1, -1] = 255
    return widened
