"""`alltrain compare` as a person types it: a whole small table of shortcuts, and what is refused."""

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from alledge.command_line import run_app
from alltrain import cli
from tests.train.smears import draw_crop, save

N_A_LABEL = 14


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `alltrain ...` in this process; gives (exit status, stdout, stderr)."""

    def run_command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["alltrain", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run_app(cli.app)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run_command


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders in which blasts were photographed under a dimmer, yellower lamp."""
    root = tmp_path_factory.mktemp("lamps") / "study"
    rng = np.random.default_rng(0)
    for label, lamp in (("normal", (1.0, 1.0, 1.0)), ("blast", (0.75, 0.88, 0.9))):
        for index in range(N_A_LABEL):
            noisy = draw_crop().astype(np.float64) * lamp + rng.normal(0, 2, (160, 160, 3))
            picture = cv2.rotate(np.clip(noisy, 0, 255).astype(np.uint8), index % 3)
            save(root / label / f"{label}{index:02d}.png", picture)
    return root


@pytest.fixture(scope="module")
def arguments(data: Path) -> tuple[object, ...]:
    return ("compare", data, "--no-groups", "--systems", "shortcuts", "--folds", 3)


def test_a_lamp_that_tells_the_class_is_seen_by_the_shortcut_rows(run, arguments, tmp_path: Path) -> None:
    status, out, _ = run(*arguments, "--out", tmp_path / "table", "--json")
    rows = {row["key"]: row for row in json.loads(out)["rows"]}
    assert status == 0
    assert set(rows) == {"size", "whole-colour", "background", "rim"}
    assert rows["background"]["figures"]["auroc"]["value"] > 0.95
    assert rows["size"]["figures"]["auroc"]["value"] == 0.5  # all images are of one size
    assert rows["background"]["claim"] is None


def test_the_command_says_in_words_how_systems_rank_and_where_the_page_is(
    run, arguments, tmp_path: Path
) -> None:
    status, out, _ = run(*arguments, "--out", tmp_path / "table")
    assert status == 0
    assert "background" in out
    assert str(tmp_path / "table" / "compare.html") in out
    assert "Research use only" in out
    with (tmp_path / "table" / "compare.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 4


def test_a_finished_table_is_not_overwritten_unasked(run, arguments, tmp_path: Path) -> None:
    assert run(*arguments, "--out", tmp_path / "table")[0] == 0
    status, _, err = run(*arguments, "--out", tmp_path / "table")
    assert status == 2
    assert "--resume" in err
    assert run(*arguments, "--out", tmp_path / "table", "--resume")[0] == 0


def test_an_unknown_system_is_told_before_any_image_is_read(run, data: Path, tmp_path: Path) -> None:
    status, _, err = run("compare", data, "--out", tmp_path / "table", "--systems", "resnet")
    assert status == 2
    assert "resnet is no system of the table" in " ".join(err.split())
    assert not (tmp_path / "table").exists()
