"""Cells that the model was fitted on are no test of it.

The same picture comes back in other data sets: cropped, turned, saved again, under another name
(ALL-IDB2 is cut from ALL-IDB1). So it is the cells that are compared, not the names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alledge.errors import LeakProven
from alledge.strict_json import Json
from alltrain.audit.twins import find_patch_twins
from alltrain.datasets.dataset import PatchSet
from alltrain.run_folder import Run

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """Cells of the data that the run holds too. examples: pairs of (patch here, patch of the run)."""

    n_seen: int
    n: int
    examples: tuple[tuple[str, str], ...]
    groups_alike: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know; nothing where nothing is shared."""
        notes = []
        if self.n_seen:
            notes.append(
                f"The model was fitted on {self.n_seen} of these {self.n} cells (--allow-seen): no figure"
                " here says how good it is on new patients."
            )
        if self.groups_alike:
            n_more = len(self.groups_alike) - _SHOWN
            more = f" and {n_more} more" if n_more > 0 else ""
            notes.append(
                f"Groups of the same name are in the run: {', '.join(self.groups_alike[:_SHOWN])}{more}. Make"
                " sure that they are other patients."
            )
        return tuple(notes)

    def as_json(self) -> dict[str, Json]:
        """As metrics.json holds it."""
        examples: list[Json] = [[here, there] for here, there in self.examples]
        return {"cells": self.n_seen, "of": self.n, "examples": examples, "groups": [*self.groups_alike]}


def find_seen(run: Run, patch_set: PatchSet, progress: Callable[[int, int], None] | None = None) -> Seen:
    """Which cells of the data lie in the run, whatever was done to their picture."""
    pairs = find_patch_twins(run.patches, patch_set.patches, progress=progress)
    first_twin: dict[int, int] = {}
    for pair in pairs:
        first_twin.setdefault(pair.second, pair.first)
    return Seen(
        n_seen=len(first_twin),
        n=len(patch_set),
        examples=tuple(
            (patch_set.patch_ids[here], run.patch_ids[there])
            for here, there in sorted(first_twin.items())[:_SHOWN]
        ),
        groups_alike=tuple(sorted(set(patch_set.groups) & set(run.groups))) if patch_set.grouped else (),
    )


def refuse_seen(seen: Seen, run: Run) -> None:
    """Raise LeakProven when the data share cells with the run."""
    if seen.n_seen == 0:
        return
    here, there = seen.examples[0]
    raise LeakProven(
        f"{seen.n_seen} of {seen.n} cells were in the training of {run.path}: {here} is {there} there.",
        "Judge on other images, or pass --allow-seen and every output says so.",
    )
