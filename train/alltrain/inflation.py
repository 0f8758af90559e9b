"""What a random split would have claimed: the same recipe on folds that ignore images and patients.

Most papers on this task split cells or crops at random, so that cells of one smear are trained on and
tested on. Both ways are shown side by side on the same cells, and their difference is paired: it is how
much of such a figure is the memory of a smear, for this network on this study.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from alledge.strict_json import Json
from alltrain.cross_validation import cross_validate
from alltrain.datasets.dataset import PatchSet
from alltrain.figures import Figure, Predictions
from alltrain.fold_models import Job
from alltrain.intervals import MIN_GROUPS_TO_RESAMPLE
from alltrain.meanings import title_and_meaning
from alltrain.metrics import STATISTICS, difference, score

FOLDER: Final = "random-folds"
FIGURES: Final = tuple(name for name in STATISTICS if name != "brier")


@dataclass(frozen=True, slots=True)
class InflationRow:
    """One figure both ways. inflation: random less grouped, on the same cells and resamples."""

    name: str
    grouped: Figure
    random: Figure
    inflation: Figure

    @property
    def title(self) -> str:
        """The figure's name as reports show it."""
        return title_and_meaning(self.name)[0]

    @property
    def in_words(self) -> str:
        """Accuracy: 0.854 grouped, 0.926 random: +0.072 (95 % 0.041 to 0.103)."""
        grouped, random, more = self.grouped.value, self.random.value, self.inflation
        if grouped is None or random is None or more.value is None:
            return f"{self.title}: none ({self.grouped.reason or self.random.reason})"
        ends = f" (95 % {more.ci95[0]:+.3f} to {more.ci95[1]:+.3f})" if more.ci95 is not None else ""
        return f"{self.title}: {grouped:.3f} grouped, {random:.3f} random: {more.value:+.3f}{ends}"


@dataclass(frozen=True, slots=True)
class Inflation:
    """All figures both ways. n_folds: of either. grouped: groups are known, else images were kept whole."""

    rows: tuple[InflationRow, ...]
    n_folds: int
    n_groups: int
    grouped: bool

    @property
    def note(self) -> str:
        """What was compared, and what the intervals leave out."""
        kept = "groups" if self.grouped else "images"
        note = (
            f"Grouped: {self.n_folds} folds that keep {kept} whole. Random: {self.n_folds} folds of single"
            " cells, validation too. Same network, recipe, seed and cells. The figures of this run are the"
            " grouped ones; the random ones are shown to be distrusted."
        )
        if self.n_groups < MIN_GROUPS_TO_RESAMPLE:
            note += f" With {self.n_groups} {kept} the intervals ignore clustering and are too narrow."
        return note

    def as_json(self) -> dict[str, Json]:
        """As metrics.json holds it under "inflation"."""
        figures: dict[str, Json] = {
            row.name: {
                "grouped": row.grouped.as_json(),
                "random": row.random.as_json(),
                "difference": row.inflation.as_json(),
            }
            for row in self.rows
        }
        return {"figures": figures, "n_folds": self.n_folds, "note": self.note}


def show_inflation(job: Job, of_run: tuple[Predictions, Mapping[str, Figure]], out: Path) -> Inflation:
    """Judge a run's study on random folds and hold the run against it; finished folds in `out` are taken up.

    of_run: out-of-fold predictions and figures of the run. out: RUN/random-folds.

    Raises:
        RunUnusable, StorageFailed: as `cross_validate`.
    """
    grouped, figures = of_run
    patch_set, seed = job.patch_set, job.settings.recipe.seed

    def tell(what: str, done: int, total: int) -> None:
        job.progress(f"random folds, {what}", done, total)

    judged = cross_validate(
        scattered(patch_set),
        replace(job.settings, n_folds=job.plan.splits.n_folds),
        out,
        rehearsal=job.rehearsal,
        distribution=job.distribution,
        progress=tell,
    )
    # Cells of one patient stay dependent however they were dealt: the intervals are of the real groups.
    random = replace(judged.out_of_fold.predictions, groups=patch_set.groups)
    random_figures = score(random, seed)
    rows = tuple(
        InflationRow(name, figures[name], random_figures[name], difference(random, grouped, name, seed))
        for name in FIGURES
    )
    return Inflation(rows, judged.plan.splits.n_folds, len(set(patch_set.groups)), patch_set.grouped)


def scattered(patch_set: PatchSet) -> PatchSet:
    """The study as if every cell came from a patient and an image of its own."""
    return replace(patch_set, groups=patch_set.patch_ids, sources=patch_set.patch_ids)
