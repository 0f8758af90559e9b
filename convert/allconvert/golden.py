"""Golden vectors: patches whose int8 answers travel with the model, so that any device can be examined.

The reference kernels answer bit for bit alike on every machine; what they say is stored. Optimised
kernels round otherwise in every layer and end one step of int8 off, rarely two. A patch whose call
hangs on one step, or on which kernels are two apart, would fail an honest device. Such patches are
counted and left out; a network with too many of them is refused.

Other processors have other optimised kernels: aarch64's were seen a step from x86-64's on 7 of 256
patches, and so two from the reference on 3 where x86-64's had been one off. Patches on which kernels
agree bit for bit here come first, so that there is a step to spare elsewhere.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from allconvert.isolated import ask_isolated
from allconvert.paired import Mask
from alledge.calls import make_calls
from alledge.card import Card
from alledge.classifier import dequantise
from alledge.errors import FidelityRefused
from alledge.flatbuffer import Tensor, read_graph
from alledge.model_file import MIN_GOLDEN, Golden
from alledge.types import I8, I64, U8

# Candidates for each golden vector: kernels agreed bit for bit on a quarter of the patches or more.
POOL: Final = 6
# Greatest share of patches on which kernels may lie more than one step apart.
MAX_FAR: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class GoldenChoice:
    """Where the golden vectors come from.

    n_turned: mirrored or turned copies, to make up the number. n_on_edge: candidates left out, because
    their call hangs on one step. n_far: left out, because kernels lie more than a step apart on them.
    n_exact: golden vectors on which the optimised kernels here and the reference ones are equal.
    """

    n: int
    n_turned: int
    n_candidates: int
    n_on_edge: int
    n_far: int
    n_exact: int


def choose_golden(
    flatbuffer: bytes, card: Card, patches: U8, n: int = MIN_GOLDEN
) -> tuple[Golden, GoldenChoice]:
    """Pick n patches with steady calls and let the reference kernels answer them.

    Args:
        flatbuffer: the int8 network.
        card: its card, whose calls must not hang on one step of int8.
        patches: (N, 50, 50, 3) uint8 RGB, N >= 1, none of them held out for judging the model.
        n: how many golden vectors to make.

    Raises:
        FidelityRefused: too few patches have a call that survives one step of int8, or kernels lie
            more than one step apart on too many.
    """
    candidates, is_turned = _enough_candidates(patches, n)
    optimised = ask_isolated(flatbuffer, candidates)
    is_steady = keeps_call_one_step_off(optimised, read_graph(flatbuffer).outputs[0], card)
    steady = np.flatnonzero(is_steady)
    if len(steady) < n:
        raise FidelityRefused(
            f"Calls hang on a single step of int8 for {1 - is_steady.mean():.0%} of patches: "
            "kernels that round differently would call cells differently.",
            "Fit a network whose logits are further apart: more epochs, or more patches.",
        )
    reference, steps = _ask_reference(flatbuffer, candidates[steady], optimised[steady], n)
    if len(steps) - (steps > 1).sum() < n or np.mean(steps > 1) > MAX_FAR:
        raise FidelityRefused(
            f"Kernels that round differently lie up to {steps.max()} steps of int8 apart, and more than one "
            f"on {np.mean(steps > 1):.0%} of patches.",
            "Fit a network with fewer layers, or with activations of like size.",
        )
    nearest = np.argsort(steps, kind="stable")[:n]
    chosen = steady[nearest]
    choice = GoldenChoice(
        n=n,
        n_turned=int(is_turned[chosen].sum()),
        n_candidates=len(candidates),
        n_on_edge=int((~is_steady).sum()),
        n_far=int((steps > 1).sum()),
        n_exact=int((steps[nearest] == 0).sum()),
    )
    return Golden(candidates[chosen], reference[nearest], card.decision_sha256()), choice


def _ask_reference(flatbuffer: bytes, patches: U8, optimised: I8, n: int) -> tuple[I8, I64]:
    """What the reference kernels answer, (M, L), and the steps (M,) to the optimised answers.

    Reference kernels are slow, so patches are asked a share at a time, M of them in all, until kernels
    agree bit for bit on n.
    """
    share = n + n // 2
    answers: list[I8] = []
    steps = np.zeros(0, dtype=np.int64)
    while len(steps) < len(patches) and np.count_nonzero(steps == 0) < n:
        part = slice(len(steps), len(steps) + share)
        answers.append(ask_isolated(flatbuffer, patches[part], kernels="reference"))
        apart = np.abs(answers[-1].astype(np.int64) - optimised[part]).max(axis=1)
        steps = np.concatenate([steps, apart])
    return np.concatenate(answers), steps


def keeps_call_one_step_off(int8_logits: I8, output: Tensor, card: Card) -> Mask:
    """(N,) bool: label and review stay when logits move one step of int8 apart or together.

    For each label, its logit up and all others down, and the reverse: the probability of that label
    of two labels cannot move further. int8_logits: (N, L); output: the tensor that they came from.
    """
    unguarded = replace(card, familiarity=None)
    no_patches = np.zeros((len(int8_logits), 0), dtype=np.uint8)

    def calls(steps: I8) -> list[tuple[str, bool]]:
        moved = np.clip(int8_logits.astype(np.int16) + steps, -128, 127).astype(np.int8)
        return [
            (call.label, call.review) for call in make_calls(dequantise(moved, output), no_patches, unguarded)
        ]

    as_they_are = calls(np.zeros(len(card.labels), dtype=np.int8))
    steady = np.ones(len(int8_logits), dtype=np.bool_)
    for label in range(len(card.labels)):
        apart = np.where(np.arange(len(card.labels)) == label, 1, -1).astype(np.int8)
        for steps in (apart, -apart):
            steady &= np.array(
                [a == b for a, b in zip(calls(steps), as_they_are, strict=True)], dtype=np.bool_
            )
    return steady


def _enough_candidates(patches: U8, n: int) -> tuple[U8, Mask]:
    """`POOL` times n candidates where possible, in an order that only the patches' hashes decide.

    Patches come first as they are; where they are too few, also turned by quarters and mirrored.
    """
    unique = {hashlib.sha256(patch.tobytes()).digest(): patch for patch in patches}
    upright = [unique[key] for key in sorted(unique)]
    turned = [
        np.rot90(patch[:, ::-1] if mirrored else patch, quarters)
        for mirrored in (False, True)
        for quarters in range(4)
        for patch in upright
    ][len(upright) :]
    n_upright = min(len(upright), POOL * n)
    n_turned = min(len(turned), POOL * n - n_upright)
    candidates = np.stack([*upright[:n_upright], *turned[:n_turned]]).astype(np.uint8)
    return candidates, np.arange(len(candidates)) >= n_upright
