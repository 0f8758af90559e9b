"""The whole path by the commands a user types: smears in, a verified int8 model, a classified field."""

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from tests.system.conftest import fields_of
from tests.system.processes import Finished, run_command


def test_a_run_holds_every_file_of_the_design(run_folder: Path) -> None:
    names = {path.name for path in run_folder.iterdir()}
    tables = {"splits.csv", "predictions.csv"}
    assert names >= tables | {"model.keras", "metrics.json", "report.html", "card.json", "config.json"}


def test_every_figure_of_a_run_has_its_interval(run_folder: Path) -> None:
    figures = json.loads((run_folder / "metrics.json").read_text())
    for name in ("accuracy", "sensitivity", "specificity", "auroc"):
        low, high = figures[name]["ci95"]
        assert low <= figures[name]["value"] <= high
        assert figures[name]["n"] > 0
        assert figures[name]["n_groups"] > 1


def test_no_group_is_ever_on_both_sides_of_a_split(run_folder: Path) -> None:
    folds: dict[str, set[str]] = {}
    with (run_folder / "splits.csv").open() as file:
        for row in csv.DictReader(file):
            folds.setdefault(row["group"], set()).add(row["fold"])
    assert len(folds) > 1
    assert all(len(held_out) == 1 for held_out in folds.values())


def test_the_reports_load_nothing_from_elsewhere_and_say_what_they_are_for(
    run_folder: Path, model: Path
) -> None:
    for report in (run_folder / "report.html", model.with_name("model.fidelity.html")):
        text = report.read_text()
        assert "Research use only" in text
        assert "phantom" in text.lower()
        assert 'src="http' not in text
        assert '<link rel="stylesheet"' not in text


def test_the_model_is_one_file_that_any_zip_tool_lists(model: Path) -> None:
    with zipfile.ZipFile(model) as archive:
        assert set(archive.namelist()) == {"card.json", "golden.npz"}
    assert model.read_bytes()[4:8] == b"TFL3"


def test_the_golden_vectors_hold_on_every_runtime_that_is_installed(model: Path) -> None:
    run_command("allconvert", "verify", model).must_succeed()


def test_snap_prints_one_field_bound_to_its_model(model: Path, snap: Callable[..., Finished]) -> None:
    record = json.loads(snap("--camera", "phantom:seed=77", "--json").must_succeed().out)
    assert record["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert len(record["cells"]) > 0
    for cell in record["cells"]:
        assert cell["label"] in {"blast", "normal"}
        assert sum(cell["p"].values()) == pytest.approx(1, abs=1e-3)


def test_snap_leaves_a_picture_the_frame_and_the_field(tmp_path: Path, snap: Callable[..., Finished]) -> None:
    done = snap("--camera", "phantom:seed=77", "--out", tmp_path / "new" / "folder").must_succeed()
    assert "fitted on rendered images: its calls say nothing about any blood" in done.out
    folder = tmp_path / "new" / "folder"
    picture = cv2.imread(str(next(folder.glob("*.annotated.jpg"))))
    frame = cv2.imread(str(next(folder.glob("*phantom-seed-77.png"))))
    assert picture.shape[0] > frame.shape[0]
    assert json.loads(next(folder.glob("*.json")).read_text())["width"] == frame.shape[1]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_scan_gives_one_line_an_image_in_the_same_words_as_snap(
    study: Path, model: Path, tmp_path: Path, snap: Callable[..., Finished]
) -> None:
    out = tmp_path / "results.jsonl"
    run_command("alledge", "scan", study / "images", "--model", model, "--out", out).must_succeed()
    images = sorted((study / "images").iterdir())
    fields = fields_of(out)
    assert [field["source"] for field in fields] == [str(path) for path in images]
    assert fields[0] == json.loads(snap("--camera", f"file:{images[0]}", "--json").must_succeed().out)


def test_scan_goes_on_past_a_corrupt_image_and_tells_of_it_at_the_end(study: Path, tmp_path: Path) -> None:
    good = next((study / "images").iterdir())
    (tmp_path / "a.jpg").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "b.jpg").write_bytes(good.read_bytes())
    done = run_command("alledge", "scan", tmp_path, "--out", tmp_path / "r.jsonl")
    assert done.status == 2
    assert "a.jpg" in done.err
    assert len(fields_of(tmp_path / "r.jsonl")) == 1


WHITE_CELLS = ("lymphocytes", "neutrophils", "monocytes", "blasts_l1", "blasts_l2", "blasts_l3")
OTHERS = ("red_cells", "platelets", "smudges", "specks")
EMPTY_SLIDE = ",".join(f"n_{kind}=0" for kind in (*WHITE_CELLS, *OTHERS))


@pytest.mark.parametrize(
    ("spec", "verdict"),
    [
        ("defocus_um=6", "out of focus"),
        ("exposure=0.1", "too dark"),
        ("exposure=2.5", "saturated"),
        (EMPTY_SLIDE, "no smear"),
    ],
)
def test_a_bad_field_gets_a_name_and_no_cells(spec: str, verdict: str, snap: Callable[..., Finished]) -> None:
    record = json.loads(snap("--camera", f"phantom:seed=3,{spec}", "--json").must_succeed().out)
    assert record["quality"]["verdict"] == verdict
    assert record["cells"] == []
