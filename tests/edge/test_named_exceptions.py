"""A device takes a file that is not int8 all through only when its card names each tensor concerned."""

import json
from dataclasses import replace

import pytest

from alledge.card import Card, NamedException
from alledge.errors import ModelNotInt8, ModelUnreadable
from alledge.flatbuffer import Operation, read_graph
from alledge.model_file import pack_model, require_only_named
from tests.edge.tiny_model import TinyNetwork, Type, tiny_card, tiny_golden

WIDE_INSIDE = TinyNetwork(inner_type=Type.INT16)


def card_with(*exceptions: NamedException) -> Card:
    card = tiny_card()
    assert card.quantisation is not None
    return replace(card, quantisation=replace(card.quantisation, exceptions=exceptions))


def test_a_wide_tensor_that_is_named_is_let_pass_and_an_unnamed_one_is_not() -> None:
    graph = read_graph(WIDE_INSIDE.build())
    require_only_named(graph, (NamedException("dense", "16x8", ("inner",)),), "m.tflite")
    with pytest.raises(ModelNotInt8, match=r"16x8 model.*inner is int16"):
        require_only_named(graph, (), "m.tflite")


def test_a_tensor_of_another_type_than_its_exception_tells_is_refused() -> None:
    graph = read_graph(WIDE_INSIDE.build())
    with pytest.raises(ModelNotInt8, match="beside the layers its card names"):
        require_only_named(graph, (NamedException("dense", "float32", ("inner",)),), "m.tflite")


def test_naming_every_layer_does_not_make_an_int8_model() -> None:
    named = NamedException("dense", "16x8", ("inner", "logits"))
    with pytest.raises(ModelNotInt8, match="no layer in int8"):
        pack_model(WIDE_INSIDE.build(), card_with(named), tiny_golden())


def test_naming_what_flows_into_a_layer_does_not_excuse_the_layer() -> None:
    named = NamedException("dense", "16x8", ("inner",))
    with pytest.raises(ModelNotInt8, match="FULLY_CONNECTED logits computes int16 x int8"):
        pack_model(WIDE_INSIDE.build(), card_with(named), tiny_golden())


@pytest.mark.parametrize(
    "wrong",
    [
        NamedException("dense", "float16", ("inner",)),
        NamedException("dense", "16x8", ()),
        NamedException("", "16x8", ("inner",)),
    ],
)
def test_an_exception_that_says_nothing_is_no_card(wrong: NamedException) -> None:
    with pytest.raises(ModelUnreadable, match=r"quantisation\.exceptions"):
        card_with(wrong)


def test_exceptions_are_read_back_and_older_cards_have_none() -> None:
    card = card_with(NamedException("dense", "16x8", ("inner", "logits")))
    assert Card.from_json(card.to_json()) == card
    older = json.loads(tiny_card().to_json())
    del older["quantisation"]["exceptions"]
    assert Card.from_json(json.dumps(older)) == tiny_card()


def test_a_graph_tells_its_operations_in_order_with_their_tensors() -> None:
    graph = read_graph(TinyNetwork().build())
    assert graph.operations == (
        Operation("QUANTIZE", (0,), (1,)),
        Operation("FULLY_CONNECTED", (1, 2, -1), (3,)),
    )
