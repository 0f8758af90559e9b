"""The parts of the ladder, each by itself: exact algebra, honest ranges, training that feels rounding."""

from pathlib import Path

import numpy as np
import pytest

from allconvert import aware_training
from allconvert.candidate import quantise
from allconvert.isolated import ask_isolated
from allconvert.ranges import Extremes
from allconvert.subject import Subject
from alledge.classifier import dequantise
from alledge.flatbuffer import read_graph
from alledge.model_file import precision_of, require_only_named
from alltrain.training import predict_logits
from tests.convert import hostile


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The shipped network of a run whose channels have all sizes."""
    folder = tmp_path_factory.mktemp("ladder") / "run"
    return Subject(hostile.hostile_run(folder, hostile.channels_of_all_sizes), 0)


def logits(subject: Subject, network: object) -> np.ndarray:
    rewritten = network.rewritten  # type: ignore[attr-defined]
    return np.asarray(rewritten.model(rewritten.inputs(subject.patches[:20]), training=False))


def test_equalised_channels_compute_the_same_but_for_the_order_of_sums(subject: Subject) -> None:
    assert subject.equalised is not subject.plain
    assert np.allclose(logits(subject, subject.equalised), logits(subject, subject.plain), atol=1e-4)


def test_equalising_changes_weights_by_powers_of_two_only(subject: Subject) -> None:
    before = subject.plain.rewritten.model.get_weights()[1]
    after = subject.equalised.rewritten.model.get_weights()[1]
    spoken = before != 0
    exponents = np.log2(after[spoken] / before[spoken])
    assert np.array_equal(exponents, np.round(exponents))


def test_equalised_channels_are_of_like_size(subject: Subject) -> None:
    def reach(extremes: dict[str, Extremes]) -> float:
        first = next(found for name, found in extremes.items() if "first" in name)
        alive = first.high.max(axis=0)
        alive = alive[alive > 0]
        return float(alive.max() / alive.min())

    plain = reach(subject.plain_extremes)
    assert reach(subject.extremes(subject.equalised, subject.patches)) < plain / 50


def test_the_input_goes_in_as_grey_levels_whatever_the_patches_hold(subject: Subject) -> None:
    chosen = subject.plain_set()
    made = quantise(subject.plain, chosen, subject.extremes(subject.plain, chosen.patches))
    (source,) = read_graph(made.flatbuffer).inputs
    assert (source.type, source.scales) == ("uint8", (1.0,))
    assert source.zero_point == 230  # plasma, which the network takes for nothing


def test_layers_in_16x8_keep_what_int8_loses_behind_a_loud_channel_and_every_wide_tensor_is_named(
    tmp_path: Path,
) -> None:
    subject = Subject(hostile.hostile_run(tmp_path / "run", hostile.one_channel_shouts_late), 0)
    chosen = subject.plain_set()
    extremes = subject.extremes(subject.plain, chosen.patches)
    graph = read_graph(subject.plain.file)
    convolutions = [place for place, one in enumerate(graph.operations) if one.name == "CONV_2D"]
    span = range(convolutions[0], convolutions[2] + 1)
    narrow = quantise(subject.plain, chosen, extremes)
    wide = quantise(
        subject.plain,
        chosen,
        extremes,
        wide=dict.fromkeys(span, "16x8"),
        reasons={place: (f"layer {place}", "for the test") for place in span},
    )
    expected = logits(subject, subject.plain)
    errors = []
    for made in (narrow, wide):
        require_only_named(read_graph(made.flatbuffer), made.named, "made.tflite")
        answered = ask_isolated(made.flatbuffer, subject.patches[:20], "reference")
        real = dequantise(answered, read_graph(made.flatbuffer).outputs[0])
        errors.append(float(np.abs(real - expected).mean()))
    # Channels of like size would not show it: there int8 weights, which 16x8 keeps, round away as much.
    assert errors[1] < errors[0] / 3
    assert [one.layer for one in wide.named] == [f"layer {place}" for place in span]
    assert {one.precision for one in wide.named} == {"16x8"}


def test_a_range_keeps_the_share_of_patches_that_it_is_told() -> None:
    values = np.arange(101, dtype=np.float32)[:, None]
    found = Extremes(-values, values)
    assert found.range() == (-100.0, 100.0)
    assert found.range(0.95) == (pytest.approx(-95.0), pytest.approx(95.0))


def test_a_copy_of_a_held_out_patch_takes_no_part_in_setting_ranges(tmp_path: Path) -> None:
    run = hostile.hostile_run(tmp_path / "run", hostile.nothing)
    twin = int(np.flatnonzero(run.splits.has_role("train", 0))[0])
    run.patches[twin] = run.patches[np.flatnonzero(run.splits.has_role("test", 0))[0]]
    judged = {patch.tobytes() for patch in run.patches[run.splits.has_role("test", 0)]}
    subject = Subject(run, 0)
    assert not subject.training[twin]
    assert not judged & {patch.tobytes() for patch in subject.plain_set().patches}


def test_fine_tuning_ends_in_a_purely_int8_file_and_is_repeatable(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aware_training, "PATCHES_AN_EPOCH", (128, 128))
    monkeypatch.setattr(aware_training, "EPOCHS", 2)
    tuned, again = aware_training.fine_tuned(subject), aware_training.fine_tuned(subject)
    assert tuned.file == again.file
    chosen = subject.plain_set()
    made = quantise(tuned, chosen, subject.extremes(tuned, chosen.patches))
    assert precision_of(read_graph(made.flatbuffer)) == "int8"
    output = read_graph(made.flatbuffer).outputs[0]
    called = dequantise(ask_isolated(made.flatbuffer, subject.patches), output).argmax(axis=1)
    assert np.mean(called == subject.run.labels[subject.training]) > 0.8


def test_while_fine_tuning_the_network_answers_as_its_int8_file_will(subject: Subject) -> None:
    aware = aware_training._aware(subject.equalised)
    chosen = subject.plain_set()
    made = quantise(subject.equalised, chosen, subject.extremes(subject.equalised, chosen.patches))
    patches = chosen.patches
    int8 = dequantise(ask_isolated(made.flatbuffer, patches), read_graph(made.flatbuffer).outputs[0])
    felt = predict_logits(aware, patches)
    assert np.corrcoef(felt.ravel(), int8.ravel())[0, 1] > 0.98


def test_the_recipe_goes_on_as_the_run_tells_it(subject: Subject) -> None:
    recipe = aware_training.recipe_of(subject.run)
    assert (recipe.batch_size, recipe.learning_rate, recipe.seed) == (16, 2e-3, 1)
