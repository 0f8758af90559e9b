"""The ablation bench changes one thing a row, and goes on where it stopped."""

import importlib.util
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from alltrain.models import MODELS
from alltrain.rehearsal import N_FIELDS
from alltrain.training import Recipe
from alltrain.variety import MANY_GROUPS, suited
from tests.train.patch_sets import make_patch_set

BENCH = Path(__file__).parents[2] / "bench" / "ablation.py"


@pytest.fixture(scope="module")
def ablation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ablation", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ablation"] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_every_row_but_the_first_differs_from_the_full_recipe(ablation: ModuleType) -> None:
    few = Recipe(rehearsal_fields=N_FIELDS)
    many = suited(few, MANY_GROUPS)
    known = {field.name for field in fields(Recipe)}
    assert not ablation.ROWS[0].change
    for row in ablation.ROWS[1:]:
        assert set(row.change) <= known
        assert replace(few, **row.change) != few or replace(many, **row.change) != many


def test_what_was_measured_is_not_measured_again(
    ablation: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    figure = ablation.Figure(0.75, (0.5, 1.0), 8, 2)

    def measured(bench: object, name: str, recipe: Recipe) -> tuple[object, object]:
        del bench, recipe
        asked.append(name)
        return figure, figure

    monkeypatch.setattr(ablation, "figures_of", measured)
    monkeypatch.setattr(ablation, "_read", lambda folder, n_at_most: make_patch_set())
    bench = ablation.Bench(tmp_path, Recipe(), 2, 100)
    for _ in range(2):
        kept = ablation.Kept(tmp_path / "kept.jsonl")
        ablation.measure(bench, ablation.ROWS[:1], ["all-idb1", "pbc"], kept, across=False)
    assert asked == ["all-idb1", "pbc"]
    assert kept.get(ablation.FULL, "pbc") == "0.750 (0.500 to 1.000) | 0.750 (0.500 to 1.000)"


def test_a_part_of_a_set_keeps_what_belongs_to_each_patch(ablation: ModuleType) -> None:
    whole = make_patch_set()
    chosen = np.array([1, 4, 7])
    part = ablation._part(whole, chosen)
    assert len(part) == 3
    for at, index in enumerate(chosen):
        np.testing.assert_array_equal(part.patches[at], whole.patches[index])
        assert part.labels[at] == whole.labels[index]
        assert part.patch_ids[at] == whole.patch_ids[index]


def test_the_network_that_smearnet_is_compared_with_has_one_convolution_a_scale(
    ablation: ModuleType,
) -> None:
    five, seven = ablation._five_convolutions(2), MODELS["smearnet"](2)
    n_convolutions = [sum("conv" in layer.name for layer in model.layers) for model in (five, seven)]
    assert n_convolutions == [5, 7]
