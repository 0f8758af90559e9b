"""The ladder: ways to make a network int8, each tried only when the one before leaves something to object to.

    1 post-training int8            ranges from 200 training patches, the labels in equal number
    2 better representative set     every channel of every layer at its extremes; then channels of like size
    3 selective precision           the smallest set of layers in 16x8 or float32, each named in the card
    4 quantisation-aware fine-tuning  a few epochs with fake quantisation; purely int8 again
    5 refuse

A rung is judged as a whole: it is applied to every fold's network and to the one that ships, and has to
pass on all test folds, on validation, and with golden vectors that all kernels answer alike.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from allconvert.candidate import Convert, Int8Model
from allconvert.fidelity import Comparison, Margins, PairedCalls, compare, pool
from allconvert.golden import GoldenChoice
from allconvert.judging import collapse, judge
from allconvert.story import PrecisionException, RungOutcome
from allconvert.subject import Subject
from allconvert.verify import Check
from alledge.errors import FidelityRefused

MAX_SETS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One way to make a network int8. name: of its rung. exceptions: what it leaves in higher precision.

    is_choice: one of several of its rung, left as soon as the shipped network fails on validation; told
    in the story only when it is taken or the last.
    """

    name: str
    method: str
    convert: Convert
    exceptions: tuple[PrecisionException, ...] = ()
    is_choice: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A rung's networks on the patches that judge them. pairs: of all test folds, and on validation."""

    shipped: Int8Model
    folds: tuple[Int8Model, ...]
    pairs: PairedCalls
    pairs_on_validation: PairedCalls
    on_test_folds: Comparison
    on_validation: Comparison
    objections: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """A model file and the checks of its golden vectors. objections: of kernels that answer otherwise."""

    golden: GoldenChoice
    checks: tuple[Check, ...]
    data: bytes
    objections: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One attempt and what became of it. judged, sealed: None when it did not come so far."""

    outcome: RungOutcome
    judged: Judged | None = None
    sealed: Sealed | None = None


Attempts = Callable[[Sequence[Subject], Sequence[Trial]], Iterator[Attempt]]
Seal = Callable[[Judged, str], Sealed]
Tell = Callable[[int, int], None]


def climb(
    subjects: Sequence[Subject], rungs: Sequence[Attempts], margins: Margins, seal: Seal, tell: Tell
) -> tuple[Trial, ...]:
    """Try the rungs in order until one has no objections.

    Args:
        subjects: the networks of all folds, then the one that ships.
        rungs: each gives its attempts when it is reached.
        margins: what int8 may cost at most.
        seal: makes the model file of what was judged good enough, given the method.
        tell: told how many networks are done, and of how many.

    Returns:
        What was tried, in order; the last one is accepted, or all have objections.
    """
    trials: list[Trial] = []
    for rung in rungs:
        choices = 0
        for attempt in rung(subjects, tuple(trials)):
            trial = try_attempt(attempt, subjects, margins, seal, tell)
            # Of several choices of one rung the story keeps the last.
            if choices and attempt.is_choice:
                trials.pop()
            trials.append(trial)
            choices += attempt.is_choice
            if trial.outcome.is_accepted:
                return tuple(trials)
            if choices == MAX_SETS:
                break
    return tuple(trials)


def try_attempt(
    attempt: Attempt, subjects: Sequence[Subject], margins: Margins, seal: Seal, tell: Tell
) -> Trial:
    """Make all networks int8 in one way, judge them and seal the one that ships."""
    started = time.monotonic()
    judged: Judged | None = None
    sealed: Sealed | None = None
    try:
        judged = _judge_all(attempt, subjects, margins, tell)
        objections = judged.objections
        if not objections:
            sealed = seal(judged, attempt.method)
            objections = sealed.objections
    except _FailsEarly as failed:
        objections = failed.objections
    except FidelityRefused as refused:
        objections = (refused.what_happened.rstrip("."),)
    return Trial(_outcome(attempt, judged, objections, time.monotonic() - started), judged, sealed)


class _FailsEarly(Exception):
    """The shipped network fails on validation, so that the folds need not be asked."""

    def __init__(self, objections: tuple[str, ...]) -> None:
        super().__init__()
        self.objections = objections


def _judge_all(attempt: Attempt, subjects: Sequence[Subject], margins: Margins, tell: Tell) -> Judged:
    tell(0, len(subjects))
    *folds, last = subjects
    shipped, paired = judge(last, attempt.convert(last))
    tell(1, len(subjects))
    what = f"the {paired.labels.size} validation patches"
    on_validation = compare(paired, margins, what)
    objections = (*collapse(paired, what), *on_validation.objections)
    if objections and attempt.is_choice:
        raise _FailsEarly(objections)
    parts = []
    for number, subject in enumerate(folds, start=2):
        parts.append(judge(subject, attempt.convert(subject)))
        tell(number, len(subjects))
    pairs = pool([calls for _, calls in parts])
    what = f"the {pairs.labels.size} held-out patches of all folds"
    on_test_folds = compare(pairs, margins, what)
    objections = (*collapse(pairs, what), *on_test_folds.objections, *objections)
    return Judged(
        shipped, tuple(model for model, _ in parts), pairs, paired, on_test_folds, on_validation, objections
    )


def _outcome(
    attempt: Attempt, judged: Judged | None, objections: tuple[str, ...], seconds: float
) -> RungOutcome:
    both = (judged.on_test_folds, judged.on_validation) if judged is not None else ()
    gated = [
        change.change for comparison in both for change in comparison.changes if change.margin is not None
    ]
    lost = judged.on_test_folds.lost_positives if judged is not None else None
    return RungOutcome(
        name=attempt.name,
        method=attempt.method,
        objections=objections,
        exceptions=attempt.exceptions,
        agreement=judged.on_test_folds.agreement.value if judged is not None else None,
        worst_loss=max(0.0, *(-change for change in gated)) if gated else None,
        lost_positives=lost.n_lost if lost is not None else 0,
        seconds=seconds,
    )
