"""The JSON of a field: the names that scripts outside rely on, and figures that add up."""

import json

from alledge.field_json import field_counts, field_to_json
from alledge.types import ModelIdentity
from tests.edge.fields import DARK, call, cell, field

MODEL = ModelIdentity(name="model", sha256="ab" * 32)


def test_the_keys_of_the_contract_are_there() -> None:
    line = field_to_json(field((cell(),), (call(),), model=MODEL))
    assert "\n" not in line
    record = json.loads(line)
    assert set(record) >= {
        "source", "width", "height", "pixel_um", "quality", "cells", "counts", "model", "research_use_only",
    }  # fmt: skip
    assert set(record["cells"][0]) >= {"x", "y", "box", "diameter_um", "label", "p", "review"}
    assert record["model"] == {"sha256": "ab" * 32, "name": "model"}
    assert record["research_use_only"] is True


def test_without_a_model_cells_have_no_label_and_no_probability() -> None:
    record = json.loads(field_to_json(field((cell(),))))
    assert record["model"] is None
    assert record["cells"][0]["label"] is None
    assert record["cells"][0]["p"] == {}


def test_cells_for_review_count_under_no_label() -> None:
    calls = (call("blast"), call("blast", review=True), call("normal"))
    counts = field_counts(field((cell(),) * 3, calls, model=MODEL))
    assert counts == {"cells": 3, "smudge": 2, "platelet": 5, "review": 1, "blast": 1, "normal": 1}


def test_a_refused_field_says_why() -> None:
    record = json.loads(field_to_json(field(quality=DARK)))
    assert record["quality"]["verdict"] == "too dark"
    assert record["quality"]["advice"] == "Raise the lamp."
    assert record["cells"] == []
