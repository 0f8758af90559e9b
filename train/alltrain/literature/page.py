"""compare.html: the table for eyes, in one file that needs nothing from anywhere.

First a picture: how well each system parts the classes, with its interval, and beside it the accuracy
measured here against the accuracy claimed. Then the figures, then the costs, then, system by system, what
its authors did and what we chose.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from alledge import RESEARCH_USE_ONLY
from alltrain import plots
from alltrain.literature.comparison import SHOWN, Comparison, Row
from alltrain.meanings import title_and_meaning
from alltrain.metrics import Figure
from alltrain.pages import page_environment

_ROW_INCHES: Final = 0.3
_KIND_WORDS: Final = {"network": "network", "classical": "classical", "shortcut": "shortcut"}


def render_page(comparison: Comparison) -> str:
    """The page as text."""
    environment = page_environment()
    environment.filters["signed"] = _signed
    environment.filters["count"] = _count
    return environment.get_template("compare.html.j2").render(
        research_use_only=RESEARCH_USE_ONLY,
        comparison=comparison,
        headline=title_and_meaning(comparison.headline),
        columns=[(name, title_and_meaning(name)[0]) for name in (comparison.headline, *_shown(comparison))],
        forest=Markup(plot_forest(comparison)),  # noqa: S704 - drawn here, nothing in it is from outside
        kinds=_KIND_WORDS,
        summary=summary(comparison),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _shown(comparison: Comparison) -> Sequence[str]:
    """Figures beside the headline; those that no row has a value for are left out."""
    return [name for name in SHOWN if any(row.figures[name].value is not None for row in comparison.rows)]


def summary(comparison: Comparison) -> str:
    """How the reference stands against the other rows, in a sentence; empty when there is none."""
    if comparison.reference is None:
        return ""
    worse, alike, better = comparison.beaten
    name = title_and_meaning(comparison.headline)[0]
    return (
        f"Of {worse + alike + better} other rows, {worse} are worse than {comparison.reference} in {name} by"
        f" the 95 % interval of the paired difference, {alike} are not told apart from it, {better} better."
    )


def plot_forest(comparison: Comparison) -> str:
    """Headline figure of every row with its interval; beside it accuracy, measured and claimed; SVG text."""
    rows = comparison.rows
    with style.context(plots.STYLE):
        canvas = Canvas(figsize=(10.2, 1.1 + _ROW_INCHES * len(rows)), layout="constrained")
        left, right = canvas.subplots(1, 2, sharey=True)
        _draw(left, rows, comparison.headline, comparison.reference)
        _draw(right, rows, "accuracy", comparison.reference)
        _draw_claims(right, rows)
        left.axvline(0.5, color=plots.GREY, linewidth=0.8, linestyle=(0, (4, 4)))
        right.axvline(_baseline(rows), color=plots.GREY, linewidth=0.8, linestyle=(0, (4, 4)))
        left.set(xlabel=title_and_meaning(comparison.headline)[0] + ", 95 % interval; dashed: chance")
        right.set(xlabel="accuracy, 95 % interval; dashed: commonest label")
        left.set_yticks(range(len(rows)), [row.system.title for row in rows])
        left.invert_yaxis()
        left.set_xlim(_least(rows, comparison.headline, 0.5), 1.005)
        right.set_xlim(_least(rows, "accuracy", _baseline(rows)), 1.005)
        return plots.svg_of(canvas)


def _draw(axes: Axes, rows: Sequence[Row], name: str, reference: str | None) -> None:
    for place, row in enumerate(rows):
        figure = row.figures[name]
        if figure.value is None:
            continue
        colour = plots.GREEN if row.system.key == reference else _colour(row)
        if figure.ci95 is not None:
            axes.plot(figure.ci95, [place, place], color=colour, linewidth=2.2, alpha=0.55)
        axes.plot([figure.value], [place], color=colour, marker="o", markersize=6)
    axes.grid(visible=False, axis="y")


def _colour(row: Row) -> str:
    return plots.GREY if row.system.kind == "shortcut" else plots.BLUE


def _draw_claims(axes: Axes, rows: Sequence[Row]) -> None:
    label: str | None = "claimed by the authors, on other data"
    for place, row in enumerate(rows):
        claim = row.system.claim
        if claim is not None and claim.accuracy is not None:
            axes.plot(
                [claim.accuracy], [place], color=plots.ORANGE, marker="D", linestyle="none", label=label
            )
            label = None
    if label is None:
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0))


def _baseline(rows: Sequence[Row]) -> float:
    return rows[0].figures["baseline_accuracy"].value or 0.0


def _least(rows: Sequence[Row], name: str, mark: float) -> float:
    """Left end of an axis: the lowest interval or mark, a little further."""
    ends = [figure.ci95[0] for row in rows if (figure := row.figures[name]).ci95 is not None]
    return max(0.0, min([mark, *ends]) - 0.02)


def _signed(figure: Figure) -> str:
    return "-" if figure.value is None else f"{figure.value:+.3f}"


def _count(value: float | None) -> str:
    """A size in thousands or millions, as figures are read; a dash for none."""
    if value is None:
        return "-"
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.1f} {name}"
    return str(round(value))
