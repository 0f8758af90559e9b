"""A model file that somebody changed: refused under its own name, and shown to no runtime before that.

Two kinds. Damage leaves the seal broken: any byte, anywhere. Who edits a file with a script can seal it
again, since the seal is no signature; then the parts of the file speak against each other, and the
golden vectors against the network.
"""

import contextlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allconvert.verify import judge_answers
from alledge.card import Card
from alledge.classifier import Int8Network
from alledge.errors import (
    AllscopeError,
    InputError,
    ModelDamaged,
    ModelLabelsDiffer,
    ModelNotInt8,
    ModelUnreadable,
)
from alledge.model_file import (
    CARD_NAME,
    GOLDEN_NAME,
    SEAL_HEX,
    SEAL_PREFIX,
    Golden,
    ModelFile,
    _golden_bytes,
    _seal_of,
    pack_model,
    parse_model,
)
from tests.edge.tiny_model import FLOAT, TinyNetwork, tiny_card, tiny_patches

NETWORK: Final = TinyNetwork().build()
CARD: Final = tiny_card()
PATCHES: Final = tiny_patches(256)
GOLDEN: Final = Golden(
    PATCHES, Int8Network(NETWORK, kernels="reference").int8_logits(PATCHES), CARD.decision_sha256()
)
# Blank patches pack into few bytes, so that every one of them can be changed.
BLANK: Final = replace(GOLDEN, patches=np.zeros_like(PATCHES))
SAMPLE: Final = pack_model(NETWORK, CARD, BLANK)
# Refused while the file is read, before a runtime could see it.
REFUSED: Final = (ModelDamaged, ModelUnreadable)


@pytest.fixture(autouse=True)
def no_runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens an interpreter here has shown a runtime a file that was tampered with."""
    if "asks_a_runtime" not in request.fixturenames:
        monkeypatch.setattr("alledge.runtimes._import_runtime", _never)


@pytest.fixture
def asks_a_runtime() -> None:
    """For tests in which a runtime is what finds the change."""


def _never(runtime: str | None) -> None:
    raise AssertionError(f"a runtime ({runtime}) was asked for")


def test_every_single_byte_counts() -> None:
    """Flatbuffer, card, golden vectors, zip directory and seal: all of them, one after the other."""
    data = bytearray(SAMPLE)
    for position in range(len(data)):
        data[position] ^= 1 << position % 8
        with pytest.raises(ModelDamaged):
            parse_model(bytes(data), "m.tflite")
        data[position] ^= 1 << position % 8
    assert bytes(data) == SAMPLE


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255)), min_size=1, max_size=20).filter(
        lambda changes: len({position for position, _ in changes}) == len(changes)
    )
)
def test_any_bytes_changed_anywhere_are_found(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for position, mask in changes:
        data[position] ^= mask
    with pytest.raises(REFUSED):
        parse_model(bytes(data), "m.tflite")


@settings(max_examples=60)
@given(length=st.integers(0, len(SAMPLE) - 1), rest=st.binary(max_size=100))
def test_a_file_cut_short_with_whatever_behind_it_is_refused(length: int, rest: bytes) -> None:
    data = SAMPLE[:length] + rest
    if data != SAMPLE[: len(data)] or len(data) < len(SAMPLE):
        with pytest.raises(REFUSED):
            parse_model(data, "m.tflite")


@settings(max_examples=60)
@given(rest=st.binary(min_size=1, max_size=200), at=st.integers(0, len(SAMPLE)))
def test_bytes_put_in_anywhere_are_found(rest: bytes, at: int) -> None:
    with pytest.raises(REFUSED):
        parse_model(SAMPLE[:at] + rest + SAMPLE[at:], "m.tflite")


def sealed(body: bytes, parts: list[tuple[str, bytes]], comment: bytes = SEAL_PREFIX) -> bytes:
    """A file of a body and zip parts, with a seal that holds, as a script could make it."""
    buffer = io.BytesIO(body)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, content in parts:
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.comment = comment + b"0" * SEAL_HEX
    return buffer.getvalue()[:-SEAL_HEX] + _seal_of(buffer.getvalue()[:-SEAL_HEX])


CARD_PART = (CARD_NAME, CARD.to_json().encode())
GOLDEN_PART = (GOLDEN_NAME, _golden_bytes(GOLDEN))


def test_the_parts_sealed_again_unchanged_are_a_good_file() -> None:
    assert parse_model(sealed(NETWORK, [CARD_PART, GOLDEN_PART]), "m").card == CARD


def edited(old: str, new: str) -> list[tuple[str, bytes]]:
    """The parts with a text of the card replaced."""
    assert old in CARD.to_json()
    return [(CARD_NAME, CARD.to_json().replace(old, new, 1).encode()), GOLDEN_PART]


def with_card(**changes: object) -> list[tuple[str, bytes]]:
    card: Card = replace(CARD, **changes)  # type: ignore[arg-type]
    return [(CARD_NAME, card.to_json().encode()), GOLDEN_PART]


QUANTISATION = CARD.quantisation
assert QUANTISATION is not None

RESEALED: dict[str, tuple[bytes, list[tuple[str, bytes]], type[AllscopeError]]] = {
    "labels in another order": (NETWORK, with_card(labels=("blast", "normal")), ModelDamaged),
    "the other label positive": (NETWORK, with_card(positive_labels=("normal",)), ModelDamaged),
    "a threshold that calls less": (NETWORK, with_card(threshold=0.59), ModelDamaged),
    "no review band to speak of": (NETWORK, with_card(review_band=(0.5, 0.5)), ModelDamaged),
    "another temperature": (NETWORK, with_card(temperature=2.0), ModelDamaged),
    "a familiarity that knows everything": (NETWORK, with_card(familiarity=None), ModelDamaged),
    "another output scale on the card": (
        NETWORK,
        with_card(quantisation=replace(QUANTISATION, output_scale=0.5)),
        ModelUnreadable,
    ),
    "another zero point on the card": (
        NETWORK,
        with_card(quantisation=replace(QUANTISATION, output_zero_point=7)),
        ModelUnreadable,
    ),
    "a third label": (NETWORK, with_card(labels=("normal", "blast", "other")), ModelUnreadable),
    "not for research only": (
        NETWORK,
        edited('"research_use_only": true', '"research_use_only": false'),
        ModelUnreadable,
    ),
    "a threshold above 1": (NETWORK, edited('"threshold": 0.5', '"threshold": 1.5'), ModelUnreadable),
    "a threshold that is no number": (
        NETWORK,
        edited('"threshold": 0.5', '"threshold": NaN'),
        ModelUnreadable,
    ),
    "a field twice": (NETWORK, edited('"name"', '"threshold": 0.9,\n "name"'), ModelUnreadable),
    "a float network under the card": (FLOAT.build(), [CARD_PART, GOLDEN_PART], ModelNotInt8),
    "a network of three labels under the card": (
        TinyNetwork(n_labels=3).build(),
        [CARD_PART, GOLDEN_PART],
        ModelLabelsDiffer,
    ),
    "a network that rescales its input": (
        TinyNetwork(input_scale=0.5).build(),
        [CARD_PART, GOLDEN_PART],
        ModelUnreadable,
    ),
    "two cards": (NETWORK, [CARD_PART, CARD_PART, GOLDEN_PART], ModelUnreadable),
    "no golden vectors": (NETWORK, [CARD_PART], ModelUnreadable),
    "a path out of the folder": (NETWORK, [CARD_PART, GOLDEN_PART, ("../x", b"")], ModelUnreadable),
    "names in capitals": (NETWORK, [("CARD.JSON", CARD_PART[1]), GOLDEN_PART], ModelUnreadable),
    "a card that is the golden vectors": (
        NETWORK,
        [(CARD_NAME, GOLDEN_PART[1]), (GOLDEN_NAME, CARD_PART[1])],
        ModelUnreadable,
    ),
    "half a flatbuffer": (NETWORK[:9000], [CARD_PART, GOLDEN_PART], ModelUnreadable),
    "no flatbuffer": (b"", [CARD_PART, GOLDEN_PART], ModelUnreadable),
}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("change", RESEALED)
def test_a_change_that_was_sealed_again_contradicts_another_part(change: str) -> None:
    body, parts, error = RESEALED[change]
    with pytest.raises(error) as raised:
        parse_model(sealed(body, parts), "m.tflite")
    assert raised.value.next_step


def test_a_card_and_golden_vectors_of_two_models_do_not_make_one() -> None:
    others = replace(GOLDEN, decision_sha256=replace(CARD, threshold=0.45).decision_sha256())
    with pytest.raises(ModelDamaged, match="golden vectors were made"):
        parse_model(sealed(NETWORK, [CARD_PART, (GOLDEN_NAME, _golden_bytes(others))]), "m.tflite")


@settings(max_examples=60)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(NETWORK) - 1), st.integers(1, 255)), min_size=1, max_size=8)
)
def test_no_change_of_the_flatbuffer_brings_the_reader_down(changes: list[tuple[int, int]]) -> None:
    """Read or refused, never a crash: whoever seals such a file again has the golden vectors against him."""
    body = bytearray(NETWORK)
    for position, mask in changes:
        body[position] ^= mask
    with contextlib.suppress(InputError):
        parse_model(sealed(bytes(body), [CARD_PART, (GOLDEN_NAME, _golden_bytes(BLANK))]), "m.tflite")


def answers(flatbuffer: bytes, model: ModelFile) -> bool:
    """Whether reference kernels answer the golden vectors as the file says."""
    answered = Int8Network(flatbuffer, kernels="reference").int8_logits(model.golden.patches)
    return judge_answers(model, answered, "litert", "reference").passed


def weights_changed(how: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """The network with other weights, everything else the same."""
    weights = np.random.default_rng(0).integers(-127, 128, (2, 7500)).astype(np.int8)
    start = NETWORK.index(weights.tobytes())
    return NETWORK[:start] + how(weights).astype(np.int8).tobytes() + NETWORK[start + weights.size :]


WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "the labels' weights swapped": lambda weights: weights[::-1],
    "all weights of a label zero": lambda weights: np.stack([weights[0], np.zeros_like(weights[1])]),
    "a hundredth of the weights turned over": lambda weights: np.where(
        np.arange(weights.size).reshape(weights.shape) % 100 == 0, -weights, weights
    ),
    "all weights a step larger": lambda weights: np.minimum(weights + 1, 127),
    "one row of a patch forgotten": lambda weights: np.where(np.arange(7500) // 150 == 25, 0, weights),
}


@pytest.mark.usefixtures("asks_a_runtime")
@pytest.mark.parametrize("change", WEIGHTS)
def test_changed_weights_that_were_sealed_again_fail_the_golden_vectors(change: str) -> None:
    model = parse_model(sealed(weights_changed(WEIGHTS[change]), [CARD_PART, GOLDEN_PART]), "m.tflite")
    assert answers(NETWORK, model)
    assert not answers(model.flatbuffer, model)


@pytest.mark.usefixtures("asks_a_runtime")
def test_golden_answers_that_were_swapped_with_the_labels_fail_too() -> None:
    swapped = replace(GOLDEN, outputs=GOLDEN.outputs[:, ::-1].copy())
    model = parse_model(sealed(NETWORK, [CARD_PART, (GOLDEN_NAME, _golden_bytes(swapped))]), "m.tflite")
    assert not answers(NETWORK, model)
