"""Golden vectors: enough of them, with calls that no honest kernel changes."""

import numpy as np
import pytest

from allconvert import golden as golden_module
from allconvert.golden import choose_golden, keeps_call_one_step_off
from allconvert.isolated import ask_isolated
from alledge.classifier import Int8Network
from alledge.errors import FidelityRefused
from alledge.flatbuffer import Tensor
from alledge.types import I8, U8
from tests.edge.tiny_model import TinyNetwork, tiny_card, tiny_patches

NETWORK = TinyNetwork().build()
OUTPUT = Tensor("logits", "int8", (1, 2), 0, (0.05,), 0)


def steady(*differences: int) -> list[bool]:
    """Whether calls keep, for two logits that lie so many steps of 0.05 apart."""
    logits = np.array([[0, difference] for difference in differences], dtype=np.int8)
    return keeps_call_one_step_off(logits, OUTPUT, tiny_card()).tolist()


def test_a_call_on_the_threshold_is_no_golden_one() -> None:
    # One step each moves the difference by two; at 0 the call turns, at 8.1 the review band of 0.6 ends.
    assert steady(0, 1, 2, 3, 6) == [False, False, True, True, True]
    assert steady(7, 8, 9, 10, 11) == [False, False, False, False, True]
    assert steady(-2, -3, -7, -10, -11) == [False, True, False, False, True]


def test_golden_outputs_are_what_the_reference_kernels_say() -> None:
    golden, choice = choose_golden(NETWORK, tiny_card(), tiny_patches(600))
    assert len(golden.patches) == choice.n == 256
    assert choice.n_turned == 0
    assert np.array_equal(
        Int8Network(NETWORK, kernels="reference").int8_logits(golden.patches), golden.outputs
    )


def test_few_patches_are_turned_and_mirrored_to_make_up_the_number() -> None:
    patches = tiny_patches(80)
    golden, choice = choose_golden(NETWORK, tiny_card(), patches)
    assert len({patch.tobytes() for patch in golden.patches}) == 256
    assert choice.n_turned >= 256 - 80
    upright = {patch.tobytes() for patch in patches}
    assert sum(patch.tobytes() in upright for patch in golden.patches) == 256 - choice.n_turned


def test_the_choice_depends_on_the_patches_and_not_on_their_order() -> None:
    patches = tiny_patches(300)
    one, _ = choose_golden(NETWORK, tiny_card(), patches)
    other, _ = choose_golden(NETWORK, tiny_card(), patches[::-1].copy())
    assert np.array_equal(one.patches, other.patches)


def test_a_network_whose_calls_all_hang_on_one_step_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        golden_module,
        "ask_isolated",
        lambda _, patches: np.tile(np.array([0, 9], dtype=np.int8), (len(patches), 1)),
    )
    with pytest.raises(FidelityRefused, match="100% of patches"):
        choose_golden(NETWORK, tiny_card(), tiny_patches(300))


def test_patches_on_which_kernels_lie_far_apart_are_left_out_or_the_network_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patches, far = tiny_patches(600), 0

    def answer(_: bytes, asked: U8, kernels: str = "optimised") -> I8:
        logits = np.tile(np.array([0, 60], dtype=np.int8), (len(asked), 1))
        if kernels == "reference":
            logits[:far, 1] += 2
        return logits

    monkeypatch.setattr(golden_module, "ask_isolated", answer)
    far = 20
    golden, choice = choose_golden(NETWORK, tiny_card(), patches)
    assert (len(golden.patches), choice.n_far) == (256, 20)
    far = 200
    with pytest.raises(FidelityRefused, match="2 steps of int8 apart"):
        choose_golden(NETWORK, tiny_card(), patches)


def test_an_isolated_answer_is_the_same_answer() -> None:
    patches = tiny_patches(10)
    assert np.array_equal(ask_isolated(NETWORK, patches), Int8Network(NETWORK).int8_logits(patches))


def test_a_network_that_the_runtime_refuses_is_a_refusal_and_no_crash() -> None:
    with pytest.raises(FidelityRefused, match="No device could run"):
        ask_isolated(NETWORK.replace(b"TFL3", b"TFLX"), tiny_patches(1))


def test_a_runtime_that_breaks_down_is_a_refusal_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allconvert.isolated.sys.executable", "/bin/false")
    with pytest.raises(FidelityRefused, match="exit status 1"):
        ask_isolated(NETWORK, tiny_patches(1))


def test_patches_on_which_kernels_agree_come_first_for_other_processors_round_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact_at = 3

    def answer(_: bytes, asked: U8, kernels: str = "optimised") -> I8:
        logits = np.tile(np.array([0, 60], dtype=np.int8), (len(asked), 1))
        if kernels == "reference":
            logits[np.arange(len(asked)) % exact_at != 0, 1] += 1
        return logits

    monkeypatch.setattr(golden_module, "ask_isolated", answer)
    golden, choice = choose_golden(NETWORK, tiny_card(), tiny_patches(1200))
    assert choice.n_exact == 256
    assert (golden.outputs[:, 1] == 60).all()
    exact_at = 1200
    _, choice = choose_golden(NETWORK, tiny_card(), tiny_patches(300))
    assert (choice.n, choice.n_exact) == (256, 4)
