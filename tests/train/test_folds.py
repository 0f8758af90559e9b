"""No group is ever split, every training side holds every class, and what cannot be judged is refused."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alledge.errors import DatasetTooSmall, OneClassOnly
from alltrain.folds import assign_folds, check_size, split_validation


def study_of(groups: dict[str, tuple[int, ...]]) -> tuple[np.ndarray, list[str]]:
    """labels and groups from the number of cells of each class in each group."""
    labels, names = [], []
    for name, counts in groups.items():
        for label, count in enumerate(counts):
            labels += [label] * count
            names += [name] * count
    return np.array(labels, dtype=np.int64), names


studies = st.integers(2, 3).flatmap(
    lambda n_labels: st.lists(
        st.tuples(*[st.integers(0, 12)] * n_labels).filter(any), min_size=2, max_size=14
    ).filter(lambda rows: all(sum(count > 0 for count in column) >= 2 for column in zip(*rows, strict=True)))
)


@settings(max_examples=400, deadline=None)
@example([(0, 1), (0, 6), (1, 0), (1, 4)], 4, 0)
@given(studies, st.integers(2, 6), st.integers(0, 99))
def test_no_group_is_split_and_every_training_side_holds_every_class(
    rows: list[tuple[int, ...]], n_folds: int, seed: int
) -> None:
    labels, groups = study_of({f"g{index}": counts for index, counts in enumerate(rows)})
    folds = assign_folds(labels, groups, n_folds, seed)
    assert 2 <= folds.n_folds <= len(rows)
    assert folds.n_folds == min(n_folds, len(rows)) or "lack a label" in folds.notes[0]
    for group in set(groups):
        assert len({int(f) for f, g in zip(folds.fold_of_patch, groups, strict=True) if g == group}) == 1
    for fold in range(folds.n_folds):
        assert set(labels[folds.fold_of_patch != fold]) == set(labels)
        assert np.any(folds.fold_of_patch == fold)


def test_with_fewer_groups_than_folds_one_group_is_held_out_at_a_time() -> None:
    """The sessions of ALL-IDB1: two hold blasts, four hold other cells."""
    labels, groups = study_of({"P2": (24, 27), "P3": (81, 290), "N1": (20, 0), "N3": (34, 0)})
    folds = assign_folds(labels, groups, 5, 0)
    assert folds.n_folds == 4
    assert "4 folds instead of 5" in folds.notes[0]
    assert len(set(zip(groups, folds.fold_of_patch.tolist(), strict=True))) == 4
    for fold in range(4):
        assert set(labels[folds.fold_of_patch != fold]) == {0, 1}


def test_more_folds_are_made_and_said_when_fewer_would_leave_a_training_side_without_a_label() -> None:
    """Any two of three labels share a group: whichever two groups go together, a label goes with them."""
    labels, groups = study_of({"a": (5, 0, 5), "b": (5, 5, 0), "c": (0, 5, 5)})
    folds = assign_folds(labels, groups, 2, 0)
    assert folds.n_folds == 3
    assert "3 folds instead of 2" in folds.notes[0]


def test_as_many_folds_as_asked_for_leave_no_note() -> None:
    labels, groups = study_of({f"g{index}": (5, 5) for index in range(10)})
    folds = assign_folds(labels, groups, 5, 0)
    assert (folds.n_folds, folds.notes) == (5, ())
    assert np.bincount(folds.fold_of_patch).tolist() == [20] * 5


def test_classes_are_spread_evenly() -> None:
    labels, groups = study_of({f"g{index}": (10, 0) if index % 2 else (0, 30) for index in range(12)})
    folds = assign_folds(labels, groups, 3, 0)
    for fold in range(3):
        assert np.bincount(labels[folds.fold_of_patch == fold]).tolist() == [20, 60]


def test_the_same_seed_gives_the_same_folds() -> None:
    labels, groups = study_of({f"g{index}": (4, 4) for index in range(9)})
    first, again, other = (assign_folds(labels, groups, 3, seed).fold_of_patch for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_class_of_one_group_is_refused() -> None:
    labels, groups = study_of({"a": (10, 10), "b": (10, 0)})
    with pytest.raises(DatasetTooSmall, match="single group") as refusal:
        assign_folds(labels, groups, 2, 0)
    assert "--no-groups" in refusal.value.next_step


def test_a_single_class_is_refused() -> None:
    with pytest.raises(OneClassOnly, match="labelled blast"):
        check_size(np.ones(50, dtype=np.int64), ("normal", "blast"))


@pytest.mark.parametrize(("n_normal", "n_blast"), [(8, 8), (40, 3)])
def test_too_few_cells_are_refused(n_normal: int, n_blast: int) -> None:
    labels = np.repeat([0, 1], [n_normal, n_blast]).astype(np.int64)
    with pytest.raises(DatasetTooSmall):
        check_size(labels, ("normal", "blast"))


def test_enough_cells_are_let_pass() -> None:
    check_size(np.repeat([0, 1], [16, 4]).astype(np.int64), ("normal", "blast"))


def split_of(groups: dict[str, tuple[int, ...]], images_per_group: int = 4):
    labels, names = study_of(groups)
    sources = [f"{name}/{index % images_per_group}" for index, name in enumerate(names)]
    everything = np.ones(labels.size, dtype=bool)
    return labels, names, sources, split_validation(labels, names, sources, everything, 0)


def test_whole_groups_validate_where_six_remain() -> None:
    labels, names, _, split = split_of({f"g{index}": (10, 10) for index in range(10)})
    assert split.unit == "group"
    held = {name for name, held_out in zip(names, split.is_validation, strict=True) if held_out}
    left = {name for name, held_out in zip(names, split.is_validation, strict=True) if not held_out}
    assert not held & left
    assert len(held) == 2
    assert set(labels[split.is_validation]) == {0, 1}


def test_whole_images_validate_where_groups_are_few() -> None:
    _, _, sources, split = split_of({"a": (20, 20), "b": (20, 20), "c": (20, 20)})
    assert split.unit == "image"
    held = {source for source, held_out in zip(sources, split.is_validation, strict=True) if held_out}
    left = {source for source, held_out in zip(sources, split.is_validation, strict=True) if not held_out}
    assert not held & left


def test_single_patches_validate_where_images_are_few_too() -> None:
    labels, _, _, split = split_of({"a": (20, 20), "b": (20, 20)}, images_per_group=2)
    assert split.unit == "patch"
    assert np.bincount(labels[split.is_validation]).tolist() == [8, 8]


@settings(max_examples=100, deadline=None)
@given(studies, st.integers(0, 99), st.integers(1, 6))
def test_both_sides_of_a_validation_split_hold_every_class(
    rows: list[tuple[int, ...]], seed: int, n_images: int
) -> None:
    labels, names = study_of({f"g{index}": counts for index, counts in enumerate(rows)})
    sources = [f"{name}/{index % n_images}" for index, name in enumerate(names)]
    is_training = np.arange(labels.size) % 5 != 0
    if np.bincount(labels[is_training], minlength=labels.max() + 1).min() < 2:
        return
    split = split_validation(labels, names, sources, is_training, seed)
    training = is_training & ~split.is_validation
    assert not np.any(split.is_validation & ~is_training)
    assert set(labels[training]) == set(labels[split.is_validation]) == set(labels)
