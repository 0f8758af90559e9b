"""Patches that int8 calls otherwise, one by one: the gravest first, so that a person looks there first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allconvert.paired_calls import PairedCalls


@dataclass(frozen=True, slots=True)
class Flip:
    """One patch that the int8 network calls otherwise. row: where it stands in the run."""

    row: int
    truth: str
    float_call: str
    int8_call: str
    float_p: float
    int8_p: float


def find_flips(paired: PairedCalls) -> tuple[Flip, ...]:
    """Every patch called otherwise, lost positives first, then by how far the probability moved."""
    found = []
    for index in np.flatnonzero(paired.float_called != paired.int8_called):
        shown = list(paired.positive) or [int(paired.float_called[index])]
        found.append(
            Flip(
                row=int(paired.rows[index]),
                truth=paired.label_names[paired.labels[index]],
                float_call=paired.label_names[paired.float_called[index]],
                int8_call=paired.label_names[paired.int8_called[index]],
                float_p=float(paired.float_p[index, shown].sum()),
                int8_p=float(paired.int8_p[index, shown].sum()),
            )
        )
    positive = {paired.label_names[index] for index in paired.positive}
    return tuple(sorted(found, key=lambda flip: _gravity(flip, positive)))


def _gravity(flip: Flip, positive: set[str]) -> tuple[bool, bool, float]:
    is_loss = flip.float_call in positive and flip.int8_call not in positive
    return not is_loss, flip.truth not in positive, -abs(flip.int8_p - flip.float_p)


def count_directions(flips: Sequence[Flip]) -> dict[str, int]:
    """How many there are of each "X to Y", the most frequent first."""
    counts: dict[str, int] = {}
    for flip in flips:
        direction = f"{flip.float_call} to {flip.int8_call}"
        counts[direction] = counts.get(direction, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
