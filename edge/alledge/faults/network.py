"""Classifiers that fail on purpose: they die, answer the same to everything, or answer nonsense."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from alledge.classifier import Classifier
from alledge.types import F32, I8, U8, ModelIdentity


class FaultyClassifier:
    """A classifier whose answers are spoilt while `fault` names a way; "" leaves them alone."""

    def __init__(self, classifier: Classifier, fault: str = "") -> None:
        self._classifier = classifier
        self.fault = fault

    @property
    def labels(self) -> tuple[str, ...]:
        """One name a logit."""
        return self._classifier.labels

    @property
    def identity(self) -> ModelIdentity:
        """Of the classifier within."""
        return self._classifier.identity

    def int8_logits(self, patches: U8) -> I8:
        """(N, L) int8 logits, spoilt."""
        answers = self._classifier.int8_logits(patches)
        return ANSWERS[self.fault](answers) if self.fault else answers

    def logits(self, patches: U8) -> F32:
        """(N, L) float32 logits, spoilt alike."""
        answers = self._classifier.logits(patches)
        if not self.fault:
            return answers
        if self.fault == "not-a-number":
            return np.full_like(answers, np.nan)
        return ANSWERS[self.fault](answers.astype(np.int8)).astype(np.float32)


def _die(_answers: I8) -> I8:
    raise RuntimeError("the interpreter was lost")


ANSWERS: Final[Mapping[str, Callable[[I8], I8]]] = {
    "dead": _die,
    "constant": lambda answers: np.full_like(answers, 17),
    "saturated": lambda answers: np.where(answers > 0, 127, -128).astype(np.int8),
    "labels-swapped": lambda answers: np.ascontiguousarray(answers[:, ::-1]),
    "negated": lambda answers: (-1 - answers).astype(np.int8),
    "one-short": lambda answers: answers[:, :-1],
    "high-bit-flipped": lambda answers: (answers ^ np.int8(64)).astype(np.int8),
    "not-a-number": lambda answers: answers,
}
"""What becomes of int8 logits (N, L), by the name of the fault."""
