"""Morphology stands beside the call, and a cell that contradicts its call is shown."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.types import F64, I64, Call
from alltrain.datasets.dataset import MORPHOLOGY, PatchSet
from alltrain.morphology_table import (
    LEAST_OF_A_LABEL,
    MorphologyReport,
    log_likelihoods,
    morphology_columns,
    report_morphology,
)
from alltrain.pages import page_environment
from tests.train.patch_sets import make_patch_set

NORMAL, BLAST = (10.0, 60.0, 0.60, 0.85, 0.14), (14.0, 130.0, 0.85, 0.85, 0.08)
SPREAD = (0.8, 8.0, 0.04, 0.03, 0.01)


def measured_study(seed: int = 0) -> PatchSet:
    """Normal cells are small with abundant cytoplasm, blasts large with little."""
    study = make_patch_set(n_groups=6, per_label=10)
    rng = np.random.default_rng(seed)
    centres = np.where(study.labels[:, None] == 1, BLAST, NORMAL)
    return replace(study, morphology=rng.normal(centres, SPREAD))


def calls_of(called: I64, study: PatchSet) -> list[Call]:
    names = study.label_names
    return [Call(names[k], {name: 0.9 if name == names[k] else 0.1 for name in names}, False) for k in called]


def folds_of(study: PatchSet) -> I64:
    return np.array([int(group[-1]) % 3 for group in study.groups])


def reported(study: PatchSet, called: I64) -> MorphologyReport:
    found = report_morphology(study, called, calls_of(called, study), folds_of(study))
    assert found is not None
    return found


def test_medians_stand_by_label_as_told_and_as_called() -> None:
    study = measured_study()
    everything_a_blast = np.ones(len(study), dtype=np.int64)
    diameter = reported(study, everything_a_blast).measures[0]
    told_normal, told_blast = diameter.told
    assert told_normal is not None
    assert told_blast is not None
    assert told_normal.quantiles[2] == pytest.approx(10, abs=0.5)
    assert told_blast.quantiles[2] == pytest.approx(14, abs=0.5)
    called_normal, called_blast = diameter.called
    assert called_normal is None
    assert called_blast is not None
    assert called_blast.n == len(study)
    assert list(told_blast.quantiles) == sorted(told_blast.quantiles)


def test_a_small_cell_with_much_cytoplasm_that_is_called_a_blast_contradicts() -> None:
    study = measured_study()
    called = study.labels.copy()
    mistaken = int(np.flatnonzero(study.labels == 0)[7])
    called[mistaken] = 1
    report = reported(study, called)
    assert report.n_contradicted == 1
    (cell,) = report.contradictions
    assert (cell.patch_id, cell.call, cell.truth, cell.like) == (
        study.patch_ids[mistaken],
        "blast",
        "normal",
        "normal",
    )
    assert cell.times >= 10
    assert cell.words.startswith("small cell, ")
    assert report.wrong_among_contradicted.value == 1
    assert report.wrong_among_others.value == 0
    assert report.alone.value is not None
    assert report.alone.value > 0.95


def test_where_the_measures_tell_nothing_nothing_contradicts() -> None:
    study = measured_study()
    same = replace(study, morphology=np.random.default_rng(1).normal(NORMAL, SPREAD, study.morphology.shape))
    report = reported(same, 1 - study.labels)
    assert report.n_contradicted <= 2


def test_a_cell_is_judged_without_its_own_fold() -> None:
    study = measured_study()
    folds = folds_of(study)
    alone_small = study.morphology.copy()
    # In fold 0 the labels are measured the other way round: were it learnt from, it would fit itself.
    alone_small[folds == 0] = alone_small[folds == 0][::-1]
    of_fold = log_likelihoods(alone_small, study.labels, folds, 2)[folds == 0]
    assert (of_fold.argmax(axis=1) != study.labels[folds == 0]).mean() > 0.9


def test_unmeasured_cells_and_rare_labels_are_given_no_likelihood() -> None:
    study = measured_study()
    morphology = study.morphology.copy()
    morphology[3] = np.nan
    labels = study.labels.copy()
    labels[: LEAST_OF_A_LABEL - 1] = 2
    fits = log_likelihoods(morphology, labels, folds_of(study), 3)
    assert np.isneginf(fits[3]).all()
    assert np.isneginf(fits[:, 2]).all()
    assert np.isfinite(fits[4:, :2]).all()


@pytest.mark.parametrize("constant", [0.0, 0.7])
def test_a_measure_that_never_varies_breaks_nothing(constant: float) -> None:
    study = measured_study()
    morphology = study.morphology.copy()
    morphology[:, 3] = constant
    fits: F64 = log_likelihoods(morphology, study.labels, folds_of(study), 2)
    assert np.isfinite(fits).all()


def test_without_any_measured_cell_there_is_no_report() -> None:
    study = make_patch_set()
    assert report_morphology(study, study.labels, calls_of(study.labels, study), folds_of(study)) is None


def test_predictions_get_the_measures_and_their_words() -> None:
    study = make_patch_set(1, 1)
    morphology = np.array([NORMAL, (np.nan,) * 5])
    header, rows = morphology_columns(replace(study, morphology=morphology))
    assert header == (*MORPHOLOGY, "morphology")
    assert rows[0][:2] == ("10.0000", "60.0000")
    assert "small cell" in rows[0][-1]
    assert rows[1] == ("", "", "", "", "", "not measured")


def test_the_page_shows_medians_boxes_and_contradictions_and_escapes_names() -> None:
    study = replace(measured_study(), label_names=("<b>normal", "blast"))
    called = study.labels.copy()
    called[study.labels == 0] = 1
    report = reported(study, called)
    page = page_environment().get_template("_morphology.html.j2").render(morphology=report)
    assert "&lt;b&gt;normal" in page
    assert "<b>normal" not in page
    assert page.count("<svg") == len(MORPHOLOGY)
    assert page.count("data:image/jpeg;base64,") == len(report.contradictions) == 18
    assert "x likelier as" in page
    content = report.as_json()
    assert content["n_contradicted"] == report.n_contradicted > 50
