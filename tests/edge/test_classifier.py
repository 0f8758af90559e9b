"""The network on the device: right numbers from either runtime, built once, silent, and never TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest

from alledge import runtimes
from alledge.classifier import Int8Network, ModelClassifier, installed_runtimes, open_classifier
from alledge.errors import ModelUnreadable, RuntimeMissing
from alledge.model_file import ModelFile, pack_model, parse_model
from tests.edge.tiny_model import (
    OUTPUT_SCALE,
    OUTPUT_ZERO_POINT,
    TinyNetwork,
    tiny_card,
    tiny_golden,
    tiny_model_bytes,
    tiny_patches,
)


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return parse_model(tiny_model_bytes(), "tiny")


@pytest.fixture(scope="module")
def classifier(model: ModelFile) -> ModelClassifier:
    return open_classifier(model)


def test_it_gives_one_row_of_logits_a_patch(classifier: ModelClassifier) -> None:
    logits = classifier.int8_logits(tiny_patches(5))
    assert logits.dtype == np.int8
    assert logits.shape == (5, 2)
    assert classifier.int8_logits(tiny_patches(0)).shape == (0, 2)


def test_it_computes_what_the_weights_say(classifier: ModelClassifier) -> None:
    weights = np.random.default_rng(0).integers(-127, 128, (2, 7500))
    patches = tiny_patches(20)
    exact = patches.reshape(20, -1).astype(np.float64) @ weights.T * 2e-6
    reachable = np.clip(
        exact, (-128 - OUTPUT_ZERO_POINT) * OUTPUT_SCALE, (127 - OUTPUT_ZERO_POINT) * OUTPUT_SCALE
    )
    assert classifier.logits(patches) == pytest.approx(reachable, abs=OUTPUT_SCALE)


def test_patches_do_not_influence_each_other(classifier: ModelClassifier) -> None:
    patches = tiny_patches(12)
    together = classifier.int8_logits(patches)
    alone = np.concatenate([classifier.int8_logits(patches[row : row + 1]) for row in reversed(range(12))])
    assert np.array_equal(together, alone[::-1])


def test_patches_in_any_memory_layout_are_read_right(classifier: ModelClassifier) -> None:
    patches = tiny_patches(8)
    turned_twice = patches[:, ::-1, ::-1].copy()[:, ::-1, ::-1]
    assert np.array_equal(classifier.int8_logits(turned_twice), classifier.int8_logits(patches))


def test_reference_and_optimised_kernels_agree_to_one_step(model: ModelFile) -> None:
    patches = tiny_patches(64)
    reference = open_classifier(model, kernels="reference").int8_logits(patches).astype(int)
    optimised = open_classifier(model, kernels="optimised").int8_logits(patches).astype(int)
    assert np.abs(reference - optimised).max() <= 1


def test_threads_do_not_change_the_answer(model: ModelFile, classifier: ModelClassifier) -> None:
    patches = tiny_patches(16)
    assert np.array_equal(
        open_classifier(model, n_threads=2).int8_logits(patches), classifier.int8_logits(patches)
    )


def test_a_result_can_be_bound_to_its_model(model: ModelFile, classifier: ModelClassifier) -> None:
    assert classifier.identity == model.identity
    assert classifier.labels == ("normal", "blast")
    assert classifier.runtime == installed_runtimes()[0]


def test_the_interpreter_is_built_once(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    original = runtimes.open_interpreter
    monkeypatch.setattr(
        "alledge.classifier.open_interpreter", lambda *arguments: built.append(1) or original(*arguments)
    )
    classifier = open_classifier(model)
    for _ in range(3):
        classifier.logits(tiny_patches(4))
    assert len(built) == 1


def test_opening_and_asking_write_nothing_to_the_terminal(
    model: ModelFile, capfd: pytest.CaptureFixture[str]
) -> None:
    open_classifier(model).logits(tiny_patches(2))
    assert capfd.readouterr() == ("", "")


def test_an_unknown_runtime_is_named(model: ModelFile) -> None:
    with pytest.raises(RuntimeMissing, match="'abacus'"):
        open_classifier(model, runtime="abacus")


def test_without_any_runtime_it_says_what_to_install(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, _ in runtimes.RUNTIMES.values():
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RuntimeMissing, match="pip install ai-edge-litert"):
        open_classifier(model)


def test_a_broken_first_runtime_does_not_hide_the_second(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = runtimes.RUNTIMES["litert"]
    monkeypatch.setattr(runtimes, "RUNTIMES", {"broken": ("no.such.module", "broken"), "litert": working})
    assert open_classifier(model).runtime == "litert"


def test_a_network_that_no_runtime_takes_is_an_error_of_ours() -> None:
    flatbuffer = bytearray(TinyNetwork().build())
    start = bytes(flatbuffer).index(b"TFL3")
    flatbuffer[start : start + 4] = b"TFLX"
    with pytest.raises(ModelUnreadable):
        Int8Network(bytes(flatbuffer))


def test_importing_the_classifier_imports_no_runtime() -> None:
    code = (
        "import sys, alledge.classifier, alledge.model_file; "
        "print([m for m in ('ai_edge_litert', 'tflite_runtime', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_models_of_three_labels_work_as_well() -> None:
    labels = ("benign", "early", "pre")
    data = pack_model(TinyNetwork(n_labels=3).build(), tiny_card(labels, labels[1:]), tiny_golden(n_labels=3))
    assert open_classifier(parse_model(data, "m")).logits(tiny_patches(4)).shape == (4, 3)
