"""When a differential has enough cells, and in words what it lacks.

The first rule looks at the number of cells alone, never at what they are, so stopping by it leaves the
interval as exact as it was. Whole fields are counted: to stop within one would prefer its upper left.
The second rule, an interval no wider than asked for, looks at the counts, and looking again and again
until they please costs coverage. How little, at least 100 cells being counted first, is simulated in
docs/differential.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StopRule:
    """Enough is `target` cells with a call and, where asked for, an interval of width `widest` at most."""

    target: int
    widest: float | None = None

    def __post_init__(self) -> None:
        if self.target < 1:
            raise ValueError(f"expected a target of 1 cell or more, got {self.target}")
        if self.widest is not None and not 0.0 < self.widest < 1.0:
            raise ValueError(f"expected a width between 0 and 1, got {self.widest}")

    def is_narrow_enough(self, width: float | None) -> bool:
        """Whether the interval of the share of blasts, None without one, is as narrow as asked for."""
        return self.widest is None or (width is not None and width <= self.widest)

    def is_met(self, n_called: int, width: float | None) -> bool:
        """Whether n_called cells with a call, and an interval of that width, are enough."""
        return n_called >= self.target and self.is_narrow_enough(width)


def missing_words(rule: StopRule, n_called: int, n_review: int, width: float | None) -> str:
    """What is still to do, in sentences; empty when nothing is."""
    sentences = []
    if n_called < rule.target:
        sentences.append(f"{_cells(rule.target - n_called)} more to reach {rule.target}.")
    elif rule.widest is not None and not rule.is_narrow_enough(width):
        now = "none yet" if width is None else f"{100 * width:.0f} points wide now"
        sentences.append(f"More cells until the interval is {100 * rule.widest:.0f} points wide ({now}).")
    if n_review:
        sentences.append(f"{_cells(n_review)} for a person to look at.")
    return " ".join(sentences)


def _cells(n: int) -> str:
    return "1 cell" if n == 1 else f"{n} cells"
