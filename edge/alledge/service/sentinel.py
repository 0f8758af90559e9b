"""A classifier that proves itself: whole at the start, and with one golden patch beside every field.

Golden vectors are patches whose outputs are known to the bit (see `model_file`). All of them are asked
before the service reports ready; later each field takes the next one along, so that an interpreter whose
memory went bad, or a runtime that answers the same to everything, is found before its field is stored.
"""

from typing import Final

import numpy as np

from alledge.calls import called_labels, probabilities
from alledge.card import Card
from alledge.classifier import Classifier
from alledge.errors import ClassifierFailed, SelfTestFailed
from alledge.model_file import Golden
from alledge.types import F32, I8, U8, ModelIdentity

LARGEST_STEP: Final = 1
"""Optimised kernels round otherwise in 2 % of outputs, by one step; more is another network."""


class SentinelClassifier:
    """A classifier with its golden vectors. Not for two threads at once."""

    def __init__(self, classifier: Classifier, golden: Golden) -> None:
        self._classifier = classifier
        self._golden = golden
        self._next = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """One name a logit."""
        return self._classifier.labels

    @property
    def identity(self) -> ModelIdentity:
        """The model's name and SHA-256."""
        return self._classifier.identity

    def int8_logits(self, patches: U8) -> I8:
        """(N, 50, 50, 3) uint8 RGB patches to (N, L) int8 logits. Raises ClassifierFailed."""
        answers = self._ask(patches)
        self._prove()
        return answers

    def logits(self, patches: U8) -> F32:
        """(N, 50, 50, 3) uint8 RGB patches to (N, L) float32 logits. Raises ClassifierFailed."""
        try:
            answers = self._classifier.logits(patches)
        except (RuntimeError, ValueError) as error:
            raise _no_answer(error) from error
        if answers.shape != (len(patches), len(self.labels)) or not np.isfinite(answers).all():
            raise _wrong("gave numbers that are no logits")
        self._prove()
        return answers

    def _ask(self, patches: U8) -> I8:
        try:
            return self._classifier.int8_logits(patches)
        except (RuntimeError, ValueError) as error:
            raise _no_answer(error) from error

    def _prove(self) -> None:
        """Ask the next golden patch."""
        row = slice(self._next, self._next + 1)
        self._next = (self._next + 1) % len(self._golden.patches)
        answer = self._ask(self._golden.patches[row])
        if answer.shape != self._golden.outputs[row].shape or _step(answer, self._golden.outputs[row]) > 1:
            raise _wrong(f"answered golden patch {row.start} wrongly")


def self_test(classifier: Classifier, golden: Golden, card: Card) -> int:
    """Ask every golden patch; gives the largest difference in steps of int8, 0 or 1.

    Raises:
        SelfTestFailed: an answer differs by more, or a call changes.
        ClassifierFailed: the network gives no answer.
    """
    try:
        answers = classifier.int8_logits(golden.patches)
    except (RuntimeError, ValueError) as error:
        raise _no_answer(error) from error
    step = _step(answers, golden.outputs) if answers.shape == golden.outputs.shape else 255
    changed = step <= LARGEST_STEP and _labels(answers, card) != _labels(golden.outputs, card)
    if step > LARGEST_STEP or changed:
        what = "calls a cell otherwise" if changed else f"is off by {step} steps"
        raise SelfTestFailed(
            f"On this machine the model {what} than when it was made.",
            "Run `allconvert verify` on it, reinstall the TFLite runtime, or install the model again.",
        )
    return step


def _labels(outputs: I8, card: Card) -> tuple[str, ...]:
    stated = card.quantisation
    assert stated is not None
    logits = np.float32(stated.output_scale) * (
        outputs.astype(np.float32) - np.float32(stated.output_zero_point)
    )
    return called_labels(probabilities(logits, card.temperature), card)


def _step(answers: I8, expected: I8) -> int:
    if answers.size == 0:
        return 0
    return int(np.abs(answers.astype(np.int16) - expected.astype(np.int16)).max())


def _no_answer(error: Exception) -> ClassifierFailed:
    return ClassifierFailed(
        f"The network gave no answer ({error}).", "It is built anew by itself; a restart helps if it stays."
    )


def _wrong(how: str) -> ClassifierFailed:
    return ClassifierFailed(
        f"The network {how}.", "It is built anew by itself; check the memory of the machine if it stays."
    )
