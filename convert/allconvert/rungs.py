"""The rungs of the ladder, from the cheapest to the one that changes weights."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from allconvert.aware_training import fine_tuned
from allconvert.candidate import Candidate, quantise
from allconvert.isolated import ask_isolated
from allconvert.ladder import Attempt, Attempts, Trial
from allconvert.ranges import Extremes
from allconvert.representative import Representative, choose_covering
from allconvert.selective import Choice, choose_layers
from allconvert.subject import FloatNetwork, Subject
from alledge.classifier import dequantise
from alledge.errors import FidelityRefused
from alledge.flatbuffer import read_graph
from alledge.types import U8

POST_TRAINING: Final = "post-training int8"
BETTER_SET: Final = "better representative set"
SELECTIVE: Final = "selective precision"
FINE_TUNING: Final = "quantisation-aware fine-tuning"
# Share of the representative patches that a range keeps within; what helps most on them is taken.
QUANTILES: Final = (1.0, 0.99, 0.95)
LITERT: Final = "litert-quantizer, one scale a channel"


def post_training(subjects: Sequence[Subject], trials: Sequence[Trial]) -> Iterator[Attempt]:
    """Ranges as they are on a set of training patches in which the labels count alike."""
    del subjects, trials
    yield Attempt(POST_TRAINING, f"{LITERT}, ranges of a class-balanced set", convert_plainly)


def better_set(subjects: Sequence[Subject], trials: Sequence[Trial]) -> Iterator[Attempt]:
    """A set that takes every channel to its extremes; then also channels of like size."""
    del trials
    shipped = subjects[-1]
    quantile = _best_quantile(shipped, shipped.plain)
    yield Attempt(BETTER_SET, _covering(quantile), partial(convert_covered, quantile))
    if all(subject.equalised is not subject.plain for subject in subjects):
        quantile = _best_quantile(shipped, shipped.equalised)
        shift = shipped.equalised.logit_shift
        centred = f", {shift:g} taken from all logits alike" if shift else ""
        yield Attempt(
            BETTER_SET,
            f"{_covering(quantile)}, channels equalised exactly{centred}",
            partial(convert_equalised, quantile),
        )


def _covering(quantile: float) -> str:
    clipped = f", its outermost {1 - quantile:.0%} clipped" if quantile < 1 else ""
    return f"{LITERT}, ranges of a set that covers all activations{clipped}"


def selective(subjects: Sequence[Subject], trials: Sequence[Trial]) -> Iterator[Attempt]:
    """A few layers in 16x8 or float32, the smallest sets first."""
    del trials
    base = {id(subject): _base(subject) for subject in subjects}
    for choice in choose_layers(base[id(subjects[-1])]):
        yield Attempt(
            SELECTIVE,
            f"{LITERT}, int8 but for {choice.words}",
            partial(_convert_selectively, base, choice),
            choice.exceptions,
            is_choice=True,
        )


def _convert_selectively(base: Mapping[int, Candidate], choice: Choice, subject: Subject) -> Candidate:
    start = base[id(subject)]
    extremes = subject.extremes(start.network, start.representative.patches)
    return quantise(start.network, start.representative, extremes, wide=choice.wide, reasons=choice.reasons)


def fine_tuning(subjects: Sequence[Subject], trials: Sequence[Trial]) -> Iterator[Attempt]:
    """A few epochs with fake quantisation, on the training patches of each network."""
    del subjects, trials

    def convert(subject: Subject) -> Candidate:
        network = fine_tuned(subject)
        return quantise(network, *_covering_set(subject, network))

    yield Attempt(FINE_TUNING, f"fake quantisation in Keras, then {LITERT}", convert)


RUNGS: Final[tuple[Attempts, ...]] = (post_training, better_set, selective, fine_tuning)


def convert_plainly(subject: Subject) -> Candidate:
    """Rung 1 for one network."""
    chosen = subject.plain_set()
    return quantise(subject.plain, chosen, subject.extremes(subject.plain, chosen.patches))


def convert_covered(quantile: float, subject: Subject) -> Candidate:
    """Rung 2 for one network."""
    chosen, extremes = _covering_set(subject, subject.plain, subject.plain_extremes)
    return quantise(subject.plain, chosen, extremes, quantile=quantile)


def convert_equalised(quantile: float, subject: Subject) -> Candidate:
    """Rung 2 for one network, its channels made of like size first."""
    return quantise(subject.equalised, *_covering_set(subject, subject.equalised), quantile=quantile)


def _best_quantile(subject: Subject, network: FloatNetwork) -> float:
    """How far ranges should reach: what changes the fewest answers on the patches that set them.

    Among equals the nearest logits decide. Calls come first, for a rare cell whose activations go far
    weighs nothing in a mean of errors, and everything for whoever has it.
    """
    chosen, extremes = _covering_set(subject, network)
    errors = {
        quantile: _error(network, quantise(network, chosen, extremes, quantile=quantile), chosen.patches)
        for quantile in QUANTILES
    }
    return min(QUANTILES, key=lambda quantile: errors[quantile])


def _error(network: FloatNetwork, candidate: Candidate, patches: U8) -> tuple[int, float]:
    """Patches whose largest logit is another one in int8, and the mean squared error of the logits.

    As large as can be when no runtime runs the network.
    """
    try:
        answered = ask_isolated(candidate.flatbuffer, patches)
    except FidelityRefused:
        return len(patches), float("inf")
    real = dequantise(answered, read_graph(candidate.flatbuffer).outputs[0])
    expected = np.asarray(network.rewritten.model(network.rewritten.inputs(patches), training=False))
    n_changed = int((real.argmax(axis=1) != expected.argmax(axis=1)).sum())
    return n_changed, float(np.mean((real - expected) ** 2))


def _base(subject: Subject) -> Candidate:
    """What selective precision starts from: a covering set, no clipping, channels of like size."""
    return quantise(subject.equalised, *_covering_set(subject, subject.equalised))


def _covering_set(
    subject: Subject, network: FloatNetwork, extremes: Mapping[str, Extremes] | None = None
) -> tuple[Representative, dict[str, Extremes]]:
    """The training patches that take every channel to its ends, and what the activations do on them."""
    if extremes is None:
        extremes = subject.extremes(network, subject.patches)
    labels = subject.run.labels[subject.training]
    chosen = choose_covering(subject.patches, labels, len(subject.card.labels), extremes)
    return chosen, {name: found.of(chosen.rows) for name, found in extremes.items()}
