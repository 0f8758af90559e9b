"""Cells of one patient stay together, or the user says that nobody knows who is who."""

from pathlib import Path

import pytest

from alledge.errors import GroupsMissing
from alltrain.datasets import load_patches
from tests.train.smears import draw_crop, save, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four crops; b.png is there twice, in both classes."""
    for name in ("blast/a.png", "blast/b.png", "normal/b.png", "normal/c.png"):
        save(tmp_path / name, draw_crop())
    return tmp_path


def groups(data: Path, *lines: str) -> Path:
    return write(data / "groups.csv", "image,group", *lines)


def test_without_groups_the_user_is_told_how_to_write_them(data: Path) -> None:
    with pytest.raises(GroupsMissing, match="does not say which images belong to one patient") as refusal:
        load_patches(data, allow_no_groups=False)
    assert "groups.csv" in refusal.value.next_step
    assert "--no-groups" in refusal.value.next_step


def test_no_groups_makes_each_image_its_own_and_says_what_that_means(data: Path) -> None:
    patch_set = load_patches(data, allow_no_groups=True)
    assert patch_set.groups == patch_set.sources
    assert not patch_set.grouped
    assert any("may be optimistic" in note for note in patch_set.notes)


@pytest.mark.parametrize(
    "lines",
    [
        ["blast/a.png,1", "blast/b.png,2", "normal/b.png,3", "normal/c.png,3"],
        ["A,1", "blast/b,2", "normal/b,3", "c,3"],
        ["blast\\a.png,1", "./blast/b.png,2", "NORMAL/b.png,3", "c.PNG,3"],
    ],
)
def test_images_may_be_named_in_many_ways(lines: list[str], data: Path) -> None:
    groups(data, *lines)
    patch_set = load_patches(data, allow_no_groups=False)
    assert patch_set.groups == ("1", "2", "3", "3")
    assert patch_set.grouped


def test_a_name_in_two_folders_needs_its_folder(data: Path) -> None:
    groups(data, "a,1", "b,2", "c,3")
    with pytest.raises(GroupsMissing, match=r"'b' can mean blast/b\.png or normal/b\.png.*Write the folder"):
        load_patches(data, allow_no_groups=False)


def test_an_image_that_is_not_listed_is_named(data: Path) -> None:
    groups(data, "a,1", "blast/b,2", "normal/b,")
    with pytest.raises(GroupsMissing, match=r"2 of 4 images have no group: normal/b\.png, normal/c\.png\."):
        load_patches(data, allow_no_groups=False)
    patch_set = load_patches(data, allow_no_groups=True)
    assert patch_set.groups == ("1", "2", "normal/b.png", "normal/c.png")
    assert not patch_set.grouped


def test_an_image_in_two_groups_is_refused(data: Path) -> None:
    groups(data, "a,1", "blast/a,2")
    with pytest.raises(GroupsMissing, match=r"puts blast/a\.png into '1' and into '2'"):
        load_patches(data, allow_no_groups=False)


def test_lines_about_other_images_are_counted_and_nothing_outside_is_opened(data: Path) -> None:
    groups(data, "a,1", "blast/b,2", "normal/b,3", "c,3", "../a.png,9", "/etc/passwd,9", "zz,9")
    patch_set = load_patches(data, allow_no_groups=False)
    assert patch_set.groups == ("1", "2", "3", "3")
    assert "Lines of groups.csv that name no image of this dataset: 3 of 7." in patch_set.notes


@pytest.mark.parametrize("content", [["a,1"], ["picture,who", "a,1"], [""]])
def test_a_table_without_the_two_columns_is_refused(content: list[str], data: Path) -> None:
    write(data / "groups.csv", *content)
    with pytest.raises(GroupsMissing, match="no columns 'image' and 'group'"):
        load_patches(data, allow_no_groups=False)


def test_groups_of_the_user_win_over_those_of_the_layout(tmp_path: Path) -> None:
    for name in ("blast/p1/a.png", "normal/p2/b.png"):
        save(tmp_path / name, draw_crop())
    groups(tmp_path, "a,slide 1")
    assert load_patches(tmp_path, allow_no_groups=False).groups == ("slide 1", "p2")


def test_groups_may_lie_beside_the_layout_in_a_wrapping_folder(tmp_path: Path) -> None:
    for name in ("blast/a.png", "normal/b.png"):
        save(tmp_path / "unpacked" / name, draw_crop())
    groups(tmp_path / "unpacked", "a,1", "b,2")
    assert load_patches(tmp_path, allow_no_groups=False).groups == ("1", "2")
