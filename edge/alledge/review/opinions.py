"""What stands when several persons spoke of one cell and some took words back.

Nothing is ever removed: an undo is a word of its own that names the word it takes back, and an undo can be
taken back in the same way. So what stands now is always read from the whole history, newest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alledge.clock import WallTime


@dataclass(frozen=True, slots=True)
class Opinion:
    """One word of a person on one cell.

    label: what it is; None: no cell, or none that can be counted. event: its number in the journal.
    undoes: number of the word that this one takes back; its own label then means nothing.
    batch: number of the first word that was said in the same breath.
    """

    label: str | None
    who: str
    wall: WallTime
    event: int
    undoes: int | None = None
    batch: int = 0


def standing(history: Sequence[Opinion]) -> Opinion | None:
    """The newest word that was not taken back; None when none stands. history: oldest first."""
    taken_back: set[int] = set()
    for word in reversed(history):
        if word.event in taken_back:
            continue
        if word.undoes is None:
            return word
        taken_back.add(word.undoes)
    return None


def in_force(history: Sequence[Opinion]) -> tuple[Opinion, ...]:
    """All words and undos that were not taken back, oldest first."""
    taken_back: set[int] = set()
    kept: list[Opinion] = []
    for word in reversed(history):
        if word.event not in taken_back:
            kept.append(word)
            if word.undoes is not None:
                taken_back.add(word.undoes)
    return tuple(reversed(kept))
