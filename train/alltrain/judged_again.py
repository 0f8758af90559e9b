"""What a run is judged by beyond itself, when somebody asks: other seeds, and random folds."""

from dataclasses import dataclass
from typing import Final

from alledge.strict_json import Json
from alltrain.fold_models import Job
from alltrain.inflation import FOLDER as RANDOM_FOLDS
from alltrain.inflation import Inflation, show_inflation
from alltrain.judging import OutOfFold, Verdict
from alltrain.repeats import FOLDER as REPEATS
from alltrain.repeats import Repeats, repeat


@dataclass(frozen=True, slots=True)
class Asked:
    """n_seeds: the run's own and others, 1 for no other. random_folds: judge on those too."""

    n_seeds: int = 1
    random_folds: bool = False


NOTHING: Final = Asked()
_TOLD: Final = ("accuracy", "balanced_accuracy", "auroc", "macro_auroc")


@dataclass(frozen=True, slots=True)
class Again:
    """The answers; None where nothing was asked."""

    repeats: Repeats | None = None
    inflation: Inflation | None = None

    def as_json(self) -> dict[str, Json]:
        """The parts of metrics.json; null where there is none."""
        return {
            "repeats": None if self.repeats is None else self.repeats.as_json(),
            "inflation": None if self.inflation is None else self.inflation.as_json(),
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """The answers for a person at a terminal."""
        told = []
        if self.repeats is not None:
            for name in ("accuracy", "balanced_accuracy", "auroc", "macro_auroc"):
                spread = self.repeats.spreads.get(name)
                if spread is not None:
                    told.append(
                        f"{len(self.repeats.seeds)} seeds, {name.replace('_', ' ')}: {spread.in_words}"
                    )
        if self.inflation is not None:
            told += [row.in_words for row in self.inflation.rows if row.inflation.value is not None]
        return tuple(told)


def judge_again(asked: Asked, job: Job, out_of_fold: OutOfFold, verdict: Verdict) -> Again:
    """Fit and judge what is asked for, in folders of the run; raises as `cross_validate`."""
    seeds = flattered = None
    if asked.n_seeds > 1:
        of_run = (job.plan.splits.fold.tolist(), verdict.figures)
        seeds = repeat(job, asked.n_seeds, of_run, job.out / REPEATS)
    if asked.random_folds:
        grouped = (out_of_fold.predictions, verdict.figures)
        flattered = show_inflation(job, grouped, job.out / RANDOM_FOLDS)
    return Again(seeds, flattered)
