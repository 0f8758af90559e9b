"""Association rules over the morphology of cells, as an ordered list that says why.

Every measure of a cell becomes one of a few ranges; Apriori (R. Agrawal, R. Srikant, VLDB 1994, through
mlxtend) finds which combinations go with a label; CBA (B. Liu, W. Hsu, Y. Ma, Integrating Classification and
Association Rule Mining, KDD 1998) orders them, keeps those that tell a training cell right that no earlier
rule told, and stops where more rules make more errors. The first rule that fits a cell makes the call, and
that rule, in the words of a morphologist, is the reason.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

with warnings.catch_warnings():  # mlxtend, once imported, would show every DeprecationWarning of the process
    from mlxtend.frequent_patterns import apriori, association_rules

from alledge.types import F64, I64, U8
from alltrain.datasets.dataset import MORPHOLOGY
from alltrain.literature.discretise import Ranges, discretise, equal_shares
from alltrain.literature.morphology_words import VOCABULARIES, describe, phrase
from alltrain.literature.patch_morphology import complete_morphology
from alltrain.literature.smoothing import count_labels, succession
from alltrain.literature.system import Claim, System, TrainingSide

Mask = npt.NDArray[np.bool_]

LEAST_SUPPORT: Final = 0.01
"""Share of the training cells that a rule must hold for, as in CBA."""

LEAST_CELLS: Final = 5
"""The same in cells, for small studies: a rule from fewer is an anecdote."""

LEAST_CONFIDENCE: Final = 0.5
"""Share of the cells of a rule that have its label, as in CBA."""

_MOST_MEASURES: Final = 3  # in a rule; longer ones are no reason that a person would give


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """If a cell lies in all these ranges, then it has this label.

    ranges: (measure, range) index pairs, by measure; none for the default. counts: (L,) float64 training
    cells that fit, by label. words: the conditions as a person reads them.
    """

    ranges: tuple[tuple[int, int], ...]
    label: int
    counts: F64
    words: str

    def fits(self, places: I64) -> Mask:
        """(N,) bool. places: (N, 5) int64 range of each measure, -1 where unknown."""
        columns = [places[:, measure] == index for measure, index in self.ranges]
        return np.logical_and.reduce(columns, axis=0) if columns else np.ones(len(places), dtype=np.bool_)

    @property
    def precedence(self) -> tuple[float, float, int, tuple[tuple[int, int], ...], int]:
        """CBA's order: confidence, then support, then the shorter; then something that never changes."""
        right = float(self.counts[self.label])
        return (-right / float(self.counts.sum()), -right, len(self.ranges), self.ranges, self.label)


@dataclass(frozen=True, slots=True, eq=False)
class RuleList:
    """Fitted rules, first fitting rule first; the last one is the default and fits every cell.

    ranges: of each measure, in the order of MORPHOLOGY.
    """

    ranges: tuple[Ranges, ...]
    rules: tuple[Rule, ...]
    label_names: tuple[str, ...]
    macs: int | None = None

    @property
    def n_parameters(self) -> int:
        """Cuts, conditions and counts."""
        cuts = sum(len(ranges.cuts) for ranges in self.ranges)
        return cuts + sum(len(rule.ranges) + rule.counts.size for rule in self.rules)

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        """(N, L) float64: Laplace's rule on the training cells that fit the rule of each cell."""
        chosen = self._choose(complete_morphology(patches, morphology))
        return succession(np.array([rule.counts for rule in self.rules]))[chosen]

    def explain(self, patches: U8, morphology: F64) -> tuple[str, ...]:
        """The reason of each call: "large cell (> 14 um) with ...: blast, 38 of 41 such training cells"."""
        measured = complete_morphology(patches, morphology)
        chosen = self._choose(measured)
        return tuple(self._reason(int(index), row) for index, row in zip(chosen, measured, strict=True))

    def _choose(self, measured: F64) -> I64:
        """(N,) int64 index of the first rule that fits."""
        places = _places(measured, self.ranges)
        fitting = np.stack([rule.fits(places) for rule in self.rules])
        return np.asarray(fitting.argmax(axis=0), dtype=np.int64)

    def _reason(self, index: int, measures: F64) -> str:
        rule = self.rules[index]
        right, total = int(rule.counts[rule.label]), int(rule.counts.sum())
        told = f"{self.label_names[rule.label]}, {right} of {total}"
        if rule.ranges:
            return f"{rule.words}: {told} such training cells"
        return f"{describe(measures)}, no rule fits: {told} {rule.words}"


def fit_rules(side: TrainingSide) -> RuleList:
    """Rules from the training cells of a side; validation cells are left for calibration."""
    training = ~side.is_validation
    measured = complete_morphology(side.patches[training], side.morphology[training])
    labels = side.labels[training]
    ranges = choose_ranges(measured, labels)
    places = _places(measured, ranges)
    candidates = [
        Rule(conditions, label, _counts(places, conditions, labels, side.n_labels), "")
        for conditions, label in mine(places, ranges, labels)
    ]
    chosen = cover(candidates, places, labels, side.n_labels)
    worded = tuple(_with_words(rule, measured, places, ranges) for rule in chosen)
    return RuleList(ranges, worded, side.label_names)


def choose_ranges(measured: F64, labels: I64) -> tuple[Ranges, ...]:
    """Ranges of every measure; thirds where no measure has a cut that pays. measured: (N, 5) float64."""
    ranges = tuple(discretise(column, labels, LEAST_CELLS) for column in measured.T)
    if any(len(each) > 1 for each in ranges):
        return ranges
    return tuple(equal_shares(column) for column in measured.T)


def _places(measured: F64, ranges: Sequence[Ranges]) -> I64:
    """(N, 5) int64 range of each measure of each cell, -1 where it is unknown."""
    return np.stack([each.index(column) for each, column in zip(ranges, measured.T, strict=True)], axis=1)


def mine(places: I64, ranges: Sequence[Ranges], labels: I64) -> list[tuple[tuple[tuple[int, int], ...], int]]:
    """Conditions and label of every rule with enough support and confidence.

    Returns:
        Pairs of ((measure, range), ...) and label; measures with a single range are in none.
    """
    items = {
        f"{measure}:{index}": places[:, measure] == index
        for measure, each in enumerate(ranges)
        if len(each) > 1
        for index in range(len(each))
    }
    targets = {f"label:{label}": labels == label for label in np.unique(labels)}
    support = max(LEAST_SUPPORT, LEAST_CELLS / max(len(labels), 1))
    if not items or support > 1:
        return []
    table = pd.DataFrame(items | targets)
    frequent = apriori(table, min_support=support, use_colnames=True, max_len=_MOST_MEASURES + 1)
    if frequent.empty:
        return []
    # Only the metrics that are asked for: others divide by zero when every cell has one label.
    found = association_rules(
        frequent,
        metric="confidence",
        min_threshold=LEAST_CONFIDENCE,
        return_metrics=["support", "confidence"],
    )
    rules = []
    for conditions, consequences in zip(found["antecedents"], found["consequents"], strict=True):
        # A cell has one label, so a frequent set holds at most one: here, alone, or among the conditions.
        if len(consequences) == 1 and consequences <= targets.keys():
            (target,) = consequences
            rules.append((tuple(sorted(_pair(item) for item in conditions)), _pair(target)[1]))
    return rules


def _pair(item: str) -> tuple[int, int]:
    """Numbers of an item: measure and range, or -1 and the label."""
    name, index = item.split(":")
    return (-1 if name == "label" else int(name)), int(index)


def _counts(places: I64, conditions: tuple[tuple[int, int], ...], labels: I64, n_labels: int) -> F64:
    """(L,) float64 training cells that fit, by label."""
    return count_labels(labels[Rule(conditions, 0, np.empty(0), "").fits(places)], n_labels)


def cover(candidates: Sequence[Rule], places: I64, labels: I64, n_labels: int) -> tuple[Rule, ...]:
    """CBA's choice (its algorithm M1): rules by precedence, and the default at the end.

    A rule stays when it tells right at least one cell that no earlier rule fits. The list ends where rules
    and default together make the fewest errors; of equal ends the last, so that more calls have a reason.
    """
    left = np.ones(len(labels), dtype=np.bool_)
    kept: list[Rule] = []
    errors = 0
    fallback = replace(_default(labels, n_labels), words="training cells in all")
    lists = [(_n_wrong(labels, n_labels), 0, fallback)]
    for rule in sorted(candidates, key=lambda candidate: candidate.precedence):
        fitting = rule.fits(places) & left
        if not np.any(labels[fitting] == rule.label):
            continue
        kept.append(rule)
        errors += int(np.count_nonzero(labels[fitting] != rule.label))
        left &= ~fitting
        remaining = labels[left]
        default = _default(remaining, n_labels) if remaining.size else fallback
        lists.append((errors + _n_wrong(remaining, n_labels), len(kept), default))
    _, n_kept, default = min(lists, key=lambda each: (each[0], -each[1]))
    return (*kept[:n_kept], default)


def _default(labels: I64, n_labels: int) -> Rule:
    """The commonest label of the cells that no rule fits."""
    counts = count_labels(labels, n_labels)
    return Rule((), int(counts.argmax()), counts, "training cells that no rule fits")


def _n_wrong(labels: I64, n_labels: int) -> int:
    """Errors of calling all by the commonest label."""
    return int(labels.size - count_labels(labels, n_labels).max())


def _with_words(rule: Rule, measured: F64, places: I64, ranges: Sequence[Ranges]) -> Rule:
    """The rule with its conditions in words, each named for the median cell in its range."""
    if not rule.ranges:
        return rule
    said = {}
    for measure, index in rule.ranges:
        low, high = ranges[measure].ends(index)
        typical = float(np.median(measured[places[:, measure] == index, measure]))
        said[MORPHOLOGY[measure]] = phrase(VOCABULARIES[measure].measure, low, high, typical)
    head = said.pop("diameter_um", "cell")
    parts = list(said.values())
    rest = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return replace(rule, words=f"{head} with {rest}" if rest else head)


APRIORI: Final = System(
    key="apriori",
    title="Association rules over cell morphology (Apriori)",
    kind="classical",
    claim=Claim(
        authors="M. A. Hossain et al.",
        year=2021,
        title=(
            "An Effective Leukemia Prediction Technique Using Supervised Machine Learning Classification"
            " Algorithm"
        ),
        data="17 answers on symptoms and check-ups, asked of patients in hospitals; no image of any cell",
        figure="98 % accuracy, of a decision tree and of a random forest; not comparable with calls on cells",
        split="training and test parts; the abstract does not tell how they were drawn",
        doi="10.1007/978-981-33-4673-4_19",
    ),
    description=(
        "The size of the cell and of its nucleus, the share of nucleus, its roundness and the contrast of its"
        " chromatin become ranges; Apriori finds which combinations go with a label; the first rule of an"
        " ordered list that fits makes the call and is the reason that is given."
    ),
    choices=(
        (
            "Hossain et al. predict leukaemia from symptoms that patients report, not from cells. Their later"
            " article with the Apriori rules (IEEE Access 2022, Symptom Based Explainable Artificial"
            " Intelligence Model for Leukemia Detection) was not at hand, so the claim is of the first. Only"
            " the idea is theirs: association rules as a classifier that explains itself."
        ),
        (
            "Measures are the device's own; a cell that the device did not measure is measured in its patch,"
            " and one that is not found there either gets the default rule."
        ),
        "Ranges by Fayyad and Irani's description length, at most four a measure; thirds where no cut pays.",
        (
            "Support at least 1 % and five cells, confidence at least 50 %, at most three measures a rule;"
            " rules are ordered and pruned by CBA, with a default label, but of equally good lists the"
            " longest is kept, so that more calls have a reason."
        ),
        "Probabilities are Laplace's rule on the training cells that fit a rule.",
    ),
    fit=fit_rules,
)
