"""Temperature, threshold and review band rest on validation cells alone: no test cell moves them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from alltrain.distribution import ALONE
from alltrain.fold_models import Job, fit_or_take_up, untold
from alltrain.judging import blank_card
from alltrain.plan import Settings, plan_splits
from alltrain.training import Recipe
from tests.train.patch_sets import make_patch_set

BRIEF = Settings(Recipe(epochs=1, least_patches_an_epoch=32, seed=2), n_folds=3)
FOLD = 1


def test_whatever_the_test_cells_are_and_are_called_a_fold_model_stays_the_same(tmp_path: Path) -> None:
    """Pixels replaced by noise and labels turned round: weights, calibration and familiarity all stand."""
    study = make_patch_set(n_groups=9, per_label=12)
    plan = plan_splits(study, BRIEF)
    tests = plan.splits.has_role("test", FOLD)
    noise = np.random.default_rng(0).integers(0, 256, study.patches.shape).astype(np.uint8)
    altered = replace(
        study,
        patches=np.where(tests[:, None, None, None], noise, study.patches),
        labels=np.where(tests, 1 - study.labels, study.labels),
    )
    models = []
    for name, patch_set in (("as it is", study), ("altered", altered)):
        (tmp_path / name / "folds").mkdir(parents=True)
        job = Job(patch_set, tmp_path / name, BRIEF, plan, untold, None, ALONE, tensorboard=False)
        models.append(fit_or_take_up(job, FOLD, blank_card(patch_set, "m", "0" * 64, ())))
    one, other = models
    assert not one.calibration.notes  # something was fitted
    assert one.calibration == other.calibration
    assert one.card == other.card
    np.testing.assert_array_equal(one.course.logits[~tests], other.course.logits[~tests])
    assert not np.array_equal(one.course.logits[tests], other.course.logits[tests])
