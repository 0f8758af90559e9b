"""What a judged figure is, what it is made of, and how predictions become one.

A figure is a value with its 95 % interval, the patches and the groups that it rests on. One that has no
value (sensitivity without a positive cell) is null with the reason beside it, never NaN and never a
made-up zero.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from alledge.strict_json import Json
from alledge.types import F64, I64
from alltrain.intervals import Interval, Resampling, Statistic, hull, wilson_interval
from alltrain.weighted import weighted_share

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: value and interval are None when it is undefined, and then `reason` says why.

    n: patches that it rests on. n_groups: groups that they come from.
    """

    value: float | None
    ci95: Interval | None
    n: int
    n_groups: int
    reason: str | None = None

    def in_words(self) -> str:
        """The figure for a person: 0.938 (95 % 0.89 to 0.97), or why there is none."""
        if self.value is None:
            return f"none: {self.reason}"
        if self.ci95 is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} (95 % {self.ci95[0]:.3f} to {self.ci95[1]:.3f})"

    def as_json(self) -> dict[str, Json]:
        """The figure as metrics.json holds it, rounded to six digits; `reason` only beside a null."""
        record: dict[str, Json] = {
            "value": None if self.value is None else round(self.value, 6),
            "ci95": None if self.ci95 is None else [round(end, 6) for end in self.ci95],
            "n": self.n,
            "n_groups": self.n_groups,
        }
        if self.reason is not None:
            record["reason"] = self.reason
        return record


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model said about patches whose label is known.

    labels, called: (N,) int64, indices into label_names. p: (N, L) float64, rows sum to one.
    review: (N,) bool, a person must look. groups: N names.
    positive: indices of the positive labels, empty when none is known.
    """

    labels: I64
    p: F64
    called: I64
    review: Mask
    groups: tuple[str, ...]
    label_names: tuple[str, ...]
    positive: tuple[int, ...]

    @property
    def is_positive(self) -> Mask:
        """(N,) bool: the patch is of a positive label."""
        return np.isin(self.labels, self.positive)

    @property
    def called_positive(self) -> Mask:
        """(N,) bool: the patch was called a positive label."""
        return np.isin(self.called, self.positive)

    @property
    def p_positive(self) -> F64:
        """(N,) float64: probability of any positive label."""
        return np.asarray(self.p[:, list(self.positive)].sum(axis=1), dtype=np.float64)

    def part(self, chosen: Mask) -> "Predictions":
        """The predictions of the chosen patches only. chosen: (N,) bool."""
        return replace(
            self,
            labels=self.labels[chosen],
            p=self.p[chosen],
            called=self.called[chosen],
            review=self.review[chosen],
            groups=tuple(group for group, keep in zip(self.groups, chosen, strict=True) if keep),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Turns statistics of one set of predictions into figures.

    groups: N names. resampling: of the same N patches, the same for every figure.
    """

    groups: tuple[str, ...]
    resampling: Resampling

    def _rests_on(self, among: Mask) -> tuple[int, int]:
        return int(among.sum()), len({self.groups[index] for index in np.flatnonzero(among)})

    def _value(self, statistic: Statistic) -> float | None:
        value = float(statistic(np.ones((1, len(self.groups))))[0])
        return value if np.isfinite(value) else None

    def null(self, reason: str) -> Figure:
        """A figure of all patches that has no value."""
        return Figure(None, None, len(self.groups), len(set(self.groups)), reason)

    def figure(self, statistic: Statistic, reason: str, floor: Interval | None = None) -> Figure:
        """A figure of all patches; `floor` is an interval that the reported one must hold."""
        n, n_groups = self._rests_on(np.ones(len(self.groups), dtype=np.bool_))
        value = self._value(statistic)
        if value is None:
            return self.null(reason)
        resampled = self.resampling.interval(statistic)
        ends = floor if resampled is None else hull(resampled, floor)
        return Figure(value, ends, n, n_groups)

    def error(self, statistic: Statistic) -> Figure:
        """A figure that is never below zero and that noise can only raise."""
        n, n_groups = self._rests_on(np.ones(len(self.groups), dtype=np.bool_))
        value = self._value(statistic)
        ends = self.resampling.interval(statistic, recentre=True)
        return Figure(value, None if ends is None else (max(0.0, ends[0]), ends[1]), n, n_groups)

    def share(self, success: Mask, among: Mask, reason: str) -> Figure:
        """A proportion: Wilson, widened to the cluster bootstrap's interval where groups are resampled."""
        n, n_groups = self._rests_on(among)
        if n == 0:
            return Figure(None, None, 0, 0, reason)
        successes = int((success & among).sum())
        ends = wilson_interval(successes, n)
        if not self.resampling.ignores_clustering:
            ends = hull(ends, self.resampling.interval(weighted_share(success, among)))
        return Figure(successes / n, ends, n, n_groups)
