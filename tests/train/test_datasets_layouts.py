"""Each layout is recognised by itself, with its labels, its groups and its positive class."""

from pathlib import Path

import numpy as np
import pytest

from alledge.errors import DatasetUnrecognised, FolderEmpty, GroupsMissing, ImageUnreadable, PathUnusable
from alledge.illumination import estimate_illumination
from alledge.pixel_size import estimate_pixel_size
from alltrain.datasets import PatchSet, fingerprint, load_patches
from alltrain.datasets.c_nmc import NOMINAL_PIXEL_UM
from tests.train.smears import draw_crop, draw_field, draw_masked_crop, save, write


def load(data: Path) -> PatchSet:
    return load_patches(data, allow_no_groups=True)


def label_of(patch_set: PatchSet, source: str) -> list[str]:
    return [
        patch_set.label_names[label]
        for label, s in zip(patch_set.labels, patch_set.sources, strict=True)
        if s == source
    ]


@pytest.fixture(scope="module")
def all_idb1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("all-idb1")
    field = draw_field([(100, 100), (340, 250)])
    save(data / "im" / "Im001_1.jpg", field)
    save(data / "im" / "Im002_0.JPG", field)
    write(data / "xyc" / "Im001_1.xyc", "103\t98")
    write(data / "groups.csv", "image,group", "Im001_1,patient", "Im002_0.JPG,healthy")
    return data


def test_all_idb1_calls_cells_at_the_points_blasts_and_all_others_normal(all_idb1: Path) -> None:
    patch_set = load_patches(all_idb1, allow_no_groups=False)
    assert patch_set.layout == "ALL-IDB1"
    assert patch_set.label_names == ("normal", "blast")
    assert patch_set.positive_labels == ("blast",)
    assert label_of(patch_set, "im/Im001_1.jpg") == ["blast", "normal"]
    assert label_of(patch_set, "im/Im002_0.JPG") == ["normal", "normal"]
    assert patch_set.groups == ("patient", "patient", "healthy", "healthy")
    assert patch_set.grouped


def test_patches_show_the_cell_in_the_centre_in_rgb(all_idb1: Path) -> None:
    patches = load_patches(all_idb1, allow_no_groups=False).patches
    assert (patches.shape, patches.dtype) == ((4, 50, 50, 3), np.uint8)
    red, green, blue = patches[:, 20:30, 20:30].mean(axis=(0, 1, 2))
    assert blue > red > green, "a stained nucleus is violet"


def test_a_blast_that_was_not_found_is_counted_and_its_clump_teaches_nothing(
    all_idb1: Path, tmp_path: Path
) -> None:
    save(tmp_path / "im" / "Im001_1.jpg", draw_field([(100, 100), (340, 250)]))
    write(tmp_path / "xyc" / "Im001_1.xyc", "100 100", "125 100", "240 180")
    patch_set = load(tmp_path)
    assert label_of(patch_set, "im/Im001_1.jpg") == ["blast", "normal"]
    assert "Annotated white cells that were not found and are not in the patches: 2 of 3." in patch_set.notes


def test_a_patients_field_without_centres_is_left_out(tmp_path: Path) -> None:
    for name in ("Im001_1", "Im002_1"):
        save(tmp_path / "im" / f"{name}.jpg", draw_field([(100, 100)]))
    write(tmp_path / "xyc" / "Im001_1.xyc", "100\t100")
    patch_set = load(tmp_path)
    assert set(patch_set.sources) == {"im/Im001_1.jpg"}
    assert any("without .xyc file" in note and "Im002_1" in note for note in patch_set.notes)


def test_centres_that_are_no_numbers_are_named_with_their_line(tmp_path: Path) -> None:
    save(tmp_path / "im" / "Im001_1.jpg", draw_field([]))
    write(tmp_path / "xyc" / "Im001_1.xyc", "100\t100", "a hundred")
    with pytest.raises(DatasetUnrecognised, match=r"Im001_1\.xyc, line 2: 'a hundred'"):
        load(tmp_path)


@pytest.mark.parametrize("inside", ["img", ".", "ALL_IDB2/img"])
def test_all_idb2_takes_the_label_of_the_centre_from_the_name(inside: str, tmp_path: Path) -> None:
    for name in ("Im001_1.tif", "Im131_0.TIF"):
        save(tmp_path / inside / name, draw_crop())
    patch_set = load(tmp_path)
    assert patch_set.layout == "ALL-IDB2"
    assert [patch_set.label_names[k] for k in patch_set.labels] == ["blast", "normal"]
    assert any("never fit on one and judge on the other" in note for note in patch_set.notes)


def test_a_crop_is_centred_on_its_cell_and_on_its_middle_where_no_cell_is_found(tmp_path: Path) -> None:
    save(tmp_path / "img" / "Im001_1.tif", draw_field([(90, 75)], 160, 160))
    save(tmp_path / "img" / "Im002_0.tif", draw_field([], 160, 160))
    patch_set = load(tmp_path)
    nucleus = np.argwhere(patch_set.patches[0][..., 1] < 120)
    assert np.abs(nucleus.mean(axis=0) - 24.5).max() < 1
    assert len(patch_set) == 2
    assert "Crops without a cell found, cut in their centre: 1 of 2." in patch_set.notes


@pytest.fixture
def c_nmc(tmp_path: Path) -> Path:
    fold = tmp_path / "C-NMC_Leukemia" / "training_data" / "fold_0"
    save(fold / "all" / "UID_11_10_1_all.bmp", draw_masked_crop())
    save(fold / "all" / "UID_11_2_2_all.bmp", draw_masked_crop())
    save(fold / "hem" / "UID_H10_1_1_hem.bmp", draw_masked_crop())
    return tmp_path


def test_c_nmc_takes_label_and_subject_from_the_name(c_nmc: Path) -> None:
    patch_set = load_patches(c_nmc, allow_no_groups=False)
    assert patch_set.layout == "C-NMC 2019"
    assert patch_set.label_names == ("hem", "all")
    assert patch_set.positive_labels == ("all",)
    assert sorted(set(patch_set.groups)) == ["11", "H10"]
    assert any("pixel size of C-NMC is not published" in note for note in patch_set.notes)


def test_black_stays_black_and_the_cell_moves_to_the_middle(c_nmc: Path) -> None:
    patch = load(c_nmc).patches[0]
    assert (patch[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()
    assert np.abs(np.argwhere(patch.any(axis=2)).mean(axis=0) - 24.5).max() < 1


def test_the_device_assumes_the_same_scale_for_cells_on_black() -> None:
    crop = draw_masked_crop()
    assert estimate_pixel_size(crop, estimate_illumination(crop)).pixel_um == NOMINAL_PIXEL_UM


@pytest.mark.parametrize(
    "folders",
    [
        ("Benign", "Early", "Pre", "Pro"),
        ("Benign", "Early Malignant", "Pre Malignant", "Pro Malignant"),
        ("Benign", "[Malignant] early Pre-B", "[Malignant] Pre-B", "[Malignant] Pro-B"),
    ],
)
def test_taleqani_gives_every_cell_of_a_field_the_class_of_its_folder(
    folders: tuple[str, ...], tmp_path: Path
) -> None:
    for name in folders:
        save(tmp_path / "ALL" / "Original" / name / "a.jpg", draw_field([(100, 100), (340, 250)]))
        save(tmp_path / "ALL" / "Segmented" / name / "a.jpg", draw_field([]))
    patch_set = load(tmp_path)
    assert patch_set.layout == "Taleqani"
    assert patch_set.label_counts == {"benign": 2, "early": 2, "pre": 2, "pro": 2}
    assert patch_set.positive_labels == ("early", "pre", "pro")
    assert patch_set.sources[0] == "ALL/Original/Benign/a.jpg"


def test_class_folders_with_small_images_hold_one_cell_each(tmp_path: Path) -> None:
    for label in ("Blast", "normal"):
        save(tmp_path / label / "a.png", draw_crop())
    patch_set = load(tmp_path)
    assert patch_set.layout == "class folders"
    assert patch_set.label_counts == {"normal": 1, "blast": 1}
    assert patch_set.positive_labels == ("blast",)


def test_class_folders_with_wide_images_hold_fields(tmp_path: Path) -> None:
    for label in ("leukemia", "healthy"):
        save(tmp_path / label / "a.png", draw_field([(100, 100), (340, 250), (340, 0)]))
    patch_set = load(tmp_path)
    assert patch_set.label_counts == {"healthy": 2, "leukemia": 2}
    assert "Cells left out because the border cuts them: 2." in patch_set.notes


@pytest.mark.parametrize(
    ("folders", "labels", "positive"),
    [
        (("0", "1"), ("0", "1"), ("1",)),
        (("train/ALL", "test/HEM"), ("hem", "all"), ("all",)),
        (("neutrophil", "Unnamed"), ("neutrophil", "unnamed"), ()),
        (("my study/images/blasts", "my study/images/Normal cells"), ("normal cells", "blasts"), ("blasts",)),
        (("normal/lymphocyte", "normal/monocyte", "blast/lymphoblast"), ("normal", "blast"), ("blast",)),
        (("normal/lymphocyte", "normal/monocyte", "blast"), ("normal", "blast"), ("blast",)),
        (("L3", "normal", "L1", "L2"), ("normal", "l1", "l2", "l3"), ("l1", "l2", "l3")),
        (("ALL/L2", "ALL/L1", "ALL/L3", "Normal"), ("normal", "l1", "l2", "l3"), ("l1", "l2", "l3")),
        (("pro", "healthy", "early pre-b"), ("healthy", "early pre-b", "pro"), ("early pre-b", "pro")),
    ],
)
def test_class_folders_of_many_styles(
    folders: tuple[str, ...], labels: tuple[str, ...], positive: tuple[str, ...], tmp_path: Path
) -> None:
    for name in folders:
        save(tmp_path / name / "a.png", draw_crop())
    patch_set = load(tmp_path)
    assert (patch_set.label_names, patch_set.positive_labels) == (labels, positive)


def test_a_folder_per_patient_inside_a_class_is_the_group(tmp_path: Path) -> None:
    for name in ("blast/p1", "blast/p2", "normal/p2"):
        save(tmp_path / name / "a.png", draw_crop())
    patch_set = load_patches(tmp_path, allow_no_groups=False)
    assert patch_set.groups == ("p1", "p2", "p2")


def test_a_folder_per_patient_inside_a_sort_of_blast_is_the_group_too(tmp_path: Path) -> None:
    for name in ("ALL/L1/p1", "ALL/L2/p2", "normal/p3"):
        save(tmp_path / name / "a.png", draw_crop())
    patch_set = load_patches(tmp_path, allow_no_groups=False)
    assert patch_set.label_names == ("normal", "l1", "l2")
    assert patch_set.groups == ("p1", "p2", "p3")


def test_layouts_in_a_folder_in_a_folder_are_found(all_idb1: Path, tmp_path: Path) -> None:
    (tmp_path / "__MACOSX" / "junk").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "junk" / "Im001_1.jpg").touch()
    write(tmp_path / "download" / "readme.txt", "hello")
    (tmp_path / "download" / "ALL_IDB1").symlink_to(all_idb1)
    (tmp_path / "download" / "loop").symlink_to(tmp_path)
    patch_set = load_patches(tmp_path, allow_no_groups=False)
    assert patch_set.layout == "ALL-IDB1"
    assert patch_set.sources[0] == "download/ALL_IDB1/im/Im001_1.jpg"


def test_an_unknown_folder_is_told_what_was_seen_and_what_is_known(tmp_path: Path) -> None:
    for k in range(3):
        save(tmp_path / f"{k}.png", draw_crop())
    with pytest.raises(DatasetUnrecognised) as refusal:
        load(tmp_path)
    assert "it holds 3 .png files and no subfolder" in str(refusal.value)
    assert all(
        word in str(refusal.value) for word in ("xyc", "UID_", "Benign", "annotations.csv", "cells.csv")
    )
    assert "\n" not in str(refusal.value)


def test_empty_and_missing_folders_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(FolderEmpty, match="is empty"):
        load(tmp_path)
    with pytest.raises(PathUnusable, match="no folder"):
        load(tmp_path / "gone")


def test_one_corrupt_image_is_named(tmp_path: Path) -> None:
    save(tmp_path / "blast" / "a.png", draw_crop())
    write(tmp_path / "normal" / "b.png", "this is no image")
    with pytest.raises(ImageUnreadable, match=r"b\.png"):
        load(tmp_path)


def test_images_without_any_cell_are_refused(tmp_path: Path) -> None:
    for label in ("blast", "normal"):
        save(tmp_path / label / "a.png", draw_field([]))
    with pytest.raises(DatasetUnrecognised, match="No labelled white cell was found in 2 images"):
        load(tmp_path)


def test_what_names_alone_can_refuse_is_refused_before_pixels_are_read(tmp_path: Path) -> None:
    write(tmp_path / "img" / "Im001_1.tif", "this is no image")
    with pytest.raises(GroupsMissing):
        load_patches(tmp_path, allow_no_groups=False)


def test_progress_ends_with_everything_done(tmp_path: Path) -> None:
    for label in ("blast", "normal"):
        save(tmp_path / label / "a.png", draw_crop())
    steps: list[tuple[int, int]] = []
    load_patches(tmp_path, allow_no_groups=True, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    for label in ("blast", "normal"):
        save(tmp_path / label / "a.png", draw_crop())
    before = fingerprint(load(tmp_path))
    assert fingerprint(load(tmp_path)) == before
    (tmp_path / "normal").rename(tmp_path / "healthy")
    assert fingerprint(load(tmp_path)) != before
