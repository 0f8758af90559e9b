"""Six labels from rendered fields to calls on the device: three subtypes of blast, three normal kinds.

Fitted for seconds, so nothing here asks how good the calls are, only that every step knows N labels.
"""

from dataclasses import replace

import numpy as np
import pytest

from allconvert.fidelity import Margins
from allconvert.quantise import quantise_run
from alledge.annotate import annotate_field
from alledge.classifier import open_classifier
from alledge.field_json import field_to_dict
from alledge.model_file import parse_model
from alledge.phantom import parameters_for_slide, render_field
from alledge.pipeline import FieldModel, analyse_field
from alledge.types import FieldResult, Frame
from alltrain.datasets import PatchSet, load_patches
from alltrain.fit import fit
from alltrain.phantom_study import write_study
from alltrain.plan import Settings
from alltrain.run_folder import Run, read_run
from alltrain.training import Recipe

NORMAL = ("lymphocyte", "monocyte", "neutrophil")
BLASTS = ("blast l1", "blast l2", "blast l3")
LET_PASS = Margins(0.5, 0.5)  # a network fitted for seconds is all nerves
FIELD = Frame(render_field(parameters_for_slide(31, 0, 0)).pixels, "phantom")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> PatchSet:
    folder = tmp_path_factory.mktemp("kinds") / "study"
    write_study(folder, 8, seed=192, by_kind=True)  # a seed whose slides share every kind
    return load_patches(folder, allow_no_groups=False)


@pytest.fixture(scope="module")
def run(study: PatchSet, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("kinds") / "run"
    fit(study, out, Settings(Recipe(epochs=4, learning_rate=4e-3, seed=1), n_folds=2))
    return read_run(out)


@pytest.fixture(scope="module")
def model(run: Run) -> FieldModel:
    _, data = quantise_run(run, "kinds", LET_PASS)
    assert data is not None
    parsed = parse_model(data, "kinds")
    return FieldModel(open_classifier(parsed), parsed.card)


@pytest.fixture(scope="module")
def result(model: FieldModel) -> FieldResult:
    return analyse_field(FIELD, model)


def test_the_kinds_are_the_labels_normal_ones_first_and_subtypes_in_order(study: PatchSet) -> None:
    assert study.label_names == (*NORMAL, *BLASTS)
    assert study.positive_labels == BLASTS
    assert study.is_phantom


def test_a_run_has_a_figure_of_every_label_and_of_the_finding(run: Run) -> None:
    for name in ("sensitivity", "specificity", "auroc", "balanced_accuracy"):
        assert name in run.metrics
    for label in (*NORMAL, *BLASTS):
        assert f"recall_{label}" in run.metrics
    assert run.card.positive_labels == BLASTS
    assert run.card.threshold is not None


def test_the_device_calls_each_cell_by_one_of_six_labels(result: FieldResult) -> None:
    assert len(result.calls) == len(result.cells) > 5
    for call in result.calls:
        assert tuple(call.p) == (*NORMAL, *BLASTS)
        assert sum(call.p.values()) == pytest.approx(1)


def test_counts_name_every_label_and_add_up(result: FieldResult) -> None:
    counts = field_to_dict(result)["counts"]
    assert isinstance(counts, dict)
    assert set(counts) == {"cells", "smudge", "platelet", "review", *NORMAL, *BLASTS}
    assert sum(int(str(counts[name])) for name in ("review", *NORMAL, *BLASTS)) == counts["cells"]


def test_every_cell_carries_its_morphology_beside_the_call(result: FieldResult) -> None:
    cells = field_to_dict(result)["cells"]
    assert isinstance(cells, list)
    for cell in cells:
        assert isinstance(cell, dict)
        assert {"label", "p", "diameter_um", "nucleus_area_um2", "nucleus_cytoplasm_ratio"} <= set(cell)
        assert {"roundness", "texture"} <= set(cell)


def test_the_annotated_field_has_a_legend(result: FieldResult, model: FieldModel) -> None:
    picture = annotate_field(FIELD, result, model.card.positive_labels)
    without = annotate_field(FIELD, replace(result, calls=()), ())
    assert picture.shape[0] > without.shape[0]
    assert not np.array_equal(picture[: FIELD.height], without[: FIELD.height])
