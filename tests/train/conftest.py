"""One small run, fitted once and read by every test that needs a finished one."""

from pathlib import Path

import pytest

from alltrain.fit import Outcome, fit
from alltrain.plan import Settings
from alltrain.training import Recipe
from tests.train.patch_sets import make_patch_set

BRIEF_RECIPE = Recipe(epochs=2, least_patches_an_epoch=32, seed=1)
BRIEF = Settings(BRIEF_RECIPE, n_folds=3)


@pytest.fixture(scope="session")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run of six slides; read it, never write to it."""
    return fit(make_patch_set(), tmp_path_factory.mktemp("fit") / "run", BRIEF)


@pytest.fixture(scope="session")
def run_path(outcome: Outcome) -> Path:
    """Folder of that run."""
    return outcome.out
