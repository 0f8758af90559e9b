"""The curves of a report as SVG text, ready to stand inside an HTML page.

Vector, so that they print; text kept as text, so that it can be searched; no date and no random ids, so
that the same figures give the same bytes. Colours are those of M. Okabe and K. Ito (Color Universal
Design, 2008), told apart by colour-blind readers.
"""

import io
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from alledge.types import F64
from alltrain.intervals import wilson_interval
from alltrain.metrics import N_RELIABILITY_BINS, Figure, Mask, Predictions, calibration_view, reliability_bin
from alltrain.run_folder import Course

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
GREEN: Final = "#009E73"
GREY: Final = "#8a8f98"
INK: Final = "#1f2430"
_LINES: Final = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "#F0E442", INK)
STYLE: Final[dict[str, object]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "allscope",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": "#b8bdc7",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8eaef",
    "xtick.color": "#555b66",
    "ytick.color": "#555b66",
    "legend.frameon": False,
}


def roc_points(truth: Mask, score: F64) -> tuple[F64, F64]:
    """(1 - specificity, sensitivity) at every threshold, from (0, 0) to (1, 1). Both (K,) float64."""
    order = np.argsort(-score, kind="stable")
    # Equal scores are passed together: a threshold cannot part them.
    ends = np.append(np.flatnonzero(np.diff(score[order]) != 0), score.size - 1)
    positives = np.cumsum(truth[order])[ends] / max(1, int(truth.sum()))
    negatives = np.cumsum(~truth[order])[ends] / max(1, int((~truth).sum()))
    return np.append(0.0, negatives), np.append(0.0, positives)


def plot_roc(predictions: Predictions, sensitivity: Figure, specificity: Figure) -> str:
    """ROC of the pooled out-of-fold scores, with the point at which calls were made and its intervals.

    Without positive labels: one curve a label, that label against all others.
    """
    with style.context(STYLE):
        canvas, axes = _square()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (4, 4)))
        for index, (name, truth, score) in enumerate(_roc_curves(predictions)):
            if truth.any() and not truth.all():
                axes.plot(*roc_points(truth, score), color=_LINES[index % len(_LINES)], label=name)
        _mark_operating_point(axes, sensitivity, specificity)
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.legend(loc="lower right")
        return svg_of(canvas)


def _roc_curves(predictions: Predictions) -> list[tuple[str, Mask, F64]]:
    if predictions.positive:
        return [("all cells", predictions.is_positive, predictions.p_positive)]
    return [
        (name, np.asarray(predictions.labels == index), predictions.p[:, index])
        for index, name in enumerate(predictions.label_names)
    ]


def _mark_operating_point(axes: Axes, sensitivity: Figure, specificity: Figure) -> None:
    if sensitivity.value is None or specificity.value is None:
        return
    if sensitivity.ci95 is None or specificity.ci95 is None:
        return
    x, y = 1 - specificity.value, sensitivity.value
    across = [[x - (1 - specificity.ci95[1])], [(1 - specificity.ci95[0]) - x]]
    up = [[y - sensitivity.ci95[0]], [sensitivity.ci95[1] - y]]
    axes.errorbar(
        [x], [y], xerr=across, yerr=up, color=ORANGE, marker="o", capsize=3, label="calls, 95 % intervals"
    )


def plot_reliability(predictions: Predictions) -> str:
    """Observed share against stated probability, in equal bins, with Wilson intervals and bin counts."""
    stated, right = calibration_view(predictions)
    bins = reliability_bin(stated)
    with style.context(STYLE):
        canvas, axes = _square()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (4, 4)), label="perfect")
        counts = np.bincount(bins, minlength=N_RELIABILITY_BINS)
        for index in np.flatnonzero(counts):
            inside = bins == index
            n, hits = int(inside.sum()), int(right[inside].sum())
            low, high = wilson_interval(hits, n)
            x, y = float(stated[inside].mean()), hits / n
            axes.errorbar([x], [y], yerr=[[y - low], [high - y]], color=BLUE, marker="o", capsize=2)
            axes.annotate(str(n), (x, 0.0), ha="center", va="bottom", fontsize=7.5, color=GREY)
        positive = predictions.p.shape[1] == 2 and bool(predictions.positive)
        axes.set(
            xlabel="probability of a positive label" if positive else "probability of the called label",
            ylabel="share that is positive" if positive else "share that is right",
            xlim=(-0.02, 1.02),
            ylim=(-0.06, 1.02),
        )
        return svg_of(canvas)


def plot_scores(predictions: Predictions) -> str:
    """How the probability of a positive label is spread, by true side; empty text without positives."""
    if not predictions.positive:
        return ""
    truth, p = predictions.is_positive, predictions.p_positive
    edges = [index / 40 for index in range(41)]
    with style.context(STYLE):
        canvas, axes = _square()
        for side, colour, name in ((~truth, BLUE, "negative"), (truth, ORANGE, "positive")):
            axes.hist(p[side], bins=edges, color=colour, alpha=0.6, label=f"{name} ({int(side.sum())})")
        axes.set(xlabel="probability of a positive label", ylabel="cells", xlim=(0, 1), yscale="symlog")
        axes.yaxis.set_major_formatter("{x:.0f}")
        axes.legend(loc="upper center")
        return svg_of(canvas)


def plot_courses(courses: Sequence[Course], shipped: Course) -> str:
    """Training (dashed) and validation loss (solid) of every model; a dot where its weights were kept."""
    with style.context(STYLE):
        canvas = Canvas(figsize=(8.6, 2.9), layout="constrained")
        axes = canvas.subplots()
        for index, course in enumerate([*courses, shipped]):
            is_shipped = index == len(courses)
            colour = INK if is_shipped else _LINES[index % (len(_LINES) - 1)]
            epochs = np.arange(1, len(course.epochs) + 1)
            name = "model to ship" if is_shipped else f"fold {index}"
            axes.plot(epochs, course.epochs[:, 0], color=colour, linewidth=0.9, linestyle=(0, (3, 2)))
            axes.plot(epochs, course.epochs[:, 1], color=colour, linewidth=1.4, label=name)
            best = course.best_epoch
            axes.plot([best + 1], [course.epochs[best, 1]], color=colour, marker="o")
        axes.set(xlabel="epoch", ylabel="cross-entropy, nats a cell", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper right", ncols=3)
        return svg_of(canvas)


def _square() -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(4.1, 3.7), layout="constrained")
    return canvas, canvas.subplots()


def svg_of(canvas: Canvas) -> str:
    """The canvas as an <svg> element: no XML header, no metadata, no fixed size."""
    text = io.StringIO()
    canvas.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[^"]*pt"', r"\1", svg, count=2)
