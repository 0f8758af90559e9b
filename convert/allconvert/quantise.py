"""`allconvert quantize`: a RUN in; one int8 model file and its proof out, or a refusal and its reasons.

What is judged twice over, on patches that no gradient saw:

1. the recipe: every fold model is quantised with its own training patches and compared with itself
   in float on its own test fold; pooled, that is every patch of the study;
2. the network that ships, on the validation patches it was stopped and calibrated on.

Both have to pass. Temperature, threshold and review band are fitted to the int8 logits, since they
are part of what ships. A refused model leaves a report in the RUN folder and no model file.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np

from allconvert.audit import Audit, require_integers
from allconvert.converter import METHOD, convert_to_int8
from allconvert.fidelity import DEFAULT_MARGINS, Comparison, Margins, PairedCalls, compare, pool
from allconvert.golden import GoldenChoice, choose_golden
from allconvert.isolated import ask_isolated
from allconvert.layer_errors import LayerError
from allconvert.paired import Mask
from allconvert.recalibration import recalibrate
from allconvert.representative import Representative, choose_representative
from allconvert.story import RungOutcome
from allconvert.verify import Check, judge_answers
from alledge import __version__
from alledge.calls import make_calls
from alledge.card import Card, Quantisation
from alledge.classifier import dequantise, installed_runtimes
from alledge.errors import RunUnusable
from alledge.flatbuffer import read_graph
from alledge.model_file import ModelFile, pack_model, parse_model
from alledge.strict_json import Json
from alledge.types import F32, F64, I64, U8
from alltrain.calibration import Calibration
from alltrain.run_folder import Run
from alltrain.training import predict_logits


@dataclass(frozen=True, slots=True, eq=False)
class Int8Model:
    """A network of the run in integers: the shipped one or a fold's. card: recalibrated on int8 logits."""

    flatbuffer: bytes
    audit: Audit
    representative: Representative
    card: Card


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What is known of the int8 model before anybody ships it.

    float_card: the run's own. golden, checks: None and empty when the model was refused before.
    objections: why it must not ship; empty when it may. pairs: what both networks said on all test folds,
    pairs_on_validation: and on the validation patches. story: the rungs that were tried. layer_errors: of
    the shipped network.
    """

    run: Run
    margins: Margins
    float_card: Card
    int8_model: Int8Model
    on_test_folds: Comparison
    on_validation: Comparison
    golden: GoldenChoice | None
    checks: tuple[Check, ...]
    pairs: PairedCalls
    pairs_on_validation: PairedCalls
    objections: tuple[str, ...]
    story: tuple[RungOutcome, ...] = ()
    layer_errors: tuple[LayerError, ...] = ()

    @property
    def comparisons(self) -> tuple[Comparison, Comparison]:
        """The recipe on all test folds, then the shipped network on its validation patches."""
        return self.on_test_folds, self.on_validation


Progress = Callable[[str, int, int], None]


def quantise_run(
    run: Run,
    name: str,
    margins: Margins = DEFAULT_MARGINS,
    progress: Progress = lambda _what, _done, _total: None,
) -> tuple[Proof, bytes | None]:
    """Quantise a run's models and prove or refuse the one that ships.

    Args:
        run: a finished run.
        name: of the model file, for its card.
        margins: what int8 may cost at most.
        progress: told the stage, and how many of its steps are done.

    Returns:
        The proof, and the bytes of the model file; None in their place when the proof has objections.

    Raises:
        FidelityRefused: the network cannot be made int8 at all, or its calls hang on single steps.
        RunUnusable: a model of the run cannot be read, or has no patches to be judged on.
    """
    _require_roles(run)
    n_models = run.splits.n_folds + 1
    folds = []
    for fold in range(run.splits.n_folds):
        progress("quantising", fold, n_models)
        folds.append(_convert_and_call(run, fold)[1])
    progress("quantising", run.splits.n_folds, n_models)
    shipped, on_validation = _convert_and_call(run, None)
    progress("quantising", n_models, n_models)
    proof = _judge(run, margins, shipped, pool(folds), on_validation)
    if proof.objections:
        return proof, None
    progress("golden vectors", 0, 1)
    proof, data = _seal(proof, name)
    progress("golden vectors", 1, 1)
    return proof, data


def _require_roles(run: Run) -> None:
    """Raise RunUnusable when a model of the run has nothing to be quantised with or judged on."""
    for fold in (None, *range(run.splits.n_folds)):
        needed = ("train", "validation") if fold is None else ("train", "validation", "test")
        lacking = [role for role in needed if not run.splits.has_role(role, fold).any()]
        if lacking:
            which = "The shipped model" if fold is None else f"Fold {fold}"
            raise RunUnusable(
                f"{which} of {run.path} has no {lacking[0]} patches.", "Fit again with more patches."
            )


def _convert_and_call(run: Run, fold: int | None) -> tuple[Int8Model, PairedCalls]:
    """One network in integers, and what both forms say about the patches it is judged on."""
    network = run.load_model(fold)
    training, validation = (run.splits.has_role(role, fold) for role in ("train", "validation"))
    held_out = validation if fold is None else run.splits.has_role("test", fold)
    chosen = choose_representative(run.patches[training], run.labels[training], len(run.card.labels))
    flatbuffer = convert_to_int8(network, chosen.patches)
    audit = require_integers(flatbuffer)
    asked = validation | held_out
    float_logits = _spread(predict_logits(network, run.patches[asked]), asked)
    int8_logits = ask_isolated(flatbuffer, run.patches[asked])
    real_logits = _spread(dequantise(int8_logits, read_graph(flatbuffer).outputs[0]), asked)
    float_card = run.card if fold is None else _calibrated(run.card, run.calibrations[fold])
    int8_card = recalibrate(
        float_card, float_logits[validation], real_logits[validation], run.labels[validation]
    )
    calls = _both_calls(run, held_out, float_logits[held_out], real_logits[held_out], float_card, int8_card)
    return Int8Model(flatbuffer, audit, chosen, int8_card), calls


def _spread(logits: F32, asked: Mask) -> F32:
    """Logits of the patches that were asked about, at their rows among all patches; zero elsewhere."""
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


def _positive(card: Card) -> tuple[int, ...]:
    return tuple(card.labels.index(label) for label in card.positive_labels)


def _both_calls(
    run: Run, held_out: Mask, float_logits: F32, int8_logits: F32, float_card: Card, int8_card: Card
) -> PairedCalls:
    patches = run.patches[held_out]
    float_p, float_called, float_review = _calls(float_logits, patches, float_card)
    int8_p, int8_called, int8_review = _calls(int8_logits, patches, int8_card)
    rows = np.flatnonzero(held_out).astype(np.int64)
    return PairedCalls(
        rows=rows,
        labels=run.labels[held_out],
        groups=tuple(run.groups[row] for row in rows),
        label_names=run.card.labels,
        positive=_positive(run.card),
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


def _judge(
    run: Run, margins: Margins, shipped: Int8Model, on_folds: PairedCalls, on_validation: PairedCalls
) -> Proof:
    test_folds = compare(on_folds, margins, f"the {on_folds.labels.size} held-out patches of all folds")
    validation = compare(on_validation, margins, f"the {on_validation.labels.size} validation patches")
    return Proof(
        run=run,
        margins=margins,
        float_card=run.card,
        int8_model=shipped,
        on_test_folds=test_folds,
        on_validation=validation,
        golden=None,
        checks=(),
        pairs=on_folds,
        pairs_on_validation=on_validation,
        objections=test_folds.objections + validation.objections,
    )


def _seal(proof: Proof, name: str) -> tuple[Proof, bytes | None]:
    """Add golden vectors and pack the file; the proof gains an objection when kernels disagree."""
    int8_model = proof.int8_model
    card = finished_card(proof, name)
    golden, choice = choose_golden(int8_model.flatbuffer, card, proof.run.patches)
    data = pack_model(int8_model.flatbuffer, card, golden)
    model = parse_model(data, name)
    checks = check_here(model)
    objections = tuple(
        f"the {check.kernels} kernels of {check.runtime} {check.version} answer golden vectors otherwise "
        f"({check.largest_step} steps, {check.n_changed_calls} changed calls)"
        for check in checks
        if not check.passed
    )
    proof = replace(proof, golden=choice, checks=checks, objections=objections)
    return proof, None if objections else data


def check_here(model: ModelFile) -> tuple[Check, ...]:
    """The optimised kernels of the preferred runtime; the reference ones have just made the vectors."""
    answered = ask_isolated(model.flatbuffer, model.golden.patches)
    return (judge_answers(model, answered, installed_runtimes()[0], "optimised"),)


def finished_card(proof: Proof, name: str) -> Card:
    """The card of the int8 model: the run's, recalibrated, with its quantisation and its fidelity."""
    graph = read_graph(proof.int8_model.flatbuffer)
    source, sink = graph.inputs[0], graph.outputs[0]
    quantisation = Quantisation(
        method=METHOD,
        input_scale=source.scales[0],
        input_zero_point=source.zero_point,
        output_scale=sink.scales[0],
        output_zero_point=sink.zero_point,
        n_representative=len(proof.int8_model.representative.patches),
        representative_sha256=proof.int8_model.representative.sha256,
    )
    agreement: dict[str, Json] = {**proof.on_test_folds.agreement.as_json()}
    return replace(
        proof.int8_model.card,
        name=name,
        quantisation=quantisation,
        metrics={**proof.float_card.metrics, "int8_agreement": agreement},
        versions={**proof.float_card.versions, **_versions()},
    )


def _versions() -> dict[str, str]:
    installed = {name: version(name) for name in ("tensorflow", "keras", "numpy")}
    return {"allscope": __version__, **installed, "ai-edge-litert": version("ai-edge-litert")}
