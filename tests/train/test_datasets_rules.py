"""The small rules under the layouts: words, names, scales, and who is paired with whom."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.errors import DatasetUnrecognised, PathUnusable
from alledge.types import Cell, PixelSize, PixelSizeSource
from alltrain.datasets.folder import ImageIndex, list_folder
from alltrain.datasets.labels import (
    Meaning,
    is_learnable,
    meaning,
    order_labels,
    positive_among,
    sort_of,
)
from alltrain.datasets.matching import (
    doubtful_beside_points,
    pair_boxes,
    pair_points,
    tally_boxes,
    tally_points,
)
from alltrain.datasets.scale import ENOUGH_RED_CELLS, SIMILAR_LAMPS, Measured, are_crops, settle_scales
from alltrain.datasets.study import Box
from alltrain.datasets.tables import read_table, table_has
from tests.train.smears import write


@pytest.mark.parametrize(
    "label",
    [
        "blast",
        "Blasts",
        "ALL",
        "all_cells",
        "B-ALL",
        "L1",
        "l3",
        "Leukemia",
        "leukaemic cell",
        "[Malignant] Pre-B",
        "Early",
        "pro",
        "lymphoblast",
        "cancer",
        "all_early",
        "leukemic lymphocyte",
        "[Malignant] preB",
        "1",
    ],
)
def test_words_for_leukaemia_are_positive(label: str) -> None:
    assert meaning(label) is Meaning.POSITIVE


@pytest.mark.parametrize(
    "label",
    [
        "normal",
        "Benign",
        "HEM",
        "healthy cells",
        "0",
        "lymphocyte",
        "Monocyte",
        "erythroblast",
        "non-blast",
        "not leukemia",
        "no_blast",
        "all_benign",
        "ALL normal",
        "leukemia-negative",
    ],
)
def test_words_for_normal_cells_are_negative(label: str) -> None:
    assert meaning(label) is Meaning.NEGATIVE


@pytest.mark.parametrize("label", ["wbc", "ig", "class 1", "cell 0", "smallest", "allergy", "preparation"])
def test_other_words_stay_unknown(label: str) -> None:
    assert meaning(label) is Meaning.UNKNOWN


@pytest.mark.parametrize(
    "label", ["RBC", "red blood cell", "Platelets", "smudge", "artefact", "stain", "difficult"]
)
def test_red_cells_platelets_and_smudges_are_not_learned(label: str) -> None:
    assert not is_learnable(label)


def test_subtypes_and_stages_keep_the_order_that_the_field_counts_them_in() -> None:
    assert order_labels(["L3", "blast", "hem", "L1", "L2"]) == ("hem", "blast", "L1", "L2", "L3")
    stages = ("benign", "[Malignant] early Pre-B", "Malignant Pre", "Pro-B malignant")
    assert order_labels(reversed(stages)) == stages
    assert positive_among(stages) == stages[1:]


def test_numbers_in_labels_count_as_numbers() -> None:
    assert order_labels(["class 10", "class 9", "class"]) == ("class", "class 9", "class 10")


@pytest.mark.parametrize(
    ("label", "sort"),
    [("ALL_L2", "l2"), ("blast l3", "l3"), ("early pre-b", "early"), ("ProB", "pro"), ("blast", None)],
)
def test_the_sort_of_a_leukaemic_cell_is_read_from_its_label(label: str, sort: str | None) -> None:
    assert sort_of(label) == sort


@given(st.lists(st.sampled_from(["blast", "normal", "wbc", "l1", "hem", "ig"]), min_size=1))
def test_negative_labels_come_first_and_positive_ones_last(labels: list[str]) -> None:
    ordered = order_labels(labels)
    assert sorted(ordered) == sorted(set(labels))
    assert [meaning(name) for name in ordered] == sorted(meaning(name) for name in ordered)
    assert ordered[len(ordered) - len(positive_among(ordered)) :] == positive_among(ordered)


def index(*names: str) -> ImageIndex:
    return ImageIndex(map(PurePosixPath, names))


def found(names: tuple[PurePosixPath, ...]) -> list[str]:
    return [name.as_posix() for name in names]


def test_an_image_is_found_by_any_end_of_its_path() -> None:
    images = index("im/A.jpg", "b/im/c.d.png")
    for name in ("A.jpg", "a", "im/A", "./im/a.JPG", "im\\A.jpg"):
        assert found(images.find(name)) == ["im/A.jpg"]
    assert found(images.find("c.d")) == ["b/im/c.d.png"]
    for name in ("", ".", "m/A.jpg", "../A.jpg", "im/../A.jpg", "/im/A.jpg", "A.png", "c"):
        assert found(images.find(name)) == []


def test_among_images_of_one_name_the_nearest_are_meant() -> None:
    images = index("train/images/a.jpg", "test/images/a.jpg")
    assert len(images.find("a")) == 2
    assert found(images.find("a", near=PurePosixPath("test/labels/a.txt"))) == ["test/images/a.jpg"]


def test_tables_may_be_quoted_and_short_and_encoded_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes('\ufeff"Image"\tGROUP\textra\r\n"a b.png"\t7\t\r\n\r\nc\r\n'.encode())
    folder, file = list_folder(tmp_path), PurePosixPath("t.csv")
    columns = {"image": ("image",), "group": ("patient", "group")}
    assert table_has(folder, file, columns)
    assert read_table(folder, file, columns) == [
        {"image": "a b.png", "group": "7"},
        {"image": "c", "group": ""},
    ]
    assert not table_has(folder, file, {"x": ("xmin",)})


def test_a_table_that_is_no_text_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    assert not table_has(list_folder(tmp_path), PurePosixPath("t.csv"), {"image": ("image",)})


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    for name in ("a.png", ".b.png", ".git/c.png", "__MACOSX/d.png", "Thumbs.db"):
        write(tmp_path / name)
    assert [file.as_posix() for file in list_folder(tmp_path).files] == ["a.png"]


def test_a_table_that_no_csv_reader_understands_is_named(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "image,group", "a," + "x" * 200_000)
    with pytest.raises(DatasetUnrecognised, match=r"t\.csv is no table"):
        read_table(list_folder(tmp_path), PurePosixPath("t.csv"), {"image": ("image",)})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path / "closed" / "a.png")
    (tmp_path / "closed").chmod(0)
    with pytest.raises(PathUnusable, match="closed cannot be read"):
        list_folder(tmp_path)


def cell(x: float, y: float, half: int = 20, *, touches_border: bool = False) -> Cell:
    box = (int(x) - half, int(y) - half, int(x) + half, int(y) + half)
    return Cell(x, y, box, 10.0, 60.0, 0.8, 0.9, 0.1, touches_border)


def box(label: str, x: float, y: float, half: float = 25) -> Box:
    return Box(label, x - half, y - half, x + half, y + half)


def test_pairs_are_one_to_one_and_the_nearest_go_first() -> None:
    cells = [cell(100, 100), cell(110, 100), cell(300, 300)]
    assert pair_points(cells, [(108, 100), (500, 500)], radius_px=30) == {1: 0}
    assert pair_boxes(cells, [box("blast", 104, 100), box("normal", 300, 310)]) == {0: 0, 2: 1}


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=8),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=8),
)
def test_no_cell_and_no_annotation_is_paired_twice(
    cells: list[tuple[int, int]], points: list[tuple[int, int]]
) -> None:
    pairs = pair_points([cell(x, y) for x, y in cells], points, radius_px=40)
    assert len(set(pairs.values())) == len(pairs)
    free = set(range(len(points))) - set(pairs.values())
    for c in set(range(len(cells))) - set(pairs):
        for p in free:
            assert (cells[c][0] - points[p][0]) ** 2 + (cells[c][1] - points[p][1]) ** 2 > 40**2


def test_halves_and_clumps_of_annotated_cells_are_doubtful() -> None:
    cells = [cell(100, 100), cell(120, 100), cell(300, 300, half=60), cell(500, 500)]
    points = [(99.0, 100.0), (340.0, 340.0)]
    pairs = pair_points(cells, points, radius_px=25)
    assert pairs == {0: 0}
    assert doubtful_beside_points(cells, points, pairs, radius_px=25) == {1, 2}


def test_annotated_centres_near_the_border_are_not_counted() -> None:
    tally = tally_points([(5, 50), (50, 50), (70, 50)], {0, 1}, width=100, height=100, margin_px=10)
    assert (tally.n_annotated, tally.n_found, tally.n_detected) == (2, 1, 0)


def test_a_detection_on_a_platelet_is_wrong_and_one_on_a_smudge_does_not_count() -> None:
    boxes = [box("wbc", 100, 100), box("platelet", 200, 100), box("smudge", 300, 100), box("wbc", 400, 100)]
    boxes.append(box("wbc", 10, 300))
    cells = [cell(x, 100) for x in (100, 200, 300)] + [cell(300, 300), cell(5, 200, touches_border=True)]
    cells.append(cell(12, 300))
    learnable = [0, 3, 4]
    pairs = {c: learnable[k] for c, k in pair_boxes(cells, [boxes[b] for b in learnable]).items()}
    tally = tally_boxes(cells, boxes, pairs, width=500, height=400)
    assert (tally.n_annotated, tally.n_found) == (2, 1), "the box at the border is left out"
    assert (tally.n_detected, tally.n_right) == (3, 1), "wrong: the platelet and the empty place"


WHITE, YELLOW = (200.0, 200.0, 200.0), (150.0, 190.0, 200.0)


def seen(
    pixel_um: float,
    n_red_cells: int,
    group: str = "",
    side: int = 257,
    lamp: tuple[float, float, float] = WHITE,
) -> Measured:
    source = PixelSizeSource.RED_CELLS if n_red_cells else PixelSizeSource.ASSUMED
    return Measured(PixelSize(pixel_um, source, n_red_cells), side, side, lamp, group)


def test_an_image_with_enough_red_cells_keeps_its_own_scale() -> None:
    scales = settle_scales([seen(0.10, ENOUGH_RED_CELLS), seen(0.20, 300)])
    assert scales.pixel_um == (0.10, 0.20)
    assert scales.n_pooled == 0


def test_few_red_cells_are_pooled_within_size_and_group() -> None:
    a = [seen(0.09, 5, "A"), seen(0.10, 6, "A"), seen(0.17, 1, "A"), seen(0.5, 0, "A")]
    b = [seen(0.20, 7, "B"), seen(0.21, 6, "B")]
    scales = settle_scales([*a, *b])
    assert scales.pixel_um == (0.10, 0.10, 0.10, 0.10, 0.20, 0.20)
    assert (scales.n_pooled, scales.n_assumed) == (6, 0)


def test_wider_pools_serve_where_the_narrow_one_is_empty() -> None:
    scales = settle_scales(
        [
            seen(0.10, 20, "A"),
            seen(0.15, 0, "B"),
            seen(0.15, 2, "A", side=99),
            seen(0.15, 0, "C", side=640),
        ]
    )
    assert scales.pixel_um == (0.10, 0.10, 0.10, 0.15), "own, of its size, of its group, none"
    assert (scales.n_pooled, scales.n_assumed) == (2, 1)


def test_without_groups_the_lamp_tells_which_images_share_a_microscope() -> None:
    one = [seen(0.10, 4, lamp=WHITE)] * SIMILAR_LAMPS
    other = [seen(0.12, 4, lamp=YELLOW)] * SIMILAR_LAMPS
    scales = settle_scales([*one, *other])
    assert scales.pixel_um == (0.10,) * SIMILAR_LAMPS + (0.12,) * SIMILAR_LAMPS


def test_a_given_scale_is_kept() -> None:
    given_scale = Measured(PixelSize(0.06, PixelSizeSource.GIVEN), 0, 0, (0, 0, 0), "")
    assert settle_scales([given_scale, seen(0.1, 20)]).pixel_um == (0.06, 0.1)


def test_half_of_the_images_decide_whether_a_study_holds_crops() -> None:
    assert are_crops([300, 300, 3000], [0.1, 0.1, 0.1])
    assert not are_crops([300, 3000, 3000], [0.1, 0.1, 0.1])
