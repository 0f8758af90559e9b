"""Networks made to quantise badly: the ladder rescues what can be rescued, and never ships a bad one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allconvert.cli import app
from allconvert.fidelity import DEFAULT_MARGINS, Margins
from allconvert.quantise import Proof, quantise_run
from allconvert.rungs import BETTER_SET, POST_TRAINING, SELECTIVE
from alledge.calls import make_calls
from alledge.classifier import open_classifier
from alledge.errors import FidelityRefused
from alledge.flatbuffer import read_graph
from alledge.model_file import ModelFile, parse_model, wide_tensors
from alltrain.run_folder import Run
from alltrain.training import predict_logits
from tests.convert import hostile

BAD_IN_PLAIN_INT8 = 0.9


@dataclass(frozen=True)
class Hostile:
    """A way to make a network quantise badly, and the rung and method that rescue it."""

    sabotage: Any
    rung: str
    method: str = ""
    more: Any = dict
    margins: Margins = DEFAULT_MARGINS


# A network fitted in closed form has calls close to its threshold; those few do not count here.
NERVOUS = Margins(lost_positives=0.02)
RESCUED = {
    "like any other": Hostile(hostile.nothing, POST_TRAINING),
    "dead ReLUs": Hostile(hostile.dead_relus, POST_TRAINING),
    "tiny margins": Hostile(hostile.tiny_margins, POST_TRAINING),
    "one channel a thousand times the rest": Hostile(hostile.one_channel_shouts, BETTER_SET, "equalised"),
    "channels of all sizes": Hostile(hostile.channels_of_all_sizes, BETTER_SET, "equalised"),
    "one weight a thousand times the rest": Hostile(
        hostile.one_huge_weight_on_a_dead_channel, BETTER_SET, "equalised"
    ),
    "logits far from zero": Hostile(hostile.logits_far_from_zero, BETTER_SET, "taken from all logits"),
    "calls on a few steps": Hostile(hostile.calls_on_a_few_steps, BETTER_SET),
    "a layer that saturates on what calibration lacks": Hostile(
        hostile.a_rare_sign_decides,
        BETTER_SET,
        "covers all activations",
        lambda: {"patches": hostile.patches_with_a_rare_sign(), "prepare": hostile.carry_a_rare_sign},
        NERVOUS,
    ),
    "an operation without int8 kernel": Hostile(
        hostile.nothing, SELECTIVE, "Sin in float32", lambda: {"activation": hostile.sine}
    ),
    "a loud channel that cannot be equalised": Hostile(
        hostile.one_channel_shouts_late, SELECTIVE, "third in float32", lambda: {"activation": "leaky_relu"}
    ),
}


COLLAPSING = ("one channel a thousand times the rest", "logits far from zero")


@pytest.mark.parametrize("name", RESCUED)
def test_a_network_that_can_be_rescued_is_by_the_first_rung_that_can(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = RESCUED[name]
    run = hostile.hostile_run(tmp_path / "run", case.sabotage, **case.more())
    proof, data = quantise_run(run, "hostile", case.margins)
    assert data is not None, proof.objections
    last = proof.story[-1]
    assert last.is_accepted
    assert last.name == case.rung
    assert case.method in last.method
    assert all(rung.objections for rung in proof.story[:-1])
    assert_as_good_as_float(parse_model(data, "hostile"), run)
    assert_all_that_is_wide_is_named(parse_model(data, "hostile"), proof)
    if case.rung == SELECTIVE:
        assert_inspect_names_what_is_wide(data, tmp_path / "wide.tflite", capsys)
    if name in COLLAPSING:
        assert proof.story[0].objections[0].startswith("int8 collapses to one class: every patch is called")


def assert_as_good_as_float(model: ModelFile, run: Run) -> None:
    """Asked once more, through the device's own code, on all patches: nearly all calls are float's."""
    before = make_calls(predict_logits(run.load_model(), run.patches), run.patches, run.card)
    after = make_calls(open_classifier(model).logits(run.patches), run.patches, model.card)
    assert np.mean([a.label == b.label for a, b in zip(before, after, strict=True)]) > 0.97


def assert_all_that_is_wide_is_named(model: ModelFile, proof: Proof) -> None:
    assert model.card.quantisation is not None
    named = {tensor for one in model.card.quantisation.exceptions for tensor in one.tensors}
    assert {tensor.name for tensor in wide_tensors(read_graph(model.flatbuffer))} == named
    assert [one.layer for one in proof.story[-1].exceptions] == [
        one.layer for one in model.card.quantisation.exceptions
    ]


def assert_inspect_names_what_is_wide(data: bytes, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(data)
    capsys.readouterr()
    app(["inspect", str(path)], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "sound: sealed" in shown
    quantisation = parse_model(data, "hostile").card.quantisation
    assert quantisation is not None
    assert quantisation.exceptions
    for one in quantisation.exceptions:
        assert f"{one.layer} in {one.precision}" in shown


def test_a_network_that_no_rung_can_rescue_is_refused_with_the_whole_story(tmp_path: Path) -> None:
    run = hostile.hostile_run(tmp_path / "run", hostile.what_logits_share_drowns_them)
    proof, data = quantise_run(run, "hostile")
    assert data is None
    assert proof.objections
    assert [rung.name for rung in proof.story] == [
        POST_TRAINING,
        BETTER_SET,
        BETTER_SET,
        SELECTIVE,
        "quantisation-aware fine-tuning",
    ]
    assert all(rung.objections for rung in proof.story)
    assert min(rung.agreement or 0 for rung in proof.story) < BAD_IN_PLAIN_INT8


@pytest.mark.parametrize(
    ("sabotage", "more", "words"),
    [
        (hostile.nan_weight, {}, "Layer second of the network of fold 0 holds NaN among its weights"),
        (hostile.infinite_weight, {}, "Layer first of the network of fold 0 holds infinity"),
        (hostile.nothing, {"activation": hostile.error_function}, "TFLite has no operation Erf"),
    ],
)
def test_what_cannot_even_be_judged_is_refused_for_its_own_reason(
    sabotage: Any, more: dict[str, Any], words: str, tmp_path: Path
) -> None:
    run = hostile.hostile_run(tmp_path / "run", sabotage, **more)
    with pytest.raises(FidelityRefused, match=words):
        quantise_run(run, "hostile")
