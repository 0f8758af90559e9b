"""What both forms of a network say about the patches that judge it: calls, by the device's own code."""

from dataclasses import replace

import numpy as np

from allconvert.audit import require_integers
from allconvert.candidate import Candidate, Int8Model
from allconvert.fidelity import PairedCalls
from allconvert.isolated import ask_isolated
from allconvert.paired import Mask
from allconvert.recalibration import recalibrate
from allconvert.subject import Subject
from alledge.calls import make_calls
from alledge.card import Card
from alledge.classifier import dequantise
from alledge.flatbuffer import read_graph
from alledge.types import F32, F64, I64, U8


def judge(subject: Subject, candidate: Candidate) -> tuple[Int8Model, PairedCalls]:
    """Audit, recalibrate and ask an int8 network; what it and float say about the held-out patches.

    Raises FidelityRefused when the file is no int8 file beside what it names, or no runtime can run it.
    """
    run, validation, held_out = subject.run, subject.validation, subject.held_out
    audit = require_integers(candidate.flatbuffer, candidate.named)
    int8_logits = ask_isolated(candidate.flatbuffer, run.patches[subject.asked])
    real = subject.spread(dequantise(int8_logits, read_graph(candidate.flatbuffer).outputs[0]))
    expected = subject.float_logits - np.float32(candidate.network.logit_shift)
    card = recalibrate(subject.card, expected[validation], real[validation], run.labels[validation])
    calls = _both_calls(subject, expected[held_out], real[held_out], card)
    chosen = candidate.representative
    in_run = replace(chosen, rows=np.flatnonzero(subject.training)[chosen.rows])
    model = Int8Model(candidate.flatbuffer, audit, in_run, card, candidate.network, candidate.named)
    return model, calls


def _both_calls(subject: Subject, float_logits: F32, int8_logits: F32, int8_card: Card) -> PairedCalls:
    run, held_out = subject.run, subject.held_out
    patches = run.patches[held_out]
    float_p, float_called, float_review = _calls(float_logits, patches, subject.card)
    int8_p, int8_called, int8_review = _calls(int8_logits, patches, int8_card)
    rows = np.flatnonzero(held_out).astype(np.int64)
    return PairedCalls(
        rows=rows,
        labels=run.labels[held_out],
        groups=tuple(run.groups[row] for row in rows),
        label_names=run.card.labels,
        positive=tuple(run.card.labels.index(label) for label in run.card.positive_labels),
        float_logits=float_logits,
        int8_logits=int8_logits,
        float_p=float_p,
        int8_p=int8_p,
        float_called=float_called,
        int8_called=int8_called,
        float_review=float_review,
        int8_review=int8_review,
    )


def _calls(logits: F32, patches: U8, card: Card) -> tuple[F64, I64, Mask]:
    """Probabilities (N, L), calls (N,) and reviews (N,), through the function that the device calls.

    Familiarity sees the patch and not the logits, so it flags both networks alike and is left out.
    """
    calls = make_calls(logits, patches, replace(card, familiarity=None))
    p = np.array([[call.p[label] for label in card.labels] for call in calls], dtype=np.float64)
    called = np.array([card.labels.index(call.label) for call in calls], dtype=np.int64)
    review = np.array([call.review for call in calls], dtype=np.bool_)
    return p.reshape(len(calls), len(card.labels)), called, review


def collapse(paired: PairedCalls, what: str) -> tuple[str, ...]:
    """The objection to a network that gives all patches one label where float gives several."""
    called = np.unique(paired.int8_called)
    if called.size != 1 or np.unique(paired.float_called).size == 1:
        return ()
    return (f"int8 collapses to one class: every patch is called {paired.label_names[called[0]]} on {what}",)
