"""A float network of the run on its way to int8: what every rung of the ladder needs of it, made once.

Exporting a network takes a second, quantising the exported file twenty milliseconds. So the float file,
the float logits and what the activations do on the training patches are kept for the rungs that follow.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from allconvert.converter import export_float
from allconvert.equalisation import equalised_weights
from allconvert.paired import Mask
from allconvert.ranges import Extremes, measure_extremes
from allconvert.representative import Representative, choose_representative, hash_of
from allconvert.rewriting import Rewritten, rewrite_for_int8
from alledge.card import Card
from alledge.errors import FidelityRefused, RunUnusable
from alledge.types import F32, U8
from alltrain.calibration import Calibration
from alltrain.run_folder import Run
from alltrain.training import predict_logits

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True, eq=False)
class FloatNetwork:
    """A float network in both forms. logit_shift: what was taken from all logits alike."""

    rewritten: Rewritten
    file: bytes
    logit_shift: float = 0.0


class Subject:
    """The shipped network of a run (fold None) or a fold's, with the patches it may and may not see.

    Raises:
        FidelityRefused: a weight or an answer is no finite number, or TFLite has no form of an operation.
        RunUnusable: the network cannot be read, or has no patches of a role.
    """

    def __init__(self, run: Run, fold: int | None) -> None:
        self.run, self.fold = run, fold
        self.name = "the shipped network" if fold is None else f"the network of fold {fold}"
        self.validation: Mask = run.splits.has_role("validation", fold)
        self.held_out = self.validation if fold is None else run.splits.has_role("test", fold)
        self.training = _unseen_elsewhere(run.patches, run.splits.has_role("train", fold), self.asked)
        self.card = run.card if fold is None else _calibrated(run.card, run.calibrations[fold])
        network = run.load_model(fold)
        _require_finite_weights(network, self.name)
        self.float_logits = _spread(predict_logits(network, run.patches[self.asked]), self.asked)
        if not np.isfinite(self.float_logits).all():
            raise FidelityRefused(f"In float, {self.name} answers NaN or infinity.", "Fit it again.")
        rewritten = rewrite_for_int8(network)
        self.plain = FloatNetwork(rewritten, export_float(rewritten))

    @property
    def asked(self) -> Mask:
        """(N,) bool: patches that it is recalibrated or judged on."""
        return self.validation | self.held_out

    @property
    def patches(self) -> U8:
        """(M, 50, 50, 3) uint8 RGB: its training patches."""
        return self.run.patches[self.training]

    def spread(self, logits: F32) -> F32:
        """Logits of the asked patches at their rows among all patches of the run; zero elsewhere."""
        return _spread(logits, self.asked)

    def plain_set(self) -> Representative:
        """Training patches, the labels in equal number, in the order of their hashes."""
        return choose_representative(self.patches, self.run.labels[self.training], len(self.card.labels))

    def extremes(self, network: FloatNetwork, patches: U8) -> dict[str, Extremes]:
        """What the activations of a form of this network do on patches."""
        return measure_extremes(network.file, network.rewritten.inputs(patches))

    @cached_property
    def plain_extremes(self) -> dict[str, Extremes]:
        """What the activations of the network do on all its training patches."""
        return self.extremes(self.plain, self.patches)

    @cached_property
    def equalised(self) -> FloatNetwork:
        """The same function with the channels of every layer of like size (equalisation.py)."""
        found = equalised_weights(self.plain.rewritten, self.plain_extremes, self.plain.file)
        return self.with_weights(found.weights, found.logit_shift) if found is not None else self.plain

    def with_weights(self, weights: list[F32], logit_shift: float = 0.0) -> FloatNetwork:
        """The rewritten network with other weights, apart from the one that this was made with."""
        rewritten = rewrite_for_int8(self.run.load_model(self.fold))
        rewritten.model.set_weights(weights)
        return FloatNetwork(rewritten, export_float(rewritten), logit_shift)


def _spread(logits: F32, asked: Mask) -> F32:
    spread = np.zeros((len(asked), logits.shape[1]), dtype=np.float32)
    spread[asked] = logits
    return spread


def _calibrated(card: Card, calibration: Calibration) -> Card:
    return replace(
        card,
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        review_band=calibration.review_band,
    )


def _unseen_elsewhere(patches: U8, training: Mask, asked: Mask) -> Mask:
    """Training patches that are not, byte for byte, also among those that judge: a copy would peek."""
    judging = {hash_of(patch) for patch in patches[asked]}
    rows = [row for row in np.flatnonzero(training) if hash_of(patches[row]) not in judging]
    kept = np.zeros(len(patches), dtype=np.bool_)
    kept[rows] = True
    return kept


def _require_finite_weights(network: "keras.Model", name: str) -> None:
    for layer in network.layers:
        for values in layer.get_weights():
            if not np.isfinite(values).all():
                kind = "NaN" if np.isnan(values).any() else "infinity"
                raise FidelityRefused(
                    f"Layer {layer.name} of {name} holds {kind} among its weights.",
                    "Fit again, at a lower learning rate if it happens again.",
                )


def require_roles(run: Run) -> None:
    """Raise RunUnusable when a model of the run has nothing to be quantised with or judged on."""
    for fold in (None, *range(run.splits.n_folds)):
        needed = ("train", "validation") if fold is None else ("train", "validation", "test")
        lacking = [role for role in needed if not run.splits.has_role(role, fold).any()]
        if lacking:
            which = "The shipped model" if fold is None else f"Fold {fold}"
            raise RunUnusable(
                f"{which} of {run.path} has no {lacking[0]} patches.", "Fit again with more patches."
            )
