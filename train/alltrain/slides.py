"""From cells to slides: are there blasts on this slide, beyond what false alarms explain?

All fields of a group (patient, slide or session) are pooled: so many cells, so many called positive. That
share alone says little, for a model that errs on three normal cells in ten calls three in ten positive
on every healthy slide. So it is held against the false alarms on the other groups, never its own, and the
slide is called by the share of blasts that would explain its calls:

    blasts seen                  the interval of that share lies above nothing
    none above false alarms      it holds nothing, and ends below `RELEVANT_SHARE`
    undecided                    anything else

Three limits are said wherever a slide's call is shown. False alarms on a handful of slides tell hardly how
they scatter, so the call leans on an assumption about it. Without one, of J + 1 slides alike each has the
highest share with chance 1 / (J + 1), whatever the share. And two slides called rightly of two show a
sensitivity above 0.34, no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from scipy import special

from alledge.types import I64
from alltrain.figures import Figure, Mask, Predictions
from alltrain.intervals import Interval, newcombe_auroc_interval, wilson_interval
from alltrain.slide_rates import PositiveCalls, RateOfNextSlide, rate_of_next_slide
from alltrain.weighted import weighted_auroc

MIN_OTHER_SLIDES: Final = 3  # with fewer, how false alarms scatter is an assumption and nothing else
MIN_FIELDS: Final = 5  # with fewer, how fields of a slide differ cannot be told
# Acute leukaemia is customarily spoken of from a fifth of blasts among nucleated cells (S. H. Swerdlow et
# al., WHO Classification of Tumours of Haematopoietic and Lymphoid Tissues, revised 4th ed., 2017).
RELEVANT_SHARE: Final = 0.20
CHANCE_OF_FALSE_CALL: Final = 0.025  # one side of a 95 % interval
_N_RATES: Final = (64, 16)  # steps of false alarms and of sensitivity: more change no digit shown


class SlideCall(StrEnum):
    """What is said of a slide."""

    SEEN = "blasts seen"
    NONE = "none above false alarms"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Slide:
    """One group, pooled.

    n_effective: independent cells that its cells are worth, fewer where its fields differ.
    share: of positive calls, of these cells. false_alarms: rate expected here, from the other groups;
    its interval is of one more slide. blast_share: share of blasts that explains the calls.
    chance: of as many positive calls without any blast. truth: the group holds a positive cell.
    why: reason of an undecided call, else empty.
    """

    group: str
    n_cells: int
    n_fields: int
    n_effective: float
    n_positive_calls: int
    n_review: int
    n_positive_cells: int
    share: Figure
    false_alarms: Figure
    blast_share: Figure
    chance: float
    call: SlideCall
    why: str

    @property
    def truth(self) -> bool:
        """Whether a blast is on it."""
        return self.n_positive_cells > 0

    @property
    def is_right(self) -> bool:
        """The call is the truth; an undecided one is not."""
        return self.call is (SlideCall.SEEN if self.truth else SlideCall.NONE)


@dataclass(frozen=True, slots=True)
class Slides:
    """All groups of a study. figures: by name, each a share of groups. notes: what cannot be said."""

    slides: tuple[Slide, ...]
    figures: dict[str, Figure]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """Cells of each group by truth and call. All (G,) int64, in the order of `names`."""

    names: tuple[str, ...]
    n_negative: I64
    n_false: I64
    n_positive: I64
    n_found: I64

    def others(self, index: int | None) -> "_Counts":
        """Without one group; all for None."""
        kept = np.arange(len(self.names)) != (-1 if index is None else index)
        arrays = (self.n_negative, self.n_false, self.n_positive, self.n_found)
        return _Counts(tuple(np.array(self.names)[kept]), *(array[kept] for array in arrays))


def judge_slides(
    predictions: Predictions, sources: Sequence[str], known: Predictions | None = None
) -> Slides | None:
    """Pool the cells of every group into a call.

    sources: N names of the image that each cell was cut from. known: judged cells of other patients that
    false alarms are known from; None to take, for each group, the other groups of `predictions`. None is
    returned where no label is positive, for then there is nothing to see.
    """
    if not predictions.positive:
        return None
    counts = _count(predictions)
    elsewhere = None if known is None else _count(known)
    names = np.asarray(predictions.groups, dtype=str)
    fields = np.asarray(sources, dtype=str)
    slides = []
    for index, name in enumerate(counts.names):
        inside = names == name
        others = elsewhere if elsewhere is not None else counts.others(index)
        slides.append(_judge_slide(name, predictions.part(inside), fields[inside], others))
    return Slides(tuple(slides), _figures(slides), _notes(slides))


def _count(predictions: Predictions) -> _Counts:
    names, group = np.unique(np.asarray(predictions.groups, dtype=str), return_inverse=True)
    truth, called = predictions.is_positive, predictions.called_positive

    def count(chosen: Mask) -> I64:
        return np.bincount(group[chosen], minlength=len(names)).astype(np.int64)

    return _Counts(
        tuple(names.tolist()), count(~truth), count(~truth & called), count(truth), count(truth & called)
    )


def _judge_slide(name: str, cells: Predictions, fields: np.typing.NDArray[np.str_], others: _Counts) -> Slide:
    n, called = cells.labels.size, cells.called_positive
    k = int(called.sum())
    n_effective = effective_cells(called, fields)
    has_negative, has_positive = others.n_negative > 0, others.n_positive > 0
    alarms = rate_of_next_slide(others.n_false[has_negative], others.n_negative[has_negative])
    found = rate_of_next_slide(others.n_found[has_positive], others.n_positive[has_positive])
    chances = PositiveCalls(alarms.coarser(_N_RATES[0]), found.coarser(_N_RATES[1]))
    worth = n_effective / n
    interval = chances.share_interval(k * worth, n_effective)
    call, why = _call(interval, int(has_negative.sum()))
    return Slide(
        group=name,
        n_cells=n,
        n_fields=len(set(fields.tolist())),
        n_effective=n_effective,
        n_positive_calls=k,
        n_review=int(cells.review.sum()),
        n_positive_cells=int(cells.is_positive.sum()),
        share=Figure(k / n, exact_interval(k * worth, n_effective), n, 1),
        false_alarms=_rate_figure(alarms, others.n_negative[has_negative]),
        blast_share=Figure(_held_in(chances.best_share(k, n), interval), interval, n, 1),
        chance=chances.at_least(k * worth, n_effective, 0.0),
        call=call,
        why=why,
    )


def _held_in(value: float, interval: Interval) -> float:
    return min(max(value, interval[0]), interval[1])


def _rate_figure(rate: RateOfNextSlide, totals: I64) -> Figure:
    return Figure(rate.mean, rate.interval, int(totals.sum()), totals.size)


def _call(interval: Interval, n_others: int) -> tuple[SlideCall, str]:
    if n_others < MIN_OTHER_SLIDES:
        return SlideCall.UNDECIDED, f"false alarms are known of {n_others} other groups only"
    if interval[0] > 0:
        return SlideCall.SEEN, ""
    if interval[1] < RELEVANT_SHARE:
        return SlideCall.NONE, ""
    return SlideCall.UNDECIDED, f"neither no blasts nor {RELEVANT_SHARE:.0%} of them can be excluded"


def exact_interval(k: float, n: float) -> Interval:
    """Exact 95 % interval of a share; k and n may be fractions, as effective numbers are.

    Source: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413, by the beta distribution.
    """
    low = float(special.betaincinv(k, n - k + 1, 0.025)) if k > 0 else 0.0
    high = float(special.betaincinv(k + 1, n - k, 0.975)) if k < n else 1.0
    return low, high


def effective_cells(called: Mask, fields: np.typing.NDArray[np.str_]) -> float:
    """How many independent cells the cells of one slide are worth, at most their number.

    called: (N,) bool. fields: (N,) names of their images. Fields differ in focus and thickness, so cells
    of one field tend to be called alike. The variance between fields over that of independent cells is
    the design effect, and fields being few is answered by Student's t. Source: E. L. Korn, B. I.
    Graubard, Survey Methodology 24 (1998) 193-201. With under `MIN_FIELDS` fields, or all calls alike,
    nothing can be told and every cell counts.
    """
    _, field = np.unique(fields, return_inverse=True)
    n, n_fields = called.size, int(field.max()) + 1
    share = float(called.mean())
    if n_fields < MIN_FIELDS or share in (0.0, 1.0):
        return float(n)
    excess = np.bincount(field, weights=called - share)
    variance = n_fields / (n_fields - 1) * float((excess**2).sum()) / n**2
    if variance <= 0:
        return float(n)
    t_ratio = float(special.stdtrit(n - 1, 0.975) / special.stdtrit(n_fields - 1, 0.975))
    return min(float(n), share * (1 - share) / variance * t_ratio**2)


def _figures(slides: Sequence[Slide]) -> dict[str, Figure]:
    """Shares of groups. An undecided group counts as wrong in both, as if the worst were true.

    Source: G. M. Schuetz, P. Schlattmann, M. Dewey, BMJ 345 (2012) e6717.
    """
    positive = [slide for slide in slides if slide.truth]
    negative = [slide for slide in slides if not slide.truth]
    undecided = [slide.call is SlideCall.UNDECIDED for slide in slides]
    return {
        "slide_sensitivity": _share([slide.is_right for slide in positive], "no group holds a positive cell"),
        "slide_specificity": _share(
            [slide.is_right for slide in negative], "every group holds a positive cell"
        ),
        "slide_undecided": _share(undecided, "no group"),
        "slide_auroc": _slide_auroc(slides, len(positive), len(negative)),
    }


def _share(hits: Sequence[bool], reason: str) -> Figure:
    """A share of groups with Wilson's interval: groups, unlike cells, are independent. n is groups."""
    n = len(hits)
    if n == 0:
        return Figure(None, None, 0, 0, reason)
    return Figure(sum(hits) / n, wilson_interval(sum(hits), n), n, n)


def _slide_auroc(slides: Sequence[Slide], n_positive: int, n_negative: int) -> Figure:
    """Chance that a group with a blast has a higher share of positive calls than one without."""
    n = len(slides)
    if not n_positive or not n_negative:
        return Figure(None, None, n, n, "all groups are of one side")
    truth = np.array([slide.truth for slide in slides])
    share = np.array([slide.n_positive_calls / slide.n_cells for slide in slides])
    area = float(weighted_auroc(truth, share)(np.ones((1, n)))[0])
    return Figure(area, newcombe_auroc_interval(area, n_positive, n_negative), n, n)


def _notes(slides: Sequence[Slide]) -> tuple[str, ...]:
    """What a reader must know, with the numbers of this study in it."""
    n_positive = sum(slide.truth for slide in slides)
    n_negative = len(slides) - n_positive
    n_others = min(slide.false_alarms.n_groups for slide in slides)
    n_asked = round(1 / CHANCE_OF_FALSE_CALL) - 1
    best = " and ".join(f"{wilson_interval(n, n)[0]:.2f}" for n in (n_positive, n_negative) if n)
    leaning = (
        f"A slide's call rests on the false alarms of {n_others} other groups, and on an assumption of how"
        " their rates scatter (beta distribution, intraclass correlation 0.2 a priori)."
    )
    without = (
        f"Without that assumption, of {n_others + 1} slides alike each has the highest share with chance"
        f" {1 / (n_others + 1):.2f}; to say it at {CHANCE_OF_FALSE_CALL} takes {n_asked} other groups."
    )
    few = (
        f"{n_positive} groups with a positive cell, {n_negative} without: were every call right, sensitivity"
        f" and specificity of slides would only be shown to be above {best}."
    )
    scope = (
        f"Each group has a chance of {CHANCE_OF_FALSE_CALL} of a false call, not corrected for their number;"
        " the share of blasts is of the cells judged, not of all white cells of the patient."
    )
    return leaning, without, few, scope
