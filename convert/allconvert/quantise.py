"""`allconvert quantize`: a RUN in; one int8 model file and its proof out, or a refusal and its reasons.

What is judged twice over, on patches that no gradient saw:

1. the recipe: every fold model is quantised with its own training patches and compared with itself
   in float on its own test fold; pooled, that is every patch of the study;
2. the network that ships, on the validation patches it was stopped and calibrated on.

Both have to pass. Temperature, threshold and review band are fitted to the int8 logits, since they
are part of what ships. Where the plain way falls short the ladder is climbed (ladder.py). A refused model
leaves a report in the RUN folder and no model file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Final

from allconvert.candidate import Int8Model
from allconvert.fidelity import DEFAULT_MARGINS, Comparison, Margins, PairedCalls
from allconvert.golden import GoldenChoice, choose_golden
from allconvert.isolated import ask_isolated
from allconvert.ladder import Judged, Sealed, Trial, climb
from allconvert.layer_errors import LayerError, layer_errors
from allconvert.rungs import RUNGS
from allconvert.story import RungOutcome
from allconvert.subject import Subject, require_roles
from allconvert.verify import Check, judge_answers
from alledge import __version__
from alledge.card import Card, Quantisation
from alledge.classifier import installed_runtimes
from alledge.errors import FidelityRefused
from alledge.flatbuffer import read_graph
from alledge.model_file import ModelFile, pack_model, parse_model
from alledge.strict_json import Json
from alltrain.run_folder import Run

N_LAYER_PATCHES: Final = 48  # training patches that the errors of the layers are told for


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What is known of the int8 model before anybody ships it.

    float_card: the run's own. golden, checks: None and empty when the model was refused before.
    objections: why it must not ship; empty when it may. pairs: what both networks said on all test folds,
    pairs_on_validation: and on the validation patches. folds: the networks of the folds, in order. story:
    the rungs that were tried. layer_errors: of the shipped network.
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
    folds: tuple[Int8Model, ...] = ()
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
        FidelityRefused: the network cannot be made int8 at all, so that there is nothing to be judged.
        RunUnusable: a model of the run cannot be read, or has no patches to be judged on.
    """
    require_roles(run)
    n_models = run.splits.n_folds + 1
    subjects = []
    for number, fold in enumerate((*range(run.splits.n_folds), None)):
        progress("reading networks", number, n_models)
        subjects.append(Subject(run, fold))
    progress("reading networks", n_models, n_models)

    def seal(judged: Judged, method: str) -> Sealed:
        progress("golden vectors", 0, 1)
        sealed = _seal(run, judged, method, name)
        progress("golden vectors", 1, 1)
        return sealed

    trials = climb(subjects, RUNGS, margins, seal, lambda done, total: progress("quantising", done, total))
    trial = _told(trials)
    proof = _proof(run, margins, trial, trials)
    accepted = trial.sealed is not None and not proof.objections
    return proof, trial.sealed.data if accepted and trial.sealed is not None else None


def _told(trials: Sequence[Trial]) -> Trial:
    """The accepted trial, or of the refused ones that which came nearest. Raises FidelityRefused for none."""
    if trials[-1].outcome.is_accepted:
        return trials[-1]
    judged = [trial for trial in trials if trial.judged is not None]
    if not judged:
        reasons = dict.fromkeys(reason for trial in trials for reason in trial.outcome.objections)
        raise FidelityRefused(
            f"{'; '.join(reasons)}.",
            "Build the network from convolutions, ReLU and pooling, and fit it again.",
        )
    return max(judged, key=lambda trial: trial.outcome.agreement or 0.0)


def _proof(run: Run, margins: Margins, trial: Trial, trials: Sequence[Trial]) -> Proof:
    judged, sealed = trial.judged, trial.sealed
    assert judged is not None
    shipped = judged.shipped
    return Proof(
        run=run,
        margins=margins,
        float_card=run.card,
        int8_model=shipped,
        on_test_folds=judged.on_test_folds,
        on_validation=judged.on_validation,
        golden=sealed.golden if sealed is not None else None,
        checks=sealed.checks if sealed is not None else (),
        pairs=judged.pairs,
        pairs_on_validation=judged.pairs_on_validation,
        objections=trial.outcome.objections,
        folds=judged.folds,
        story=tuple(trial.outcome for trial in trials),
        layer_errors=layer_errors(
            shipped.network.rewritten, shipped.flatbuffer, shipped.representative.patches[:N_LAYER_PATCHES]
        ),
    )


def _seal(run: Run, judged: Judged, method: str, name: str) -> Sealed:
    """Choose golden vectors and pack the file; objections where kernels answer them otherwise."""
    card = finished_card(run, judged, method, name)
    golden, choice = choose_golden(judged.shipped.flatbuffer, card, run.patches)
    data = pack_model(judged.shipped.flatbuffer, card, golden)
    checks = check_here(parse_model(data, name))
    objections = tuple(
        f"the {check.kernels} kernels of {check.runtime} {check.version} answer golden vectors otherwise "
        f"({check.largest_step} steps, {check.n_changed_calls} changed calls)"
        for check in checks
        if not check.passed
    )
    return Sealed(choice, checks, data, objections)


def check_here(model: ModelFile) -> tuple[Check, ...]:
    """The optimised kernels of the preferred runtime; the reference ones have just made the vectors."""
    answered = ask_isolated(model.flatbuffer, model.golden.patches)
    return (judge_answers(model, answered, installed_runtimes()[0], "optimised"),)


def finished_card(run: Run, judged: Judged, method: str, name: str) -> Card:
    """The card of the int8 model: the run's, recalibrated, with its quantisation and its fidelity."""
    shipped = judged.shipped
    graph = read_graph(shipped.flatbuffer)
    source, sink = graph.inputs[0], graph.outputs[0]
    quantisation = Quantisation(
        method=method,
        input_scale=source.scales[0],
        input_zero_point=source.zero_point,
        output_scale=sink.scales[0],
        output_zero_point=sink.zero_point,
        n_representative=len(shipped.representative.patches),
        representative_sha256=shipped.representative.sha256,
        exceptions=shipped.exceptions,
    )
    agreement: dict[str, Json] = {**judged.on_test_folds.agreement.as_json()}
    return replace(
        shipped.card,
        name=name,
        quantisation=quantisation,
        metrics={**run.card.metrics, "int8_agreement": agreement},
        versions={**run.card.versions, **_versions()},
    )


def _versions() -> dict[str, str]:
    told = ("tensorflow", "keras", "numpy", "ai-edge-litert", "litert-quantizer")
    return {"allscope": __version__, **{name: version(name) for name in told}}
