"""Which cells and fields a report shows: by rules that are stated in it, never by what looks well.

Cells of a class are shown from the one that the model is surest of to the one it is least sure of, evenly
spaced in that order: the reader sees the class as it is, its doubtful end included.
"""

from collections.abc import Sequence
from typing import Final

from alledge.journal import StoredField
from alledge.review import ReviewedCell
from alledge.types import Verdict

CELLS_PER_CLASS: Final = 9
"""Cells shown of each class: one row of the page."""

WAITING_CELLS: Final = 18
"""Cells shown of those that wait for a person."""

WORST_FIELDS: Final = 4


def representative(
    cells: Sequence[ReviewedCell], label: str | None, most: int = CELLS_PER_CLASS
) -> tuple[ReviewedCell, ...]:
    """Cells that stand for their class: evenly spaced from the surest to the least sure.

    Args:
        cells: all cells of the class.
        label: the class, whose probability ranks them; None ranks by each cell's likeliest label.
        most: how many to choose; the first and the last of the ranking are among them.
    """
    ranked = sorted(cells, key=lambda cell: (-_sureness(cell, label), cell.field_id, cell.position))
    if len(ranked) <= most:
        return tuple(ranked)
    # Whole numbers only: the choice must not hang on how a machine rounds.
    return tuple(ranked[k * (len(ranked) - 1) // (most - 1)] for k in range(most))


def worst_judged(
    fields: Sequence[tuple[int, StoredField]], most: int = WORST_FIELDS
) -> tuple[tuple[int, StoredField], ...]:
    """The least sharp of the fields whose cells were counted, the worst first."""
    judged = [(number, stored) for number, stored in fields if is_judged(stored) and stored.cells]
    return tuple(sorted(judged, key=lambda pair: (pair[1].result.quality.focus, pair[0]))[:most])


def is_judged(stored: StoredField) -> bool:
    """Whether a field was good enough for its cells to be called."""
    return stored.result.quality.verdict is Verdict.OK


def _sureness(cell: ReviewedCell, label: str | None) -> float:
    if cell.call is None:
        return 0.0
    return cell.call.p.get(cell.call.label if label is None else label, 0.0)
