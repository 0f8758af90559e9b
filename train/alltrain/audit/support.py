"""Does the model beat the best shortcut? Only then has it been shown to look at cells.

Model and shortcut are compared on the same cells, and in each bootstrap resample on the same drawn
groups: what makes a resample easy is easy for both and cancels. "Supported" takes a difference whose whole
95 % interval lies above zero. The shortcut is the best of several, chosen by its own figure, which
favours the shortcut a little.
"""

from dataclasses import dataclass

import numpy as np

from alledge.strict_json import Json
from alltrain.audit.audit import Audit
from alltrain.audit.figures import macro_auroc
from alltrain.audit.probes import CELL, Probe
from alltrain.intervals import Interval, plan_resampling
from alltrain.metrics import Predictions


@dataclass(frozen=True, slots=True)
class Support:
    """The model against the best shortcut.

    shortcut: its name, "" when none could be probed. model_auroc, shortcut_auroc: macro AUROC. difference:
    model minus shortcut; ci95: its interval. ignores_clustering: too few groups to resample whole ones.
    """

    is_supported: bool
    shortcut: str
    model_auroc: float | None
    shortcut_auroc: float | None
    difference: float | None
    ci95: Interval | None
    n: int
    n_groups: int
    ignores_clustering: bool
    sentence: str

    def as_json(self) -> dict[str, Json]:
        """The comparison as metrics.json may hold it."""
        return {
            "is_supported": self.is_supported,
            "shortcut": self.shortcut,
            "model_auroc": self.model_auroc,
            "shortcut_auroc": self.shortcut_auroc,
            "difference": {
                "value": self.difference,
                "ci95": None if self.ci95 is None else [*self.ci95],
                "n": self.n,
                "n_groups": self.n_groups,
            },
            "ignores_clustering": self.ignores_clustering,
            "sentence": self.sentence,
        }


def verdict(audit: Audit, predictions: Predictions, seed: int = 0) -> Support:
    """Compare a model's out-of-fold predictions with the best shortcut of the audit, on the same cells.

    predictions: of the cells of the audited PatchSet, in its order, by models of the audited folds.

    Raises:
        ValueError: the predictions are of other cells than the audit.
    """
    n, n_groups = predictions.labels.size, len(set(predictions.groups))
    probes = [probe for probe in audit.probes if probe.level == CELL]
    if not probes:
        said = "Not supported: no shortcut could be probed on this study, so none is ruled out."
        return Support(False, "", None, None, None, None, n, n_groups, False, said)
    best = max(probes, key=_area)
    if best.grouped.p.shape != predictions.p.shape or not np.array_equal(audit.labels, predictions.labels):
        raise ValueError(f"the audit is of {best.grouped.p.shape[0]} other cells than the {n} predictions")
    return _compare(best, predictions, seed, n, n_groups)


def _compare(best: Probe, predictions: Predictions, seed: int, n: int, n_groups: int) -> Support:
    of_model = macro_auroc(predictions)
    shortcut = Predictions(
        predictions.labels,
        best.grouped.p,
        best.grouped.p.argmax(axis=1).astype(np.int64),
        predictions.review,
        predictions.groups,
        predictions.label_names,
        predictions.positive,
    )
    of_shortcut = macro_auroc(shortcut)
    resampling = plan_resampling(predictions.groups, seed)
    ends = resampling.interval(lambda weights: np.asarray(of_model(weights) - of_shortcut(weights)))
    ones = np.ones((1, n))
    model, other = float(of_model(ones)[0]), float(of_shortcut(ones)[0])
    is_supported = ends is not None and ends[0] > 0
    said = _sentence(best.name, model, other, ends, is_supported)
    if resampling.ignores_clustering:
        said += f" The interval ignores that cells come in {n_groups} groups, too few to resample."
    return Support(
        is_supported,
        best.name,
        model,
        other,
        model - other,
        ends,
        n,
        n_groups,
        resampling.ignores_clustering,
        said,
    )


def _sentence(name: str, model: float, other: float, ends: Interval | None, is_supported: bool) -> str:
    interval = "" if ends is None else f" (95 % {ends[0]:+.3f} to {ends[1]:+.3f})"
    figures = f"AUROC {model:.3f} against {other:.3f}, difference {model - other:+.3f}{interval}"
    if is_supported:
        return f"Supported: the model beats the best shortcut, {name}, on the same cells: {figures}."
    return (
        f"Not supported: the model does not beat the best shortcut, {name}, by its interval: {figures}. What "
        "it reaches can be reached without looking at a cell's shape."
    )


def _area(probe: Probe) -> float:
    value = probe.grouped.figures["macro_auroc"].value
    return 0.0 if value is None else value
