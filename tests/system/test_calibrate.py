"""`alledge calibrate` as a real process: from pictures, and with a person who presses Enter."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from alledge.calibration import load_calibration
from alledge.phantom import PhantomParameters, render_field
from alledge.phantom.bare_slides import render_empty_field, render_micrometer
from tests.system.processes import BIN, Finished, run_command

OPTICS = PhantomParameters(seed=7, width_px=800, height_px=600, n_red_cells=90)


@pytest.fixture(scope="module", name="slides")
def _slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slides")
    cv2.imwrite(str(folder / "1-empty.png"), render_empty_field(OPTICS))
    cv2.imwrite(str(folder / "2-micrometer.png"), render_micrometer(OPTICS, 10.0, 21.0))
    cv2.imwrite(str(folder / "3-smear.png"), render_field(OPTICS).pixels)
    return folder


def calibrated(slides: Path, data: Path, *more: object) -> Finished:
    return run_command("alledge", "calibrate", "--empty", slides / "1-empty.png", "--data", data, *more)


def test_pictures_make_a_calibration_that_the_service_can_read(slides: Path, tmp_path: Path) -> None:
    done = calibrated(
        slides,
        tmp_path / "data",
        *("--micrometer", slides / "2-micrometer.png", "--smear", slides / "3-smear.png", "--json"),
    ).must_succeed()
    told = json.loads(done.out)
    kept = load_calibration(tmp_path / "data")
    assert told["sha256"] == kept.sha256
    assert told["pixel_um"] == kept.pixel_um == pytest.approx(OPTICS.pixel_um, rel=0.001)
    assert (told["width"], told["height"], told["n_marks"] >= 5) == (800, 600, True)
    assert told["clock"] in ("synchronised", "unknown", "wrong")


def test_in_words_it_says_what_it_measured_and_where_it_is(slides: Path, tmp_path: Path) -> None:
    done = calibrated(slides, tmp_path, "--smear", slides / "3-smear.png").must_succeed()
    assert "red cells" in done.out
    assert str(tmp_path / "calibration.json") in done.out
    assert "Research use only" in done.out


@pytest.mark.parametrize("files", [("--micrometer", "3-smear.png"), ("--smear", "1-empty.png"), ()])
def test_wrong_pictures_are_refused_and_leave_nothing(slides: Path, tmp_path: Path, files) -> None:
    arguments = [slides / name if name.endswith(".png") else name for name in files]
    calibrated(slides, tmp_path / "data", *arguments).must_refuse("calibration-refused", status=1)
    assert not (tmp_path / "data").exists()


def test_a_full_disk_keeps_the_old_calibration(slides: Path, tmp_path: Path) -> None:
    calibrated(slides, tmp_path, "--micrometer", slides / "2-micrometer.png").must_succeed()
    before = load_calibration(tmp_path).sha256
    full = run_command(
        *("alledge", "calibrate", "--empty", slides / "1-empty.png", "--data", tmp_path),
        *("--smear", slides / "3-smear.png"),
        file_limit_bytes=2000,
    )
    full.must_refuse("storage-failed", status=1)
    assert load_calibration(tmp_path).sha256 == before


def as_a_person(camera: str, data: Path, keys: str) -> Finished:
    """Answers what is asked for, in order."""
    done = subprocess.run(
        [str(BIN / "alledge"), "calibrate", "--camera", camera, "--data", str(data)],
        input=keys,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def test_a_person_walks_through_it(slides: Path, tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    stage.mkdir()
    shown = [slides / "1-empty.png"] * 8 + [slides / "2-micrometer.png", slides / "3-smear.png"]
    for number, picture in enumerate(shown):
        (stage / f"{number:02d}.png").symlink_to(picture)
    done = as_a_person(f"file:{stage}", tmp_path, "\ny\n\ny\n\n").must_succeed()
    assert "rulings of the stage micrometer" in done.out
    kept = load_calibration(tmp_path)
    assert kept.pixel_um == pytest.approx(OPTICS.pixel_um, rel=0.001)
    assert kept.focus is not None


def test_a_person_who_gives_up_changes_nothing(tmp_path: Path) -> None:
    smear = "phantom:" + ",".join(
        f"{name}={getattr(replace(OPTICS, seed=3), name)}"
        for name in ("width_px", "height_px", "n_red_cells")
    )
    as_a_person(smear, tmp_path, "\nn\n").must_refuse("calibration-refused", status=1)
    assert not list(tmp_path.iterdir())
