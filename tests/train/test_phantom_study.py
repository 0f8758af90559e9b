"""A phantom study on disk: the layout of a real one, marked for what it is, whole or not there."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.errors import PathUnusable
from alledge.phantom import parameters_for_slide, render_field
from alltrain.phantom_study import slide_of_field, write_study


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "study"
    write_study(out, 2, seed=5)
    return out


def test_a_study_has_images_boxes_groups_truth_and_a_mark(study: Path) -> None:
    names = {path.name for path in study.iterdir()}
    assert names == {"images", "annotations.csv", "groups.csv", "truth.json", "PHANTOM.txt"}
    images = sorted(path.name for path in (study / "images").iterdir())
    assert images == ["slide00_field00.jpg", "slide01_field00.jpg"]
    assert rows(study / "groups.csv") == [
        {"image": "slide00_field00.jpg", "group": "slide00"},
        {"image": "slide01_field00.jpg", "group": "slide01"},
    ]


def test_the_mark_says_that_nothing_clinical_follows(study: Path) -> None:
    text = (study / "PHANTOM.txt").read_text(encoding="utf-8")
    assert "rendered" in text
    assert "clinical\nperformance" in text


def test_the_images_are_the_rendered_fields(study: Path) -> None:
    field = render_field(parameters_for_slide(5, 1, 0))
    written = np.asarray(cv2.imread(str(study / "images" / "slide01_field00.jpg")))
    assert np.array_equal(written, field.pixels)


def test_boxes_lie_in_the_frame_and_about_their_cells(study: Path) -> None:
    truth = {entry["image"]: entry for entry in json.loads((study / "truth.json").read_text())["fields"]}
    boxes = rows(study / "annotations.csv")
    assert len(boxes) == sum(len(entry["cells"]) for entry in truth.values())
    for name, entry in truth.items():
        mine = [box for box in boxes if box["image"] == name]
        for box, cell in zip(mine, entry["cells"], strict=True):
            assert 0 <= int(box["xmin"]) <= cell["x"] < int(box["xmax"]) <= entry["parameters"]["width_px"]
            assert 0 <= int(box["ymin"]) <= cell["y"] < int(box["ymax"]) <= entry["parameters"]["height_px"]
            assert box["kind"] == cell["kind"]
            assert box["label"] == (cell["label"] or cell["kind"])


def test_labels_are_blast_normal_platelet_and_smudge(study: Path) -> None:
    labels = {box["label"] for box in rows(study / "annotations.csv")}
    assert {"blast", "normal"} <= labels <= {"blast", "normal", "platelet", "smudge"}


def test_truth_holds_every_outline_and_every_parameter(study: Path) -> None:
    first = json.loads((study / "truth.json").read_text())["fields"][0]
    assert first["parameters"]["seed"] == parameters_for_slide(5, 0, 0).seed
    assert len(first["red_cells"]) == first["parameters"]["n_red_cells"]
    for cell in first["cells"] + first["red_cells"]:
        assert len(cell["outline"]) >= 8
    assert all(("nucleus_outline" in cell) == (cell["label"] is not None) for cell in first["cells"])


def test_the_same_seed_gives_the_same_bytes_and_replaces_the_study(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    write_study(out, 1, seed=9)
    write_study(out, 2, seed=5)
    assert contents(out) == contents(study)


def test_the_cells_counted_are_the_labelled_nucleated_ones(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    n_cells = write_study(tmp_path / "s", 1, seed=1, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 1)]
    boxes = rows(tmp_path / "s" / "annotations.csv")
    assert n_cells == sum(box["label"] in ("blast", "normal") for box in boxes) >= 20


def test_a_folder_of_the_users_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(PathUnusable):
        write_study(tmp_path, 1, seed=1)
    assert contents(tmp_path) == {"thesis.txt": b"chapter 1"}


def test_a_study_of_no_fields_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PathUnusable, match="one field or more"):
        write_study(tmp_path / "s", 0, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_is_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    def pulled_plug(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_study(tmp_path / "s", 1, seed=1, progress=pulled_plug)
    assert list(tmp_path.iterdir()) == []


@given(st.integers(1, 400))
def test_fields_are_dealt_to_slides_in_order_without_gaps(n_fields: int) -> None:
    dealt = [slide_of_field(i, n_fields) for i in range(n_fields)]
    slides = sorted({slide for slide, _ in dealt})
    assert slides == list(range(len(slides)))
    assert len(slides) >= min(6, n_fields)
    for slide in slides:
        on_slide = [field for s, field in dealt if s == slide]
        assert on_slide == list(range(len(on_slide)))
    assert dealt == sorted(dealt)


def test_labelled_by_kind_a_study_has_the_kinds_for_labels_and_the_same_pictures(
    study: Path, tmp_path: Path
) -> None:
    n_cells = write_study(tmp_path / "s", 2, seed=5, by_kind=True)
    boxes = rows(tmp_path / "s" / "annotations.csv")
    assert all(box["label"] == box["kind"] for box in boxes)
    assert {"blast_l1", "lymphocyte"} <= {box["label"] for box in boxes}
    assert n_cells == sum(box["label"] in ("blast", "normal") for box in rows(study / "annotations.csv"))
    assert (
        contents(tmp_path / "s")["images/slide00_field00.jpg"]
        == contents(study)["images/slide00_field00.jpg"]
    )
