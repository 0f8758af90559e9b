"""Rendered cells help a network to start and to stay broad, and are never in a figure."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.types import U8
from alltrain.fit import fit
from alltrain.plan import Settings
from alltrain.rehearsal import Rehearsal, can_rehearse, render_rehearsal
from alltrain.training import Recipe, Trainer, predict_logits
from tests.train.conftest import BRIEF_RECIPE
from tests.train.patch_sets import make_patch_set

STUDY = make_patch_set(n_groups=2, label_names=("hem", "all"), positive_labels=("all",))


@pytest.fixture(scope="module")
def rendered() -> Rehearsal:
    return render_rehearsal(STUDY, 2, lambda done, total: None)


def test_blasts_get_the_label_that_means_a_finding(rendered: Rehearsal) -> None:
    assert rendered.patches.shape == (rendered.labels.size, 50, 50, 3)
    assert set(rendered.labels) == {0, 1}
    # Blasts of the phantom are larger than its normal cells: more of their patch is nucleus.
    nucleus = (rendered.patches[..., 0] < 150).mean(axis=(1, 2))
    assert np.median(nucleus[rendered.labels == 1]) > np.median(nucleus[rendered.labels == 0])


def test_the_same_cells_are_rendered_every_time(rendered: Rehearsal) -> None:
    again = render_rehearsal(STUDY, 2, lambda done, total: None)
    np.testing.assert_array_equal(again.patches, rendered.patches)


def test_only_studies_of_blasts_are_rehearsed() -> None:
    assert can_rehearse(STUDY)
    assert not can_rehearse(make_patch_set(is_phantom=True))
    assert not can_rehearse(make_patch_set(label_names=("lymphocyte", "monocyte"), positive_labels=()))
    stages = ("benign", "early", "pre")
    assert not can_rehearse(make_patch_set(label_names=stages, positive_labels=stages[1:]))


def test_some_rendered_cells_are_cut_out_on_black_and_most_where_the_study_is_so(rendered: Rehearsal) -> None:
    masked = STUDY.patches.copy()
    masked[:, :20] = 0
    for_masked = render_rehearsal(replace(STUDY, patches=masked), 2, lambda done, total: None)

    def share_cut_out(patches: U8) -> float:
        return float(((patches == 0).all(axis=3).mean(axis=(1, 2)) > 0.3).mean())

    assert share_cut_out(rendered.patches) == pytest.approx(0.15, abs=0.03)
    assert share_cut_out(for_masked.patches) == pytest.approx(0.85, abs=0.03)


def test_what_is_cut_out_keeps_the_cell_as_it_was_rendered(rendered: Rehearsal) -> None:
    cut = rendered.patches[(rendered.patches == 0).all(axis=3).mean(axis=(1, 2)) > 0.3]
    assert cut[:, 20:30, 20:30].any(axis=3).mean() > 0.95
    assert not cut[:, 0, 0].any()


def test_every_fit_starts_from_what_was_learnt_of_rendered_cells() -> None:
    """Two fits of zero gain differ only in their seed, so they end where the rehearsal ended."""
    recipe = Recipe(epochs=1, least_patches_an_epoch=8, rehearsal_epochs=3, rehearsed_learning_rate=1e-12)
    told: list[int] = []
    trainer = Trainer(2, recipe, Rehearsal(STUDY.patches, STUDY.labels), told.append)
    assert told == [1, 2, 3]
    held = np.arange(len(STUDY)) % 4 == 0
    first, second = (
        predict_logits(
            trainer.fit(STUDY.patches, STUDY.labels, held, replace(recipe, seed=seed)).model, STUDY.patches
        )
        for seed in (1, 2)
    )
    np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize(("worth", "is_rehearsed"), [(float("inf"), True), (0.0, False)])
def test_a_fit_ends_the_nearer_to_the_rehearsal_the_more_that_is_worth(
    worth: float, is_rehearsed: bool
) -> None:
    recipe = Recipe(epochs=1, rehearsed_patches_an_epoch=64, rehearsal_epochs=1, rehearsal_worth=worth)
    trainer = Trainer(2, recipe, Rehearsal(STUDY.patches, STUDY.labels))
    held = np.arange(len(STUDY)) % 4 == 0
    first, second = (
        predict_logits(
            trainer.fit(STUDY.patches, STUDY.labels, held, replace(recipe, seed=seed)).model, STUDY.patches
        )
        for seed in (1, 2)
    )
    assert np.allclose(first, second, atol=1e-5) == is_rehearsed


def test_a_run_says_that_it_was_rehearsed_and_counts_real_cells_only(tmp_path: Path) -> None:
    recipe = replace(BRIEF_RECIPE, rehearsal_fields=2, rehearsal_epochs=1)
    outcome = fit(STUDY, tmp_path / "run", Settings(recipe, n_folds=2))
    assert outcome.figures["accuracy"].n == len(STUDY)
    said = [note for note in outcome.notes if "rendered phantom cells" in note]
    assert len(said) == 1
    assert said[0] in json.loads((tmp_path / "run" / "card.json").read_text())["notes"]
    assert said[0] in (tmp_path / "run" / "report.html").read_text()
