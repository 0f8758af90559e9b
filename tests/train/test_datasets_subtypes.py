"""subtypes.csv turns a study of blasts and other cells into one of L1, L2, L3 and other cells."""

from pathlib import Path

import pytest

from alledge.errors import DatasetUnrecognised
from alltrain.datasets import PatchSet, load_patches
from tests.train.smears import draw_crop, draw_field, save, write


def load(folder: Path) -> PatchSet:
    return load_patches(folder, allow_no_groups=True)


@pytest.fixture
def all_idb2(tmp_path: Path) -> Path:
    for name in ("Im001_1", "Im002_1", "Im003_1", "Im131_0"):
        save(tmp_path / "img" / f"{name}.tif", draw_crop())
    return tmp_path


def test_blasts_take_the_subtype_of_their_image_and_normal_cells_stay_normal(all_idb2: Path) -> None:
    write(all_idb2 / "subtypes.csv", "image,subtype", "Im001_1,L2", "Im002_1.tif,l1", "Im003_1,L3")
    patch_set = load(all_idb2)
    assert patch_set.label_names == ("normal", "l1", "l2", "l3")
    assert patch_set.positive_labels == ("l1", "l2", "l3")
    assert [patch_set.label_names[k] for k in patch_set.labels] == ["l2", "l1", "l3", "normal"]


def test_blasts_of_no_known_subtype_are_left_out_and_counted(all_idb2: Path) -> None:
    write(all_idb2 / "subtypes.csv", "image,subtype", "Im001_1,L2", "Im002_1,")
    patch_set = load(all_idb2)
    assert patch_set.label_counts == {"normal": 1, "l2": 1}
    assert "Images with blasts that subtypes.csv does not list, left out: 2." in patch_set.notes


def test_in_fields_only_the_annotated_blasts_change_their_name(tmp_path: Path) -> None:
    save(tmp_path / "im" / "Im001_1.jpg", draw_field([(100, 100), (340, 250)]))
    save(tmp_path / "im" / "Im034_0.jpg", draw_field([(200, 130)]))
    write(tmp_path / "xyc" / "Im001_1.xyc", "100\t100")
    write(tmp_path / "subtypes.csv", "image;stage", "Im001_1;Pre-B")
    assert load(tmp_path).label_counts == {"normal": 2, "pre-b": 1}


def test_boxes_and_folders_take_subtypes_too(tmp_path: Path) -> None:
    save(tmp_path / "boxes" / "a.png", draw_field([(100, 100), (340, 250)]))
    write(
        tmp_path / "boxes" / "boxes.csv",
        "image,xmin,ymin,xmax,ymax,label",
        "a.png,70,70,130,130,blast",
        "a.png,310,220,370,280,normal",
    )
    write(tmp_path / "boxes" / "subtypes.csv", "image,subtype", "a,L1")
    assert load(tmp_path / "boxes").label_counts == {"normal": 1, "l1": 1}
    for name in ("blast/a", "blast/b", "normal/c"):
        save(tmp_path / "folders" / f"{name}.png", draw_crop())
    write(tmp_path / "folders" / "subtypes.csv", "image,subtype", "a,L1", "b,L2")
    assert load(tmp_path / "folders").label_names == ("normal", "l1", "l2")


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (("image,colour", "Im001_1,blue"), "no columns 'image' and 'subtype'"),
        (("image,subtype", "Im001_1,neutrophil"), "'neutrophil', which is no sort of blast"),
        (("image,subtype", "Im001_1,L1", "img/Im001_1,L2"), r"two subtypes of img/Im001_1\.tif"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    lines: tuple[str, ...], complaint: str, all_idb2: Path
) -> None:
    write(all_idb2 / "subtypes.csv", *lines)
    with pytest.raises(DatasetUnrecognised, match=complaint):
        load(all_idb2)


def test_an_ambiguous_name_is_refused(tmp_path: Path) -> None:
    for name in ("blast/a", "normal/a"):
        save(tmp_path / f"{name}.png", draw_crop())
    write(tmp_path / "subtypes.csv", "image,subtype", "a,L1")
    with pytest.raises(DatasetUnrecognised, match="means blast/a"):
        load(tmp_path)
