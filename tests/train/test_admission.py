"""A study is fitted only when no picture and no cell stands on both sides of a fold."""

from dataclasses import replace
from pathlib import Path

import pytest

from alledge.errors import LeakProven
from alltrain.admission import admit
from alltrain.audit.audit import LEAK_MARK
from alltrain.datasets.dataset import PatchSet
from alltrain.datasets.loading import load_patches
from alltrain.phantom_study import write_study
from alltrain.plan import Settings, model_name
from alltrain.training import Recipe

SETTINGS = Settings(Recipe(), n_folds=3)


def untold(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PatchSet]:
    """A rendered study in which one cell of the first slide was copied into the last one."""
    root = tmp_path_factory.mktemp("admission") / "study"
    write_study(root, 9, 5, lambda done, total: None)
    return root, load_patches(root, allow_no_groups=False)


def with_a_cell_twice(patch_set: PatchSet) -> PatchSet:
    """The first cell again as the last: the same picture in two groups."""
    patches = patch_set.patches.copy()
    patches[-1] = patches[0]
    assert patch_set.groups[0] != patch_set.groups[-1]
    return replace(patch_set, patches=patches)


def test_a_clean_study_is_admitted_as_it_is(study: tuple[Path, PatchSet]) -> None:
    data, patch_set = study
    admission = admit(data, patch_set, SETTINGS, untold)
    assert admission.patch_set is patch_set
    assert not admission.audit.is_leaky


def test_a_proven_leak_stops_the_fit_and_names_both_ways_on(study: tuple[Path, PatchSet]) -> None:
    data, patch_set = study
    with pytest.raises(LeakProven) as refused:
        admit(data, with_a_cell_twice(patch_set), SETTINGS, untold)
    assert "--join-twins" in str(refused.value)
    assert "--allow-leaks" in str(refused.value)


def test_an_allowed_leak_marks_the_notes_and_the_name_of_the_model(study: tuple[Path, PatchSet]) -> None:
    data, patch_set = study
    admission = admit(data, with_a_cell_twice(patch_set), SETTINGS, untold, allow_leaks=True)
    assert admission.patch_set.notes[0] == LEAK_MARK
    assert model_name(SETTINGS, patch_set, marked=admission.audit.is_leaky).endswith("-leaky")


def test_joined_twins_are_in_one_group_and_no_longer_a_leak(study: tuple[Path, PatchSet]) -> None:
    data, patch_set = study
    admission = admit(data, with_a_cell_twice(patch_set), SETTINGS, untold, join=True)
    assert not admission.audit.is_leaky
    assert admission.patch_set.groups[0] == admission.patch_set.groups[-1]
    assert LEAK_MARK not in admission.patch_set.notes
