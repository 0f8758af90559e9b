"""A card is read back as it was written, and cannot be made or read wrong without its field being named."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from alledge.card import Card, PatchContract
from alledge.errors import ModelUnreadable
from tests.edge.tiny_model import tiny_card


def test_a_card_survives_its_json() -> None:
    card = tiny_card()
    assert Card.from_json(card.to_json()) == card


def test_a_float_card_has_no_quantisation() -> None:
    card = replace(tiny_card(), quantisation=None, familiarity=None)
    assert Card.from_json(card.to_json()) == card


def test_the_same_card_is_always_the_same_text() -> None:
    assert tiny_card().to_json() == tiny_card().to_json()


def test_labels_in_any_script_survive() -> None:
    card = tiny_card(labels=("normál", "芽球"), positive=("芽球",))
    assert Card.from_json(card.to_json()).labels == ("normál", "芽球")


@pytest.mark.parametrize("field", sorted(json.loads(tiny_card().to_json())))
def test_a_missing_field_is_named(field: str) -> None:
    content = json.loads(tiny_card().to_json())
    del content[field]
    with pytest.raises(ModelUnreadable, match=f"`{field}`"):
        Card.from_json(json.dumps(content))


@pytest.mark.parametrize("field", sorted(json.loads(tiny_card().to_json())))
def test_a_field_of_the_wrong_type_is_named(field: str) -> None:
    content = json.loads(tiny_card().to_json())
    content[field] = [{"not": "this"}]
    with pytest.raises(ModelUnreadable, match=f"`{field}"):
        Card.from_json(json.dumps(content))


def test_a_field_that_nobody_knows_is_named() -> None:
    content = json.loads(tiny_card().to_json()) | {"colour": "mauve"}
    with pytest.raises(ModelUnreadable, match="`colour`"):
        Card.from_json(json.dumps(content))


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            content = content[parent]
        content[last] = value

    return change


WRONG = [
    ("format_version", 2),
    ("name", ""),
    ("name", " padded "),
    ("name", "two\nlines"),
    ("labels", ["only"]),
    ("labels", ["blast", "blast"]),
    ("labels", ["", "blast"]),
    ("labels", ["normal", 3]),
    ("positive_labels", ["nobody"]),
    ("positive_labels", ["blast", "blast"]),
    ("positive_labels", ["normal", "blast"]),
    ("temperature", 0),
    ("temperature", "warm"),
    ("temperature", True),
    ("threshold", 0),
    ("threshold", 1),
    ("threshold", None),
    ("review_band", [0.6, 0.7]),
    ("review_band", [0.2, 0.4]),
    ("review_band", [0.4]),
    ("review_band", [-0.1, 0.6]),
    ("review_band", None),
    ("patch.px", 64),
    ("patch.um", 25),
    ("patch.colour_order", "BGR"),
    ("patch.illumination_version", "another"),
    ("quantisation.input_scale", 0),
    ("quantisation.input_scale", 0.5),
    ("quantisation.input_zero_point", 300),
    ("quantisation.output_zero_point", 128),
    ("quantisation.output_scale", -1),
    ("quantisation.n_representative", 0),
    ("familiarity.limit", 0),
    ("familiarity.mean", [1.0]),
    ("familiarity.spread", [0.0] * 10),
    ("familiarity.precision", [[1.0]]),
    ("familiarity.names", ["size"]),
    ("research_use_only", False),
    ("versions", {"allscope": 1}),
]


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_a_value_out_of_its_range_is_named(path: str, value: Any) -> None:
    content = json.loads(tiny_card().to_json())
    _set(path, value)(content)
    # When no label is positive and a threshold is there, it is the threshold that has no meaning.
    with pytest.raises(ModelUnreadable, match=f"`{path}"):
        Card.from_json(json.dumps(content))


def test_without_positive_labels_there_is_no_threshold() -> None:
    card = tiny_card(positive=())
    assert Card.from_json(card.to_json()).threshold is None
    with pytest.raises(ModelUnreadable, match="`threshold`"):
        replace(card, threshold=0.5)
    with pytest.raises(ModelUnreadable, match="`threshold`"):
        replace(card, review_band=(0.4, 0.6))


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"name": NaN}', '{"name": "a", "name": "b"}', "[" * 10_000]
)
def test_what_is_no_card_at_all_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ModelUnreadable, match="card"):
        Card.from_json(text)


def test_a_card_made_wrong_by_code_is_refused_as_well() -> None:
    with pytest.raises(ModelUnreadable, match=r"`patch\.px`"):
        replace(tiny_card(), patch=PatchContract(20.0, 49, "RGB", "plasma-1"))


def test_a_card_is_for_research_only() -> None:
    assert tiny_card().research_use_only
    assert "Research use only" in tiny_card().intended_use
