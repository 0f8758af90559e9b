"""One file holds the whole model; a changed byte, a float network or a stranger's file gets its own error."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.errors import (
    AllscopeError,
    ModelDamaged,
    ModelLabelsDiffer,
    ModelNotInt8,
    ModelUnreadable,
    PathUnusable,
)
from alledge.flatbuffer import read_graph
from alledge.model_file import Golden, pack_model, parse_model, precision_of, read_model
from tests.edge.tiny_model import (
    DYNAMIC_RANGE,
    FLOAT,
    TinyNetwork,
    Type,
    tiny_card,
    tiny_golden,
    tiny_model_bytes,
    tiny_patches,
)

MODEL = tiny_model_bytes()


def test_a_model_is_read_back_as_it_was_packed(tmp_path: Path) -> None:
    (tmp_path / "tiny.tflite").write_bytes(MODEL)
    model = read_model(tmp_path / "tiny.tflite")
    assert model.flatbuffer == TinyNetwork().build()
    assert model.card == tiny_card()
    assert np.array_equal(model.golden.patches, tiny_golden().patches)
    assert np.array_equal(model.golden.outputs, tiny_golden().outputs)
    assert model.identity.name == "tiny"
    assert len(model.identity.sha256) == 64


def test_the_same_parts_give_the_same_bytes() -> None:
    assert tiny_model_bytes() == MODEL


def test_any_zip_tool_lists_what_is_inside() -> None:
    with zipfile.ZipFile(io.BytesIO(MODEL)) as archive:
        assert archive.namelist() == ["card.json", "golden.npz"]
        assert archive.testzip() is None
        assert archive.read("card.json").decode() == tiny_card().to_json()


def test_any_tflite_tool_opens_it() -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=MODEL)
    interpreter.allocate_tensors()
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 50, 50, 3]


@settings(deadline=None, max_examples=150)
@given(position=st.integers(0, len(MODEL) - 1), mask=st.integers(1, 255))
def test_one_changed_byte_anywhere_is_found(position: int, mask: int) -> None:
    data = bytearray(MODEL)
    data[position] ^= mask
    with pytest.raises(ModelDamaged):
        parse_model(bytes(data), "m.tflite")


def test_every_byte_of_the_seal_and_of_the_zips_directory_counts() -> None:
    for position in range(len(MODEL) - 300, len(MODEL)):
        data = bytearray(MODEL)
        data[position] ^= 1
        with pytest.raises(ModelDamaged):
            parse_model(bytes(data), "m.tflite")


@settings(deadline=None, max_examples=60)
@given(length=st.integers(0, len(MODEL) - 1))
def test_a_model_cut_short_anywhere_is_refused(length: int) -> None:
    with pytest.raises((ModelDamaged, ModelUnreadable)):
        parse_model(MODEL[:length], "m.tflite")


def test_a_byte_too_many_is_found() -> None:
    with pytest.raises(ModelDamaged):
        parse_model(MODEL + b"\0", "m.tflite")


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=2000))
def test_no_bytes_bring_the_reader_down(data: bytes) -> None:
    for prefix in (b"", b"\x18\0\0\0TFL3", TinyNetwork().build()[:400]):
        with pytest.raises((ModelDamaged, ModelUnreadable)):
            parse_model(prefix + data, "m.tflite")


STRANGERS: dict[str, tuple[bytes, type[AllscopeError], str]] = {
    "zeros": (bytes(4096), ModelUnreadable, "no TFLite model"),
    "text": (b"Dear colleague, attached is the model.", ModelUnreadable, "no TFLite model"),
    "nothing": (b"", ModelUnreadable, "no TFLite model"),
    "a float model": (FLOAT.build(), ModelNotInt8, "float32"),
    "a dynamic-range model": (DYNAMIC_RANGE.build(), ModelNotInt8, "dynamic-range"),
    "an int8 model of somebody else": (TinyNetwork().build(), ModelUnreadable, "without allscope's card"),
    "half a plain model": (TinyNetwork().build()[:9000], ModelDamaged, "cut short"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_strangers_file_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    data, error, words = STRANGERS[name]
    (tmp_path / "m.tflite").write_bytes(data)
    with pytest.raises(error, match=words) as raised:
        read_model(tmp_path / "m.tflite")
    assert "m.tflite" in str(raised.value)
    assert raised.value.next_step


def test_no_such_file_and_a_folder_are_path_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tflite", tmp_path):
        with pytest.raises(PathUnusable):
            read_model(path)


def pack(network: TinyNetwork, labels: tuple[str, ...] = ("normal", "blast"), **card: object) -> bytes:
    made = tiny_card(labels, labels[-1:])
    return pack_model(network.build(), replace(made, **card), tiny_golden(n_labels=len(labels)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (FLOAT, "float32"),
        (DYNAMIC_RANGE, "dynamic-range"),
        (TinyNetwork(inner_type=Type.INT16), "16x8"),
        (TinyNetwork(input_type=Type.INT8), "uint8 patch"),
        (TinyNetwork(side_px=40), "50 x 50 x 3"),
        (TinyNetwork(output_type=Type.UINT8), "int8 logits"),
    ],
)
def test_only_full_integer_networks_get_a_card(network: TinyNetwork, words: str) -> None:
    with pytest.raises(ModelNotInt8, match=words):
        pack(network)


def test_a_card_with_other_labels_than_the_network_has_is_refused() -> None:
    with pytest.raises(ModelLabelsDiffer, match="2 logits but its card has 3"):
        pack(TinyNetwork(), labels=("a", "b", "c"))


def test_a_card_that_misstates_the_quantisation_is_refused() -> None:
    quantisation = tiny_card().quantisation
    assert quantisation is not None
    with pytest.raises(ModelUnreadable, match="quantisation"):
        pack(TinyNetwork(), quantisation=replace(quantisation, output_zero_point=1))
    with pytest.raises(ModelUnreadable, match="quantisation"):
        pack(TinyNetwork(), quantisation=None)


def test_a_network_that_wants_its_input_rescaled_is_refused() -> None:
    with pytest.raises(ModelUnreadable, match="quantisation"):
        pack(TinyNetwork(input_scale=2.0))


def float_golden(golden: Golden) -> Golden:
    return Golden(golden.patches.astype(np.float32), golden.outputs)  # type: ignore[arg-type]


GOLDEN_FAULTS: dict[str, Callable[[Golden], Golden]] = {
    "too few": lambda golden: Golden(golden.patches[:255], golden.outputs[:255]),
    "other outputs": lambda golden: Golden(golden.patches, golden.outputs[:, :1]),
    "one output short": lambda golden: Golden(golden.patches, golden.outputs[1:]),
    "float patches": float_golden,
    "small patches": lambda golden: Golden(golden.patches[:, :40], golden.outputs),
}


@pytest.mark.parametrize("fault", GOLDEN_FAULTS)
def test_golden_vectors_of_the_wrong_kind_are_refused(fault: str) -> None:
    with pytest.raises(ModelUnreadable, match="golden vectors"):
        pack_model(TinyNetwork().build(), tiny_card(), GOLDEN_FAULTS[fault](tiny_golden()))


def test_golden_vectors_never_run_code() -> None:
    objects = np.empty(300, dtype=object)
    buffer = io.BytesIO()
    np.savez(buffer, patches=objects, outputs=objects)
    data = resealed({"card.json": tiny_card().to_json().encode(), "golden.npz": buffer.getvalue()})
    with pytest.raises(ModelUnreadable, match="golden vectors"):
        parse_model(data, "m.tflite")


def resealed(parts: dict[str, bytes]) -> bytes:
    """A model file with other parts and a seal that holds, as somebody with a script could make it."""
    from alledge.model_file import SEAL_HEX, SEAL_PREFIX, _seal_of

    buffer = io.BytesIO()
    buffer.write(TinyNetwork().build())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        archive.comment = SEAL_PREFIX + b"0" * SEAL_HEX
    return buffer.getvalue()[:-SEAL_HEX] + _seal_of(buffer.getvalue()[:-SEAL_HEX])


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"card.json": b"{}"},
        {"card.json": b"{}", "golden.npz": b"PK"},
        {"card.json": b"\xff\xfe", "golden.npz": b"PK"},
        {"card.json": b"x" * (2**20 + 1), "golden.npz": b"PK"},
        {"card.json": b"{}", "golden.npz": b"PK", "run_me.py": b"print('hello')"},
    ],
)
def test_a_whole_seal_over_nonsense_helps_nobody(parts: dict[str, bytes]) -> None:
    with pytest.raises(ModelUnreadable):
        parse_model(resealed(parts), "m.tflite")


def test_a_zip_bomb_is_not_unpacked() -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("patches.npy", bytes(80 * 2**20))
    data = resealed({"card.json": tiny_card().to_json().encode(), "golden.npz": inner.getvalue()})
    with pytest.raises(ModelUnreadable, match="too large"):
        parse_model(data, "m.tflite")


def test_the_flatbuffer_reader_agrees_with_the_runtime() -> None:
    from ai_edge_litert.interpreter import Interpreter

    graph = read_graph(TinyNetwork().build())
    interpreter = Interpreter(model_content=TinyNetwork().build())
    details = interpreter.get_tensor_details()
    assert [tensor.name for tensor in graph.tensors] == [detail["name"] for detail in details][:4]
    assert [tensor.shape for tensor in graph.tensors] == [tuple(detail["shape"]) for detail in details][:4]
    assert [tensor.type for tensor in graph.tensors] == [detail["dtype"].__name__ for detail in details][:4]
    assert graph.outputs[0].scales == pytest.approx([details[3]["quantization"][0]])
    assert graph.operators == {"FULLY_CONNECTED": 1, "QUANTIZE": 1}


def test_precision_has_its_usual_name() -> None:
    assert precision_of(read_graph(TinyNetwork().build())) == "int8"
    assert precision_of(read_graph(TinyNetwork(output_type=Type.FLOAT32).build())) == "partly float"


def test_packing_asks_for_patches_and_outputs_of_one_length() -> None:
    golden = Golden(tiny_patches(256), np.zeros((256, 2), dtype=np.int8))
    assert parse_model(pack_model(TinyNetwork().build(), tiny_card(), golden), "m").golden.outputs.shape == (
        256,
        2,
    )
