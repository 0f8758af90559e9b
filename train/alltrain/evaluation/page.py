"""report.html of an evaluation: how a finished model does away from home.

What casts doubt on the figures comes before them: cells that the model was fitted on, unknown groups,
patches unlike those of training. Beside each figure stands what the run measured on its own groups.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from alledge import RESEARCH_USE_ONLY
from alledge.card import INTENDED_USE
from alledge.strict_json import Json
from alltrain import plots
from alltrain.evaluation.judging import Evaluation
from alltrain.metrics import PartScore
from alltrain.pages import FigureRow, figure_row, page_environment
from alltrain.pictures import choose_sheets

MAX_GROUPS: Final = 40
HEADLINES: Final = ("auroc", "sensitivity", "specificity", "accuracy")
HEADLINES_WITHOUT_POSITIVES: Final = ("accuracy", "balanced_accuracy", "mcc", "macro_auroc")


@dataclass(frozen=True, slots=True)
class Beside:
    """A figure here, and the same in the run: its value and interval, or None."""

    row: FigureRow
    at_home: float | None
    at_home_ci95: tuple[float, float] | None


def render_evaluation(evaluation: Evaluation) -> str:
    """The page as text."""
    figures, truth = evaluation.figures, evaluation.truth
    headlines = HEADLINES if evaluation.matching.positive else HEADLINES_WITHOUT_POSITIVES
    page = page_environment().get_template("evaluate.html.j2")
    return page.render(
        research_use_only=RESEARCH_USE_ONLY,
        intended_use=INTENDED_USE,
        evaluation=evaluation,
        card=evaluation.run.card,
        truth=truth,
        n_groups=len(set(truth.groups)),
        headlines=[figure_row(name, figures[name]) for name in headlines],
        rows=[_beside(evaluation, name) for name in figures],
        groups=_groups(evaluation),
        curves=_curves(evaluation),
        slides=evaluation.slides,
        sheets=choose_sheets(truth, evaluation.judged),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _beside(evaluation: Evaluation, name: str) -> Beside:
    row = figure_row(name, evaluation.figures[name])
    record = evaluation.out_of_fold.get(name)
    if not isinstance(record, Mapping):
        return Beside(row, None, None)
    return Beside(row, _number(record.get("value")), _interval(record.get("ci95")))


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _interval(ends: Json) -> tuple[float, float] | None:
    match ends:
        case [int() | float() as low, int() | float() as high]:
            return float(low), float(high)
        case _:
            return None


def _groups(evaluation: Evaluation) -> list[PartScore]:
    """All groups; without groups, or with very many, those that went worst."""
    parts = list(evaluation.by_group)
    if evaluation.truth.grouped and len(parts) <= MAX_GROUPS:
        return parts
    return sorted(parts, key=lambda part: (part.accuracy.value or 0.0, -part.accuracy.n))[:MAX_GROUPS]


def _curves(evaluation: Evaluation) -> list[tuple[str, Markup]]:
    predictions, figures = evaluation.judged.predictions, evaluation.figures
    has_curve = figures["macro_auroc"].value is not None
    drawn = (
        (
            "ROC, and where the fitted threshold lies on it",
            plots.plot_roc(predictions, figures["sensitivity"], figures["specificity"]) if has_curve else "",
        ),
        ("Reliability: bars are 95 % intervals, numbers are cells", plots.plot_reliability(predictions)),
        ("Probabilities: a good model empties the middle", plots.plot_scores(predictions)),
    )
    return [(caption, Markup(svg)) for caption, svg in drawn if svg]  # noqa: S704 - drawn here
