"""From a run to a model file: int8 all through, as good as float, and every claim can be checked again."""

from dataclasses import replace

import numpy as np
import pytest

from allconvert.fidelity import Margins
from allconvert.quantise import Proof, quantise_run
from allconvert.record import proof_as_json
from alledge.calls import make_calls
from alledge.classifier import open_classifier
from alledge.errors import RunUnusable
from alledge.flatbuffer import read_graph
from alledge.model_file import MIN_GOLDEN, parse_model
from alltrain.run_folder import Run, read_run
from alltrain.training import predict_logits
from tests.convert.conftest import WIDE_MARGINS, fitted_run, made_patch_set

Converted = tuple[Proof, bytes]


def test_the_file_holds_integers_only(converted: Converted) -> None:
    graph = read_graph(parse_model(converted[1], "made").flatbuffer)
    assert graph.float_tensors == ()
    assert set(graph.operators) == {"QUANTIZE", "CONV_2D", "MAX_POOL_2D", "RESHAPE"}


def test_grey_levels_go_in_as_they_are(converted: Converted) -> None:
    (source,) = read_graph(parse_model(converted[1], "made").flatbuffer).inputs
    assert (source.type, source.shape, source.scales) == ("uint8", (1, 50, 50, 3), (1.0,))


def test_the_model_answers_as_the_float_network_does(converted: Converted, run: Run) -> None:
    model = parse_model(converted[1], "made")
    int8 = open_classifier(model).logits(run.patches)
    real = predict_logits(run.load_model(), run.patches)
    assert np.corrcoef(int8.ravel(), real.ravel())[0, 1] > 0.99


def test_the_card_is_the_runs_and_says_how_it_was_quantised(converted: Converted, run: Run) -> None:
    card = parse_model(converted[1], "made").card
    assert card.name == "made"
    assert (card.labels, card.positive_labels) == (run.card.labels, run.card.positive_labels)
    assert card.data_fingerprint == run.card.data_fingerprint
    assert card.familiarity == run.card.familiarity
    assert card.phantom
    assert card.quantisation is not None
    assert card.quantisation.representative_sha256 == converted[0].int8_model.representative.sha256
    assert {"tensorflow", "keras", "ai-edge-litert", "allscope"} <= set(card.versions)
    assert set(run.card.metrics) < set(card.metrics)


def test_ranges_were_set_by_training_patches_only(converted: Converted, run: Run) -> None:
    training = {patch.tobytes() for patch in run.patches[run.splits.has_role("train", None)]}
    used = converted[0].int8_model.representative.patches
    assert all(patch.tobytes() in training for patch in used)


def test_every_patch_is_judged_once_by_a_model_that_never_saw_it(converted: Converted, run: Run) -> None:
    assert sorted(converted[0].pairs.rows.tolist()) == list(range(len(run.patches)))
    assert converted[0].on_validation.n == int(run.splits.has_role("validation", None).sum())


def test_the_claims_on_validation_patches_can_be_recomputed_from_the_two_models(
    converted: Converted, run: Run
) -> None:
    proof, data = converted
    model = parse_model(data, "made")
    held_out = run.splits.has_role("validation", None)
    patches, truth = run.patches[held_out], run.labels[held_out]
    after = make_calls(open_classifier(model).logits(patches), patches, model.card)
    before = make_calls(predict_logits(run.load_model(), patches), patches, run.card)
    agreement = np.mean([a.label == b.label for a, b in zip(after, before, strict=True)])
    assert proof.on_validation.agreement.value == pytest.approx(agreement)
    blasts = truth == run.card.labels.index("blast")
    sensitivity = np.mean(
        [call.label == "blast" for call, is_blast in zip(after, blasts, strict=True) if is_blast]
    )
    (change,) = [change for change in proof.on_validation.changes if change.name == "sensitivity"]
    assert change.int8_value == pytest.approx(sensitivity)


def test_golden_vectors_are_enough_and_right(converted: Converted) -> None:
    model = parse_model(converted[1], "made")
    assert len(model.golden.patches) >= MIN_GOLDEN
    reference = open_classifier(model, kernels="reference")
    assert np.array_equal(reference.int8_logits(model.golden.patches), model.golden.outputs)
    assert converted[0].checks
    assert all(check.passed for check in converted[0].checks)


def test_the_file_is_small(converted: Converted) -> None:
    assert len(converted[1]) < 2.5e6


def test_converting_again_is_silent_tells_its_progress_and_gives_the_same_file(
    converted: Converted, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[str, int, int]] = []
    _, data = quantise_run(run, "made", WIDE_MARGINS, lambda *step: told.append(step))
    assert data == converted[1]
    assert told[0] == ("reading networks", 0, run.splits.n_folds + 1)
    assert told[-1] == ("golden vectors", 1, 1)
    assert capfd.readouterr() == ("", "")


def test_the_record_says_all_of_it(converted: Converted) -> None:
    record = proof_as_json(converted[0], "ab" * 32)
    assert record["verdict"] == "accepted"
    assert record["model_sha256"] == "ab" * 32
    assert record["margins"] == {"loss": 0.1, "lost_positives": 0.1}
    for part in ("test_folds", "validation"):
        comparison = record[part]
        assert isinstance(comparison, dict)
        changes = comparison["changes"]
        assert isinstance(changes, dict)
        assert {"sensitivity", "specificity", "AUROC", "calibration error"} <= set(changes)


def test_a_run_without_validation_patches_is_named(run: Run) -> None:
    roles = tuple("train" for _ in run.splits.shipped_roles)
    with pytest.raises(RunUnusable, match="has no validation patches"):
        quantise_run(replace(run, splits=replace(run.splits, shipped_roles=roles)), "made")


def test_several_labels_without_a_positive_one_are_gated_on_accuracy(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    study = made_patch_set(("small", "large", "dark"), ())
    run = read_run(fitted_run(tmp_path_factory.mktemp("three") / "run", study, epochs=4))
    proof, data = quantise_run(run, "three", Margins(loss=0.2))
    assert {change.name for change in proof.on_test_folds.changes} == {
        "accuracy",
        "macro recall",
        "calibration error",
    }
    if data is not None:
        assert parse_model(data, "three").card.threshold is None
