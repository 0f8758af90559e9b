"""The model card lists every item of both checklists, answers what a run knows, and leaves the rest open."""

import json
import re
from pathlib import Path

import pytest

from alltrain.checklists import CLAIM, TRIPOD_AI
from alltrain.model_card import OPEN, ModelCard, State, model_card
from alltrain.model_facts import collect_facts
from alltrain.provenance import describe_start
from alltrain.run_record import RunRecord

TOLD_BY_OTHERS = {"robustness", "explainability", "external", "excluded"}
# What no machine can know, whatever the run holds.
FOR_PEOPLE = {
    "CLAIM 2024": ("4", "5", "11", "15", "16", "18", "34", "44"),
    "TRIPOD+AI": (
        "3a", "3c", "5b", "6a", "6c", "8b", "8c", "14", "17", "18a", "18b", "18d", "19", "25", "27c",
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def run_files(run_path: Path) -> tuple[dict, dict, dict]:
    """config, metrics and provenance of a finished run."""
    config, metrics = (json.loads((run_path / name).read_text()) for name in ("config.json", "metrics.json"))
    start = describe_start(config["fingerprint"], ["alltrain", "fit", "made"]).as_json()
    start["code"] = {"commit": "c0ffee", "dirty": True}
    return config, metrics, {"starts": [start]}


@pytest.fixture(scope="session")
def card(run_files: tuple[dict, dict, dict]) -> ModelCard:
    return model_card(*run_files)


def answer(card: ModelCard, checklist: str, number: str):
    (found,) = [a for c in card.checklists if c.name == checklist for a in c.answers if a.number == number]
    return found


def test_claim_has_44_items_and_tripod_ai_27_in_52_parts() -> None:
    assert [item.number for item in CLAIM.items] == [str(number) for number in range(1, 45)]
    assert len(TRIPOD_AI.items) == 52
    assert {int(re.match(r"\d+", item.number)[0]) for item in TRIPOD_AI.items} == set(range(1, 28))
    assert len({item.number for item in TRIPOD_AI.items}) == 52


def test_every_item_is_listed_with_its_number_and_a_state(card: ModelCard) -> None:
    text = card.as_markdown()
    for checklist in (CLAIM, TRIPOD_AI):
        section = text.split(f"## {checklist.name}\n")[1].split("\n## ")[0]
        for item in checklist.items:
            assert f"\n| {item.number} | {item.asks} |" in section


def test_every_fact_that_an_item_asks_for_can_be_told(run_files: tuple[dict, dict, dict]) -> None:
    wanted = {fact for checklist in (CLAIM, TRIPOD_AI) for item in checklist.items for fact in item.facts}
    known = set(collect_facts(RunRecord(*run_files, notes=())))
    assert wanted - known == TOLD_BY_OTHERS
    assert known <= wanted


@pytest.mark.parametrize("checklist", FOR_PEOPLE)
def test_what_only_people_know_is_open(card: ModelCard, checklist: str) -> None:
    for number in FOR_PEOPLE[checklist]:
        found = answer(card, checklist, number)
        assert found.state is State.OPEN
        assert found.in_words() == f"*{OPEN}*"


def test_split_numbers_recipe_seed_and_software_come_from_the_run(
    card: ModelCard, run_files: tuple[dict, dict, dict]
) -> None:
    config, _, provenance = run_files
    assert "3-fold" in answer(card, "CLAIM 2024", "19").text
    assert f"seed {config['recipe']['seed']}" in answer(card, "CLAIM 2024", "19").text
    assert "disjoint by group" in answer(card, "CLAIM 2024", "20").text
    assert "72 cells (36 normal, 36 blast) of 6 groups" in answer(card, "TRIPOD+AI", "21").text
    assert f"learning rate {config['recipe']['learning_rate']:g}" in answer(card, "CLAIM 2024", "25").text
    assert provenance["starts"][0]["versions"]["keras"] in answer(card, "CLAIM 2024", "23").text
    assert "commit c0ffee, with changes that are not committed" in answer(card, "CLAIM 2024", "23").text


def test_every_figure_stands_there_with_its_interval_and_what_it_rests_on(
    card: ModelCard, run_files: tuple[dict, dict, dict]
) -> None:
    accuracy = run_files[1]["accuracy"]
    low, high = accuracy["ci95"]
    shown = f"{accuracy['value']:.3f} (95 % {low:.3f} to {high:.3f})"
    assert ("accuracy", shown, "72 cells, 6 groups") in card.figures
    assert shown in answer(card, "CLAIM 2024", "37").text
    assert "sensitivity" in answer(card, "CLAIM 2024", "38").text


def test_failures_are_counted_and_linked(card: ModelCard, run_files: tuple[dict, dict, dict]) -> None:
    rows = run_files[1]["confusion"]["rows_are_truth"]
    wrong = sum(map(sum, rows)) - rows[0][0] - rows[1][1]
    found = answer(card, "CLAIM 2024", "39")
    assert found.text.startswith(f"{wrong} of 72 cells")
    assert "report.html" in found.text
    assert "predictions.csv" in found.text
    assert found.state is State.IN_PART


def test_a_card_of_nothing_answers_only_what_the_program_always_does() -> None:
    empty = model_card({}, {}, {})
    for number in ("1", "7", "8", "20", "23", "25", "28", "37", "38", "39"):
        assert answer(empty, "CLAIM 2024", number).state is State.OPEN
    assert "None" not in empty.as_markdown().replace("None: one network.", "").replace("None by design", "")


def test_what_other_parts_found_fills_or_overrides(run_files: tuple[dict, dict, dict]) -> None:
    told = {"external": "AUROC 0.9 on another set.", "ensemble": "Five, then distilled."}
    card = model_card(*run_files, told=told)
    assert answer(card, "CLAIM 2024", "33").text == told["external"]
    assert answer(card, "CLAIM 2024", "27").text == told["ensemble"]


def test_a_phantom_and_missing_groups_are_said_first(run_files: tuple[dict, dict, dict]) -> None:
    config, metrics, provenance = run_files
    doubtful = model_card(config | {"is_phantom": True, "grouped": False}, metrics, provenance)
    first = doubtful.as_markdown().split("## ")[0]
    assert "Says nothing about clinical performance" in first
    assert "may be optimistic" in first
    assert "by image only" in answer(doubtful, "CLAIM 2024", "20").text


def test_names_from_files_are_no_markup(run_files: tuple[dict, dict, dict]) -> None:
    config, metrics, provenance = run_files
    odd = {"<script>|x": 36, "blast": 36}
    card = model_card(config | {"labels": odd}, metrics, provenance, notes=["a | b\n<i>"])
    text = card.as_markdown()
    assert "<script>" not in text
    assert "&lt;script>\\|x" in text
    assert "- a \\| b &lt;i>" in text
    assert "<script>|x" not in card.as_html()
    assert "&lt;script&gt;|x" in card.as_html()


def test_the_fragment_lists_the_same_items(card: ModelCard) -> None:
    page = str(card.as_html())
    assert page.count("<tr><td") == len(CLAIM.items) + len(TRIPOD_AI.items)
    for checklist in card.checklists:
        assert checklist.summary in page
        n_open = checklist.count(State.OPEN)
        assert f"{n_open} open" in checklist.summary


def test_a_resumed_run_is_told_as_such(run_files: tuple[dict, dict, dict]) -> None:
    config, metrics, provenance = run_files
    twice = model_card(config, metrics, {"starts": provenance["starts"] * 2})
    assert "Started 2 times" in answer(twice, "CLAIM 2024", "25").text
