"""Which patches set the int8 ranges: training patches only, the classes in equal number, hashed.

The range of every tensor is what it did on these patches. A set taken from one class gives the
other class clipped activations; one taken from test patches lets the model peek. So the caller
hands over training patches only, and the card keeps the hash of those that were taken.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from allconvert.ranges import Extremes
from alledge.types import I64, U8

N_REPRESENTATIVE: Final = 200
NEAR_THE_END: Final = 0.02  # of what a channel spans: closer to its end is as good as there


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
    return _taken(patches, labels, n_labels, _fill(hash_order(patches), labels, n_labels, [], n))


def choose_covering(
    patches: U8,
    labels: I64,
    n_labels: int,
    extremes: Mapping[str, Extremes],
    n: int = N_REPRESENTATIVE,
) -> Representative:
    """Take up to n training patches in which every channel of every layer goes as far as in any of them.

    Greedy set cover: always the patch that takes the most channels to an end where none has been yet; what
    is left of n is filled up so that the labels count alike. Ties go by the patches' hashes.

    Args:
        patches: (N, 50, 50, 3) uint8 RGB, training patches only.
        labels: (N,) int64 indices.
        n_labels: number of labels.
        extremes: what each activation of the float network did on these N patches.
        n: how many to take at most.
    """
    order = hash_order(patches)
    ends = np.concatenate([part for one in extremes.values() for part in (one.high, -one.low)], axis=1)[order]
    furthest, span = ends.max(axis=0), np.ptp(ends, axis=0)
    covers = (ends >= furthest - NEAR_THE_END * span)[:, span > 0]
    left = np.ones(covers.shape[1], dtype=np.bool_)
    rows: list[int] = []
    while left.any() and len(rows) < n:
        best = int(covers[:, left].sum(axis=1).argmax())
        rows.append(order[best])
        left &= ~covers[best]
    return _taken(patches, labels, n_labels, _fill(order, labels, n_labels, rows, n))


def hash_order(patches: U8) -> list[int]:
    """Rows of the patches in the order of their hashes."""
    return sorted(range(len(patches)), key=lambda row: hash_of(patches[row]))


def hash_of(patch: U8) -> bytes:
    """SHA-256 of a patch's bytes."""
    return hashlib.sha256(patch.tobytes()).digest()


def _fill(order: Sequence[int], labels: I64, n_labels: int, rows: Sequence[int], n: int) -> list[int]:
    """Rows and further ones up to n, of the label that has fewest so far while it lasts."""
    taken, found = set(rows), list(rows)
    queues = [
        [row for row in order if labels[row] == label and row not in taken] for label in range(n_labels)
    ]
    counts = [int((labels[found] == label).sum()) for label in range(n_labels)]
    while len(found) < min(n, len(order)):
        label = min((one for one in range(n_labels) if queues[one]), key=lambda one: counts[one])
        found.append(queues[label].pop(0))
        counts[label] += 1
    return found


def _taken(patches: U8, labels: I64, n_labels: int, rows: Sequence[int]) -> Representative:
    chosen = patches[list(rows)]
    return Representative(
        patches=chosen,
        rows=np.asarray(rows, dtype=np.int64),
        per_label=tuple(int(count) for count in np.bincount(labels[list(rows)], minlength=n_labels)),
        sha256=hashlib.sha256(chosen.tobytes()).hexdigest(),
    )
