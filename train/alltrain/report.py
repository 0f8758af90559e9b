"""report.html: a run for the eyes, in one file that needs nothing from anywhere.

What it is for and what it must not be used for comes first, then the figures with their intervals, then
the curves, then where it fails: by group, by fold, and in pictures. The page holds its styles, curves and
pictures itself, so that it can be mailed, archived and opened on a machine without a network.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from alledge import RESEARCH_USE_ONLY
from alledge.card import INTENDED_USE
from alltrain import plots
from alltrain.audit.audit import LEAK_MARK
from alltrain.examination import Examination
from alltrain.fold_models import FittedModel
from alltrain.metrics import PartScore
from alltrain.model_card import OPEN, ModelCard
from alltrain.pages import figure_row, page_environment
from alltrain.pictures import Sheet, choose_sheets
from alltrain.results import Results

MAX_IMAGES: Final = 40
# Shown large, in this order; the rest stand in the table.
HEADLINES: Final = ("accuracy", "sensitivity", "specificity", "auroc")
HEADLINES_WITHOUT_POSITIVES: Final = ("accuracy", "balanced_accuracy", "mcc", "macro_auroc")


def render_report(results: Results, checked: ModelCard) -> str:
    """The page as text. checked: the model card with its checklists."""
    patch_set, verdict = results.patch_set, results.verdict
    headlines = HEADLINES if patch_set.positive_labels else HEADLINES_WITHOUT_POSITIVES
    page = page_environment().get_template("report.html.j2")
    return page.render(
        research_use_only=RESEARCH_USE_ONLY,
        intended_use=INTENDED_USE,
        name=results.shipped.card.name,
        results=results,
        patch_set=patch_set,
        counts=patch_set.label_counts,
        n_groups=len(set(patch_set.groups)),
        headlines=[figure_row(name, verdict.figures[name]) for name in headlines],
        rows=[figure_row(name, figure) for name, figure in verdict.figures.items()],
        verdict=verdict,
        models=_models(results),
        groups=_groups(results),
        curves=_curves(results),
        courses=Markup(_courses(results)),  # noqa: S704 - drawn here, nothing in it is from outside
        sheets=_sheets(results),
        **_examined(results.examination),
        repeats=results.again.repeats,
        inflation=results.again.inflation,
        model_card=checked,
        open_mark=OPEN,
        mark=results.mark,
        config=results.config,
        versions=results.shipped.card.versions,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _examined(examination: Examination) -> dict[str, object]:
    """What the fragments of the page want of the examination."""
    seen = examination.seen
    return {
        "audit": examination.audit,
        "leak_mark": LEAK_MARK,
        "support": examination.support,
        "slides": examination.slides,
        "morphology": examination.morphology,
        "attention": None if seen is None else seen.attention,
        "seen_sheets": () if seen is None else seen.sheets,
    }


def _models(results: Results) -> list[tuple[str, FittedModel, str]]:
    """(title, model, what its validation kept whole) of each fold model and of the one to ship."""
    titles = [*(f"fold {fold}" for fold in range(len(results.folds))), "model to ship"]
    models = [*results.folds, results.shipped]
    return list(zip(titles, models, results.plan.validation_units, strict=True))


def _groups(results: Results) -> list[PartScore]:
    """All groups; without groups the images that went worst, for there may be thousands."""
    parts = list(results.verdict.by_group)
    if results.patch_set.grouped:
        return parts
    return sorted(parts, key=lambda part: (part.accuracy.value or 0.0, -part.accuracy.n))[:MAX_IMAGES]


def _curves(results: Results) -> list[tuple[str, Markup]]:
    """(caption, drawing) of each curve that this run has."""
    predictions, figures = results.out_of_fold.predictions, results.verdict.figures
    drawn = (
        (
            "ROC: every cell scored by the model that held it out",
            plots.plot_roc(predictions, figures["sensitivity"], figures["specificity"]),
        ),
        ("Reliability: bars are 95 % intervals, numbers are cells", plots.plot_reliability(predictions)),
        ("Probabilities: a good model empties the middle", plots.plot_scores(predictions)),
    )
    return [(caption, Markup(svg)) for caption, svg in drawn if svg]  # noqa: S704 - drawn here


def _courses(results: Results) -> str:
    return plots.plot_courses([model.course for model in results.folds], results.shipped.course)


def _sheets(results: Results) -> Sequence[Sheet]:
    return choose_sheets(results.patch_set, results.out_of_fold)
