"""What clumsy hands, damaged files and full disks get: one line that says what to do, nothing half done."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.system.processes import Finished, run_command


def images_in(folder: Path) -> list[Path]:
    return sorted((folder / "images").iterdir())


@pytest.mark.parametrize("name", ["text.jpg", "empty.jpg", "cut.jpg", "zeros.png"])
def test_a_corrupt_image(name: str, study: Path, tmp_path: Path) -> None:
    content = {
        "text.jpg": b"these are not pixels",
        "empty.jpg": b"",
        "cut.jpg": images_in(study)[0].read_bytes()[:3000],
        "zeros.png": bytes(4096),
    }[name]
    (tmp_path / name).write_bytes(content)
    run_command("alledge", "snap", "--camera", f"file:{tmp_path / name}").must_refuse("image-unreadable")


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    run_command("alledge", "snap", "--camera", f"file:{tmp_path}/nothing.jpg").must_refuse("path-unusable")


def test_no_camera_on_this_machine() -> None:
    run_command("alledge", "snap").must_refuse("camera-unavailable")
    run_command("alledge", "snap", "--camera", "v4l2:/dev/video97").must_refuse("camera-unavailable")


def test_an_empty_folder(tmp_path: Path) -> None:
    run_command("alledge", "scan", tmp_path, "--out", tmp_path / "r.jsonl").must_refuse("folder-empty")
    run_command("alltrain", "fit", tmp_path, "--out", tmp_path / "run").must_refuse("folder-empty")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_no_known_layout(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letter.txt").write_text("Dear colleague,")
    run = tmp_path / "run"
    done = run_command("alltrain", "fit", tmp_path / "data", "--out", run)
    done.must_refuse("dataset-unrecognised")
    assert not run.exists()


def class_folders(root: Path, source: Path, counts: dict[str, int]) -> Path:
    """Class folders with cell crops from the study's first fields; groups are given."""
    rows = ["image,group"]
    crops = [
        np.ascontiguousarray(cv2.imread(str(path))[y : y + 300, x : x + 300])
        for path in images_in(source)[:4]
        for y in (0, 300)
        for x in (0, 300, 600)
    ]
    for label, n in counts.items():
        (root / label).mkdir(parents=True)
        for i in range(n):
            cv2.imwrite(str(root / label / f"{label}{i}.png"), crops[i])
            rows.append(f"{label}{i}.png,g{i % 3}")
    (root / "groups.csv").write_text("\n".join(rows))
    return root


def test_one_class_only(study: Path, tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data", study, {"blast": 24})
    run_command("alltrain", "fit", data, "--out", tmp_path / "run").must_refuse("one-class-only")


def test_three_images(study: Path, tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data", study, {"blast": 2, "normal": 1})
    run_command("alltrain", "fit", data, "--out", tmp_path / "run").must_refuse("dataset-too-small")


def test_images_whose_patients_are_unknown(study: Path, tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data", study, {"blast": 12, "normal": 12})
    (data / "groups.csv").unlink()
    done = run_command("alltrain", "fit", data, "--out", tmp_path / "run").must_refuse("groups-missing")
    assert "--no-groups" in done.err
    assert "groups.csv" in done.err


def test_a_run_is_never_overwritten(study: Path, run_folder: Path) -> None:
    before = sorted(path.name for path in run_folder.iterdir())
    run_command("alltrain", "fit", study, "--out", run_folder).must_refuse("path-unusable")
    assert sorted(path.name for path in run_folder.iterdir()) == before


@pytest.mark.parametrize("position", [0.0, 0.01, 0.5, 0.97, 0.999])
def test_a_model_with_one_flipped_byte(position: float, model: Path, tmp_path: Path) -> None:
    data = bytearray(model.read_bytes())
    data[int(position * (len(data) - 1))] ^= 0x10
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(data)
    done = run_command("alledge", "snap", "--camera", "phantom:seed=1", "--model", damaged)
    assert done.status == 2
    assert "error[model-" in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_file_that_is_no_model(study: Path, tmp_path: Path) -> None:
    snap = ("alledge", "snap", "--camera", "phantom:seed=1", "--model")
    run_command(*snap, images_in(study)[0]).must_refuse("model-unreadable")
    run_command(*snap, tmp_path / "none.tflite").must_refuse("path-unusable")


def test_a_disk_that_fills_up_while_scanning(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    scan = run_command("alledge", "scan", study / "images", "--out", out, file_limit_bytes=2000)
    scan.must_refuse("storage-failed", status=1)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_while_snapping(tmp_path: Path, snap: Callable[..., Finished]) -> None:
    done = run_command(
        "alledge", "snap", "--camera", "phantom:seed=1", "--out", tmp_path, file_limit_bytes=30_000
    )
    done.must_refuse("storage-failed", status=1)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_while_quantising(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.tflite"
    quantize = ("allconvert", "quantize", run_folder, "--out", out, "--margin", 0.2)
    run_command(*quantize, file_limit_bytes=20_000).must_refuse("storage-failed", status=1)
    assert not list(tmp_path.iterdir())


def test_a_folder_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    done = run_command("alledge", "snap", "--camera", "phantom:seed=1", "--out", tmp_path / "out")
    done.must_refuse("path-unusable")
    assert (tmp_path / "out").read_text() == "in the way"


def test_doctor_looks_at_a_folder_named_from_where_one_stands(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    told = run_command("alledge", "doctor", "--all", "--data", "data", cwd=tmp_path).out
    assert f"{tmp_path / 'data'}" in told
    assert "There is no" not in next(line for line in told.splitlines() if "data-folder:" in line)


def test_a_name_with_escape_codes_reaches_no_terminal_as_such(tmp_path: Path) -> None:
    done = run_command("alledge", "scan", tmp_path / "gone\x1b[2J\u202e", "--out", tmp_path / "r.jsonl")
    done.must_refuse("path-unusable")
    assert "\x1b" not in done.err
    assert "\u202e" not in done.err
