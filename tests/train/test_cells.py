"""`alltrain cells`: patches as files, read back bit for bit, and what they say of the finder."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import DatasetUnrecognised, GroupsMissing, ImageUnreadable, PathUnusable
from alledge.images import read_image
from alltrain.cells import write_cells
from alltrain.datasets import fingerprint, load_patches
from alltrain.intervals import wilson_interval
from tests.train.smears import draw_crop, draw_field, save, write


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fields with boxes: two cells found, one annotated cell that is not there, one platelet."""
    folder = tmp_path_factory.mktemp("data")
    save(folder / "images" / "a.png", draw_field([(100, 100), (340, 250)]))
    save(folder / "images" / "b.png", draw_field([(200, 130)]))
    write(
        folder / "annotations.csv",
        "image,xmin,ymin,xmax,ymax,label",
        "a.png,70,70,130,130,blast",
        "a.png,310,220,370,280,normal, cell/ü",
        "b.png,20,300,60,340,blast",
        "b.png,170,100,230,160,platelet",
    )
    write(folder / "groups.csv", "image,group", "a,slide 1", "b,slide 2")
    return folder


@pytest.fixture(scope="module")
def out(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "cells"
    write_cells(data, folder)
    return folder


def test_the_folder_is_a_dataset_that_reads_back_bit_for_bit(data: Path, out: Path) -> None:
    cut, read = load_patches(data, allow_no_groups=False), load_patches(out, allow_no_groups=False)
    assert fingerprint(read) == fingerprint(cut)
    for name in ("label_names", "positive_labels", "groups", "patch_ids", "sources", "layout", "notes"):
        assert getattr(read, name) == getattr(cut, name)
    assert (read.grouped, read.is_phantom) == (cut.grouped, cut.is_phantom)
    assert np.array_equal(read.patches, cut.patches)
    assert np.array_equal(read.morphology, cut.morphology)


def test_each_cell_has_a_line_and_a_picture_in_the_folder_of_its_label(out: Path) -> None:
    with (out / "cells.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [row["label"] for row in rows] == ["blast", "normal"]
    assert [row["file"] for row in rows] == [
        "patches/blast/000000-images_a.png_0.png",
        "patches/normal/000001-images_a.png_1.png",
    ]
    assert (rows[0]["source"], rows[0]["group"]) == ("images/a.png", "slide 1")
    assert float(rows[0]["x"]) == pytest.approx(100, abs=2)
    assert float(rows[0]["diameter_um"]) == pytest.approx(11, abs=1)
    assert read_image(out / rows[0]["file"]).shape == (50, 50, 3)


def test_a_cell_that_was_not_found_has_no_morphology_on_disk_either(data: Path, tmp_path: Path) -> None:
    save(tmp_path / "data" / "blast" / "a.png", draw_crop())
    save(tmp_path / "data" / "normal" / "b.png", draw_field([], 160, 160))
    write_cells(tmp_path / "data", tmp_path / "out", allow_no_groups=True)
    read = load_patches(tmp_path / "out", allow_no_groups=False)
    assert read.label_names == ("normal", "blast")
    assert np.isnan(read.morphology).all(axis=1).tolist() == [False, True]
    assert read.morphology[0, 0] == pytest.approx(11, abs=1)


def test_folders_written_before_cells_were_measured_still_read(out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "cells"
    shutil.copytree(out, copy)
    with (copy / "cells.csv").open(encoding="utf-8") as table:
        rows = [[*list(row.values())[:8]] for row in csv.DictReader(table)]
    write(copy / "cells.csv", "patch_id,file,label,group,source,x,y,diameter_um", *map(_line, rows))
    read = load_patches(copy, allow_no_groups=False)
    assert np.isfinite(read.morphology[:, 0]).all()
    assert np.isnan(read.morphology[:, 1:]).all()


def _line(row: list[str]) -> str:
    return ",".join(f'"{value}"' for value in row)


def test_the_finder_is_judged_where_white_cells_are_annotated(out: Path) -> None:
    finder = json.loads((out / "finder.json").read_text())
    assert finder["recall"] == {"value": 2 / 3, "ci95": list(wilson_interval(2, 3)), "n": 3}
    assert finder["precision"] == {"value": 2 / 3, "ci95": list(wilson_interval(2, 3)), "n": 3}
    assert finder["research_use_only"] is True


def test_points_of_blasts_alone_tell_recall_and_no_precision(tmp_path: Path) -> None:
    save(tmp_path / "data" / "im" / "Im001_1.jpg", draw_field([(100, 100), (340, 250)]))
    write(tmp_path / "data" / "xyc" / "Im001_1.xyc", "100\t100")
    report = write_cells(tmp_path / "data", tmp_path / "out", allow_no_groups=True)
    assert (report.recall.successes, report.recall.n, report.precision.n) == (1, 1, 0)
    assert json.loads((tmp_path / "out" / "finder.json").read_text())["precision"] is None
    assert not load_patches(tmp_path / "out", allow_no_groups=False).grouped


def test_a_correction_in_the_table_is_followed(out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "wrapped" / "cells"
    for path in [path for path in out.rglob("*") if path.is_file()]:
        (copy / path.relative_to(out)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(out)).write_bytes(path.read_bytes())
    table = copy / "cells.csv"
    table.write_text(table.read_text().replace(",normal,", ",leukaemic,"))
    patch_set = load_patches(tmp_path, allow_no_groups=False)
    assert patch_set.label_counts == {"blast": 1, "leukaemic": 1}
    assert patch_set.positive_labels == ("blast", "leukaemic")


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("cells.csv", "patches/blast/", "../", "names '../000000"),
        ("cells.csv", "#1", "#0", "lists a patch_id twice"),
        ("cells.csv", ",images/a.png,", ",images/a.png,9,9,much,", "measures 'images/a.png#0' in no numbers"),
        ("cells.csv", "patch_id", "who", "lacks one of the columns"),
        ("patches.json", "plasma-", "older-", "another pixel path"),
        ("patches.json", '"format": 1', '"format": [', "cannot be understood"),
        ("patches.json", '"notes"', '"remarks"', "cannot be understood"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused(
    file: str, old: str, new: str, complaint: str, data: Path, tmp_path: Path
) -> None:
    write_cells(data, tmp_path / "out")
    path = tmp_path / "out" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DatasetUnrecognised, match=complaint):
        load_patches(tmp_path / "out", allow_no_groups=False)


def test_damaged_and_foreign_patches_are_named(data: Path, tmp_path: Path) -> None:
    write_cells(data, tmp_path / "out")
    first = next((tmp_path / "out" / "patches" / "blast").iterdir())
    save(first, draw_crop(64))
    with pytest.raises(DatasetUnrecognised, match=r"a\.png_0\.png is 64 x 64 pixels, not 50 x 50"):
        load_patches(tmp_path / "out", allow_no_groups=False)
    first.write_bytes(first.read_bytes()[:60])
    with pytest.raises(ImageUnreadable, match=first.name):
        load_patches(tmp_path / "out", allow_no_groups=False)


def test_nothing_is_written_when_the_dataset_is_refused(data: Path, tmp_path: Path) -> None:
    save(tmp_path / "data" / "blast" / "a.png", draw_crop())
    with pytest.raises(GroupsMissing):
        write_cells(tmp_path / "data", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_dataset_itself_is_never_written_into(data: Path, tmp_path: Path) -> None:
    for inside in (data, data / "cells"):
        with pytest.raises(PathUnusable, match="lies inside the dataset"):
            write_cells(data, inside)
    write(tmp_path / "out" / "thesis.tex", "years of work")
    with pytest.raises(PathUnusable, match="Name a new folder"):
        write_cells(data, tmp_path / "out")


def test_an_earlier_result_is_replaced(data: Path, tmp_path: Path) -> None:
    for _ in range(2):
        write_cells(data, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_patches_are_not_cut_from_patches(out: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetUnrecognised, match="holds patches already"):
        write_cells(out, tmp_path / "again")
