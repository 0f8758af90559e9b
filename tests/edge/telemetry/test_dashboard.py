"""The dashboard as a person sees it: no panel on another, and no empty one that looks like a fault."""

import itertools
import json
import re
from typing import Any

from tests.conftest import REPOSITORY

PANELS: list[dict[str, Any]] = json.loads((REPOSITORY / "deploy" / "grafana" / "allscope.json").read_text())[
    "panels"
]
NOT_EVERYWHERE = {  # docs/telemetry.md: what is not known is left out, never 0
    "allscope_temperature_celsius",
    "allscope_under_voltage",
    "allscope_outbox_events",
    "allscope_trouble",
}


def metrics(panel: dict[str, Any]) -> set[str]:
    return {name for target in panel["targets"] for name in re.findall(r"allscope_\w+", target["expr"])}


def test_a_panel_of_figures_that_not_every_machine_tells_says_why_it_is_empty() -> None:
    silent = [panel for panel in PANELS if metrics(panel) <= NOT_EVERYWHERE]
    assert len(silent) == len(NOT_EVERYWHERE)
    assert all(panel["fieldConfig"]["defaults"].get("noValue") for panel in silent)


def test_no_panel_lies_on_another() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    for a, b in itertools.combinations(places, 2):
        assert (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        ), (a, b)
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_what_serves_is_a_table_of_words_and_not_a_line_of_ones() -> None:
    (serving,) = [panel for panel in PANELS if metrics(panel) == {"allscope_serving_info"}]
    assert serving["type"] == "table"
    assert all(target["format"] == "table" and target["instant"] for target in serving["targets"])
