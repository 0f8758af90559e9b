"""Two laboratories seldom use the same words: which label of the data is which of the model.

By name where every label of the data is one of the model's. Otherwise by side: whatever stands for
leukaemia against everything else, so that a model of four stages can be judged on blasts and normal cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from alledge.card import Card
from alledge.errors import ModelLabelsDiffer
from alledge.types import F64, I64, Call
from alltrain.datasets.dataset import PatchSet
from alltrain.datasets.labels import Meaning, clean, meaning
from alltrain.figures import Predictions

SIDES: Final = ("negative", "positive")


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """How the labels of the data and of the model meet.

    by_name: else by side. label_names: what is judged. positive: indices into them.
    of_data, of_model: (Ld,), (Lm,) int64, index into label_names of each label of the data, of the model.
    notes: sentences that say so.
    """

    by_name: bool
    label_names: tuple[str, ...]
    positive: tuple[int, ...]
    of_data: I64
    of_model: I64
    notes: tuple[str, ...]

    def truth(self, patch_set: PatchSet) -> PatchSet:
        """The patches with their labels in the words that are judged."""
        return replace(
            patch_set,
            labels=self.of_data[patch_set.labels],
            label_names=self.label_names,
            positive_labels=tuple(self.label_names[index] for index in self.positive),
        )

    def call(self, call: Call, model_labels: Sequence[str]) -> Call:
        """A call of the model in the words that are judged."""
        p = self.collapse(np.array([[call.p[label] for label in model_labels]]))[0]
        label = self.label_names[self.of_model[list(model_labels).index(call.label)]]
        return Call(label, dict(zip(self.label_names, p.tolist(), strict=True)), call.review, call.reason)

    def collapse(self, p: F64) -> F64:
        """(N, L) probabilities of the labels judged, from (N, Lm) of the model's."""
        return np.asarray(p @ np.eye(len(self.label_names))[self.of_model], dtype=np.float64)

    def predictions(self, made: Predictions) -> Predictions:
        """Predictions in the model's labels, in the words that are judged."""
        return replace(
            made,
            labels=self.of_model[made.labels],
            p=self.collapse(made.p),
            called=self.of_model[made.called],
            label_names=self.label_names,
            positive=self.positive,
        )


def match_labels(card: Card, patch_set: PatchSet) -> Matching:
    """How the labels of `patch_set` meet those of the model.

    Raises:
        ModelLabelsDiffer: they have no name in common that would do, and on one side it is not known
            what stands for leukaemia.
    """
    known = {clean(label): index for index, label in enumerate(card.labels)}
    if all(clean(label) in known for label in patch_set.label_names):
        return _by_name(card, patch_set, known)
    sides_known = patch_set.positive_labels or any(
        meaning(label) is Meaning.NEGATIVE for label in patch_set.label_names
    )
    if not card.positive_labels or not sides_known:
        raise ModelLabelsDiffer(
            f"The model knows {', '.join(card.labels)}; the data are labelled"
            f" {', '.join(patch_set.label_names)}, and the words do not tell which of these mean leukaemia.",
            "Name the labels alike, or in words that docs/data.md lists.",
        )
    return _by_side(card, patch_set)


def _by_name(card: Card, patch_set: PatchSet, known: dict[str, int]) -> Matching:
    of_data = np.array([known[clean(label)] for label in patch_set.label_names], dtype=np.int64)
    absent = [label for index, label in enumerate(card.labels) if index not in of_data]
    notes = (f"No cell of these data is labelled {', '.join(absent)}, which the model also knows.",)
    return Matching(
        by_name=True,
        label_names=card.labels,
        positive=tuple(card.labels.index(label) for label in card.positive_labels),
        of_data=of_data,
        of_model=np.arange(len(card.labels)),
        notes=notes if absent else (),
    )


def _by_side(card: Card, patch_set: PatchSet) -> Matching:
    """Two labels: the model's own where it has one on each side, else "negative" and "positive"."""
    negative = tuple(label for label in card.labels if label not in card.positive_labels)
    are_two = len(negative) == len(card.positive_labels) == 1
    positive_here = patch_set.positive_labels
    others = tuple(label for label in patch_set.label_names if label not in positive_here)
    unclear = [label for label in others if meaning(label) is Meaning.UNKNOWN]
    sides = (
        f"Labels were matched by side: {_listed(positive_here)} here against {_listed(card.positive_labels)}"
        f" of the model as positive, {_listed(others)} against {_listed(negative)} as negative."
    )
    notes = [sides]
    if len(card.labels) > 2:
        notes.append(
            f"The {len(card.labels)} labels of the model are judged as two sides: which of them was called"
            " within a side does not count."
        )
    if unclear:
        notes.append(f"Counted as negative, though the name does not tell: {_listed(unclear)}.")
    return Matching(
        by_name=False,
        label_names=(negative[0], card.positive_labels[0]) if are_two else SIDES,
        positive=(1,),
        of_data=np.array([label in positive_here for label in patch_set.label_names], dtype=np.int64),
        of_model=np.array([label in card.positive_labels for label in card.labels], dtype=np.int64),
        notes=tuple(notes),
    )


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "nothing"
