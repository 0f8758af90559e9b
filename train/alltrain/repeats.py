"""How much of a figure is the luck of the seed: the whole cross-validation once more under other seeds.

A seed decides the first weights, the order and the variation of patches, which patches validate, and, where
groups outnumber folds, which groups are held out together. A paper that reports its best of many seeds
reports that luck. The spread over seeds is no interval of the figure: every repeat judges the same few
patients, and what other patients would show is in the 95 % interval only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Final

from alledge.strict_json import Json
from alltrain.cross_validation import cross_validate
from alltrain.figures import Figure
from alltrain.fold_models import Job, Progress
from alltrain.metrics import STATISTICS, score
from alltrain.operating_points import operating_point_names

FOLDER: Final = "repeats"
# A model's seed is the run's plus its fold's number: the seeds of two repeats never meet.
SEED_STEP: Final = 1000
HEADLINES: Final = (*STATISTICS, *operating_point_names(), "ece")


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure under several seeds. sd: of a sample (n - 1)."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return fmean(self.values)

    @property
    def sd(self) -> float:
        """Standard deviation over seeds; at least two are needed."""
        return stdev(self.values)

    @property
    def in_words(self) -> str:
        """0.851 on average, standard deviation 0.006, 0.845 to 0.857."""
        ends = f"{min(self.values):.3f} to {max(self.values):.3f}"
        return f"{self.mean:.3f} on average, standard deviation {self.sd:.3f}, {ends}"

    def as_json(self) -> dict[str, Json]:
        """As metrics.json holds it, rounded to six digits."""
        values: list[Json] = [round(value, 6) for value in self.values]
        return {
            "mean": round(self.mean, 6),
            "sd": round(self.sd, 6),
            "min": round(min(self.values), 6),
            "max": round(max(self.values), 6),
            "values": values,
        }


@dataclass(frozen=True, slots=True)
class Repeats:
    """The figures of several seeds; the first is the run's own. same_folds: all were held out alike."""

    seeds: tuple[int, ...]
    figures: tuple[Mapping[str, Figure], ...]
    same_folds: bool

    @property
    def spreads(self) -> dict[str, Spread]:
        """Of each headline figure that has a value under every seed."""
        found = {}
        for name in HEADLINES:
            values = [value for figures in self.figures if (value := figures[name].value) is not None]
            if len(values) == len(self.seeds):
                found[name] = Spread(tuple(values))
        return found

    @property
    def note(self) -> str:
        """What varied, and what the spread is not."""
        varied = "weights and validation patches; folds are the same, for groups are few"
        if not self.same_folds:
            varied = "folds, weights and validation patches"
        return (
            f"{len(self.seeds)} seeds vary {varied}. Their spread is the luck of fitting, not the uncertainty"
            " from having seen few patients, which is in the 95 % interval."
        )

    def as_json(self) -> dict[str, Json]:
        """As metrics.json holds it under "repeats"."""
        figures: dict[str, Json] = {name: spread.as_json() for name, spread in self.spreads.items()}
        seeds: list[Json] = [*self.seeds]
        return {"n": len(self.seeds), "seeds": seeds, "figures": figures, "note": self.note}


def seeds_of(first: int, n: int) -> tuple[int, ...]:
    """The seeds of n repeats of a run with the seed `first`."""
    return tuple(first + SEED_STEP * index for index in range(n))


def repeat(job: Job, n: int, of_run: tuple[Sequence[int], Mapping[str, Figure]], out: Path) -> Repeats:
    """Judge a run's study under n seeds, its own among them; finished repeats in `out` are taken up.

    n: at least 2. of_run: test fold of every patch and the figures of the run itself. out: RUN/repeats.

    Raises:
        ValueError: n is below 2.
        RunUnusable, StorageFailed: as `cross_validate`.
    """
    if n < 2:
        raise ValueError(f"expected at least 2 repeats, got {n}")
    own_folds, own_figures = of_run
    recipe = job.settings.recipe
    seeds, figures, same_folds = seeds_of(recipe.seed, n), [own_figures], True
    for number, seed in enumerate(seeds[1:], start=2):
        judged = cross_validate(
            job.patch_set,
            replace(job.settings, recipe=replace(recipe, seed=seed)),
            out / f"seed_{seed}",
            rehearsal=job.rehearsal,
            distribution=job.distribution,
            progress=_told_with(job.progress, f"seed {number} of {n}"),
        )
        figures.append(score(judged.out_of_fold.predictions, recipe.seed))
        same_folds = same_folds and _hold_out_alike(own_folds, judged.plan.splits.fold.tolist())
    return Repeats(seeds, tuple(figures), same_folds)


def _hold_out_alike(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two assignments hold the same patches out together, whatever their folds are called."""
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len({fold for fold, _ in pairs}) == len({fold for _, fold in pairs})


def _told_with(progress: Progress, prefix: str) -> Progress:
    def tell(what: str, done: int, total: int) -> None:
        progress(f"{prefix}, {what}", done, total)

    return tell
