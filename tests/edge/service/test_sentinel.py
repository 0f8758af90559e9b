"""A network proves itself: all golden vectors at the start, one more beside each field."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.errors import ClassifierFailed, SelfTestFailed
from alledge.faults.network import ANSWERS, FaultyClassifier
from alledge.service.sentinel import SentinelClassifier, self_test
from tests.edge.service.tiny_service import scenery


def a_network(fault: str = "") -> FaultyClassifier:
    network = FaultyClassifier(scenery().classifier)
    network.fault = fault
    return network


def patches() -> np.ndarray:
    return scenery().clean[0].patches


def test_a_whole_network_answers_as_it_would_without_a_sentinel() -> None:
    sentinel = SentinelClassifier(a_network(), scenery().model.golden)
    assert np.array_equal(sentinel.logits(patches()), scenery().classifier.logits(patches()))
    assert np.array_equal(sentinel.int8_logits(patches()), scenery().classifier.int8_logits(patches()))
    assert sentinel.labels == scenery().classifier.labels


@pytest.mark.parametrize("fault", ANSWERS)
def test_a_network_that_went_wrong_gives_no_answer_at_all(fault: str) -> None:
    network = a_network()
    sentinel = SentinelClassifier(network, scenery().model.golden)
    sentinel.logits(patches())
    network.fault = fault

    def eight_fields() -> None:
        for _ in range(8):
            sentinel.logits(patches())

    # A network that answers some patches rightly by chance is found within a few fields.
    with pytest.raises(ClassifierFailed):
        eight_fields()


def test_the_self_test_passes_a_whole_network() -> None:
    model = scenery().model
    assert self_test(a_network(), model.golden, model.card) <= 1


@pytest.mark.parametrize("fault", [fault for fault in ANSWERS if fault != "not-a-number"])
def test_the_self_test_refuses_a_network_that_went_wrong(fault: str) -> None:
    model = scenery().model
    with pytest.raises((SelfTestFailed, ClassifierFailed)):
        self_test(a_network(fault), model.golden, model.card)


def test_golden_outputs_that_are_off_by_two_steps_are_another_network() -> None:
    model = scenery().model
    outputs = model.golden.outputs.copy()
    outputs[3, 0] += 2 if outputs[3, 0] < 100 else -2
    with pytest.raises(SelfTestFailed, match=r"off by [23] steps"):
        self_test(a_network(), replace(model.golden, outputs=outputs), model.card)


def test_each_field_asks_another_golden_patch() -> None:
    golden = scenery().model.golden
    wrong = golden.outputs.copy()
    wrong[2] ^= 127
    sentinel = SentinelClassifier(a_network(), replace(golden, outputs=wrong))
    sentinel.logits(patches())
    sentinel.logits(patches())
    with pytest.raises(ClassifierFailed, match="golden patch 2"):
        sentinel.logits(patches())
