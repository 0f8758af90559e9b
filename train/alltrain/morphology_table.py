"""The morphology of every cell beside the network's call: do the two tell the same story?

A haematologist will not take a probability on trust, but reads size, cytoplasm and nucleus at a glance. So
the measures that the device takes of every cell stand beside the calls, by label as told and as called, and
cells whose morphology contradicts the call are shown: those that four measures would give to another label
ten times sooner than to the one called (linear discriminant, R. A. Fisher, Ann. Eugenics 7 (1936) 179-188,
all labels taken as equally common; tenfold is "strong" evidence in H. Jeffreys, Theory of Probability, 1961).
The discriminant of a cell is fitted without the cells of its fold, as the network was.

Who is right is open: a network sees more than four numbers, and a bad outline spoils all four.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

import numpy as np

from alledge.strict_json import Json
from alledge.types import F64, I64, Call
from alltrain.datasets.dataset import MORPHOLOGY, PatchSet
from alltrain.figures import Figure, Mask
from alltrain.intervals import wilson_interval
from alltrain.literature.morphology_words import describe
from alltrain.pictures import data_uri

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
STRONG: Final = log(10)
SHOWN: Final = 18
LEAST_OF_A_LABEL: Final = 8  # measured cells outside the fold; of fewer no spread can be told
# The area of the nucleus follows from diameter and ratio; it would count twice.
_TOLD_APART_BY: Final = tuple(MORPHOLOGY.index(name) for name in MORPHOLOGY if name != "nucleus_area_um2")
_TITLES: Final = {
    "diameter_um": ("diameter", "um", 1.0, 1),
    "nucleus_area_um2": ("nucleus area", "um2", 1.0, 0),
    "nucleus_cytoplasm_ratio": ("nucleus in the cell", "%", 100.0, 0),
    "roundness": ("roundness", "", 1.0, 2),
    "texture": ("texture", "OD", 1.0, 3),
}
_RIDGE: Final = 0.05  # on the pooled correlation: a measure that hardly varies must not decide alone
_MOST_TIMES: Final = 1000.0  # beyond this a number of times says nothing more


def morphology_columns(patch_set: PatchSet) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and one row a patch for predictions.csv: the five measures (empty if none), and their words."""
    rows = [
        (*("" if np.isnan(value) else f"{value:.4f}" for value in measures), describe(measures))
        for measures in patch_set.morphology
    ]
    return (*MORPHOLOGY, "morphology"), rows


@dataclass(frozen=True, slots=True)
class Spread:
    """How one measure spreads over the cells of a label. quantiles: at QUANTILES, in the unit shown."""

    n: int
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure by label. told, called: a Spread a label, None where no cell of it was measured.

    decimals: as many as say something. low, high: ends of the drawn axis.
    """

    title: str
    unit: str
    decimals: int
    told: tuple[Spread | None, ...]
    called: tuple[Spread | None, ...]
    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a value lies on the drawn axis, 0 to 1."""
        return (value - self.low) / max(self.high - self.low, 1e-9)

    def number(self, value: float) -> str:
        """A value as it is read."""
        return f"{value:.{self.decimals}f}"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A cell with the morphology of another label: `like`, so many times likelier. words: of its measures."""

    image: str
    patch_id: str
    truth: str
    call: str
    p: float
    like: str
    times: float
    diameter_um: float
    words: str


@dataclass(frozen=True, slots=True)
class MorphologyReport:
    """Everything that the page shows.

    n_measured: cells of n. wrong_among_contradicted, wrong_among_others: share of wrong calls.
    alone: accuracy of the four measures by themselves, on cells of held-out folds.
    """

    label_names: tuple[str, ...]
    measures: tuple[Measure, ...]
    n_measured: int
    n: int
    n_contradicted: int
    contradictions: tuple[Contradiction, ...]
    wrong_among_contradicted: Figure
    wrong_among_others: Figure
    alone: Figure

    def as_json(self) -> dict[str, Json]:
        """The figures and the medians, without pictures."""
        return {
            "n_measured": self.n_measured,
            "n_contradicted": self.n_contradicted,
            "wrong_among_contradicted": self.wrong_among_contradicted.as_json(),
            "wrong_among_others": self.wrong_among_others.as_json(),
            "accuracy_of_morphology_alone": self.alone.as_json(),
            "medians": {
                name: {
                    measure.title: None if spread is None else round(spread.quantiles[2], 6)
                    for measure in self.measures
                    for spread in [measure.told[label]]
                }
                for label, name in enumerate(self.label_names)
            },
        }


def report_morphology(
    patch_set: PatchSet, called: I64, calls: Sequence[Call], fold_of_patch: I64
) -> MorphologyReport | None:
    """Morphology beside the calls; None where no cell was measured.

    Args:
        patch_set: all cells of the run.
        called: (N,) int64, index of the label that each was called.
        calls: N, the calls themselves.
        fold_of_patch: (N,) int64, which fold held each out.
    """
    measured = _is_measured(patch_set.morphology)
    if not measured.any():
        return None
    labels = patch_set.labels
    fits = log_likelihoods(patch_set.morphology, labels, fold_of_patch, len(patch_set.label_names))
    judged = measured & np.isfinite(fits[np.arange(labels.size), called])
    like = fits.argmax(axis=1)
    excess = fits.max(axis=1) - np.where(judged, fits[np.arange(labels.size), called], np.inf)
    contradicted = judged & (excess > STRONG)
    ranked = np.flatnonzero(contradicted)
    worst: list[int] = ranked[np.argsort(-excess[ranked], kind="stable")][:SHOWN].tolist()
    groups = np.asarray(patch_set.groups, dtype=str)
    wrong = called != labels
    return MorphologyReport(
        label_names=patch_set.label_names,
        measures=_measures(patch_set, called, measured),
        n_measured=int(measured.sum()),
        n=labels.size,
        n_contradicted=int(contradicted.sum()),
        contradictions=tuple(
            _contradiction(patch_set, calls[row], row, int(like[row]), float(excess[row])) for row in worst
        ),
        wrong_among_contradicted=_share(wrong, contradicted, groups),
        wrong_among_others=_share(wrong, judged & ~contradicted, groups),
        alone=_share(np.asarray(like == labels), judged, groups),
    )


def log_likelihoods(morphology: F64, labels: I64, fold_of_patch: I64, n_labels: int) -> F64:
    """(N, L) log-likelihood of each label by a linear discriminant fitted on the other folds.

    -inf for every label of a cell that was not measured, and for a label with too few measured cells there.

    Args:
        morphology: (N, 5) float64, NaN where nothing was measured.
        labels: (N,) int64.
        fold_of_patch: (N,) int64.
        n_labels: L.
    """
    features = morphology[:, _TOLD_APART_BY]
    measured = _is_measured(morphology)
    fits = np.full((labels.size, n_labels), -np.inf)
    for fold in np.unique(fold_of_patch):
        held, others = measured & (fold_of_patch == fold), measured & (fold_of_patch != fold)
        known = [k for k in range(n_labels) if (others & (labels == k)).sum() >= LEAST_OF_A_LABEL]
        if not known or not held.any():
            continue
        means = np.stack([features[others & (labels == k)].mean(axis=0) for k in known])
        seen = others & np.isin(labels, known)
        within = features[seen] - means[np.searchsorted(known, labels[seen])]
        spread = np.maximum(within.std(axis=0), 1e-6)
        pooled = np.cov((within / spread).T) + _RIDGE * np.eye(features.shape[1])
        apart = (features[held][:, None, :] - means[None, :, :]) / spread
        squared = np.einsum("nkf,fg,nkg->nk", apart, np.linalg.inv(pooled), apart)
        fits[np.ix_(held, known)] = -squared / 2
    return fits


def _is_measured(morphology: F64) -> Mask:
    return np.asarray(np.isfinite(morphology).all(axis=1), dtype=np.bool_)


def _measures(patch_set: PatchSet, called: I64, measured: Mask) -> tuple[Measure, ...]:
    found = []
    for column, name in enumerate(MORPHOLOGY):
        title, unit, scale, decimals = _TITLES[name]
        values = patch_set.morphology[:, column] * scale
        sides = [
            tuple(_spread(values[measured & (of == k)]) for k in range(len(patch_set.label_names)))
            for of in (patch_set.labels, called)
        ]
        ends = [end for side in sides for spread in side if spread for end in spread.quantiles]
        found.append(Measure(title, unit, decimals, sides[0], sides[1], min(ends), max(ends)))
    return tuple(found)


def _spread(values: F64) -> Spread | None:
    if values.size == 0:
        return None
    return Spread(values.size, tuple(np.quantile(values, QUANTILES).tolist()))


def _share(hits: Mask, among: Mask, groups: np.typing.NDArray[np.str_]) -> Figure:
    n, n_hits, n_groups = int(among.sum()), int((hits & among).sum()), len(set(groups[among].tolist()))
    if n == 0:
        return Figure(None, None, 0, 0, "no such cell")
    return Figure(n_hits / n, wilson_interval(n_hits, n), n, n_groups)


def _contradiction(patch_set: PatchSet, call: Call, row: int, like: int, excess: float) -> Contradiction:
    measures = patch_set.morphology[row]
    return Contradiction(
        image=data_uri(patch_set.patches[row]),
        patch_id=patch_set.patch_ids[row],
        truth=patch_set.label_names[patch_set.labels[row]],
        call=call.label,
        p=call.p[call.label],
        like=patch_set.label_names[like],
        times=exp(min(excess, log(_MOST_TIMES))),
        diameter_um=float(measures[0]),
        words=describe(measures),
    )
