"""The command as a person types it: quick to help, one line when something is wrong, JSON when asked."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from alledge.command_line import run_app
from alltrain import admission, cli
from alltrain import fit as fitting
from alltrain.datasets import loading
from alltrain.datasets.dataset import PatchSet
from alltrain.fit import Outcome
from alltrain.judged_again import Asked
from alltrain.plan import Settings
from tests.train.patch_sets import make_patch_set

HEAVY = ("numpy", "cv2", "keras", "tensorflow", "matplotlib", "jinja2", "rich", "sklearn", "scipy", "pandas")


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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> list[tuple[Path, Settings, bool]]:
    """What the command asks of `fit`, which answers with a run that is there already."""
    calls: list[tuple[Path, Settings, bool]] = []

    def fit_at_once(patch_set, out: Path, settings: Settings, resume: bool, progress, *rest) -> Outcome:
        calls.append((out, settings, resume))
        progress("fold 1 of 2", 1, 1)
        return outcome

    monkeypatch.setattr(loading, "load_patches", lambda *arguments, **options: make_patch_set())
    monkeypatch.setattr(fitting, "fit", fit_at_once)
    monkeypatch.setattr(admission, "admit", admit_at_once)
    return calls


def admit_at_once(data: Path, patch_set: PatchSet, *rest, **options) -> SimpleNamespace:
    """An audit that finds nothing."""
    return SimpleNamespace(patch_set=patch_set, audit=None)


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = f"import sys, alltrain.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_says_what_each_command_is_for(run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for words in ("audit", "fit", "evaluate", "compare", "cells", "phantom", "Research use only"):
        assert words in out


def test_options_reach_the_fit(run, asked, tmp_path: Path) -> None:
    options = ["--model", "seed", "--folds", 4, "--epochs", 7, "--seed", 3, "--resume"]
    assert run("fit", tmp_path, "--out", tmp_path / "run", *options)[0] == 0
    (out, settings, resume) = asked[0]
    assert (out, resume, settings.n_folds) == (tmp_path / "run", True, 4)
    assert (settings.recipe.model, settings.recipe.epochs, settings.recipe.seed) == ("seed", 7, 3)


def test_other_seeds_and_random_folds_reach_the_fit(
    run, asked, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, tmp_path: Path
) -> None:
    wanted: list[object] = []
    monkeypatch.setattr(fitting, "fit", lambda *arguments: wanted.append(arguments[-1]) or outcome)
    assert run("fit", tmp_path, "--out", tmp_path / "run", "--repeats", 4, "--show-inflation")[0] == 0
    assert run("fit", tmp_path, "--out", tmp_path / "other")[0] == 0
    assert wanted == [Asked(4, random_folds=True), Asked()]


def test_a_fit_in_json_prints_one_object_and_nothing_else(run, asked, run_path: Path, tmp_path: Path) -> None:
    status, out, _ = run("fit", tmp_path, "--out", tmp_path / "run", "--json")
    record = json.loads(out)
    stored = json.loads((run_path / "metrics.json").read_text())
    assert status == 0
    assert record["figures"]["accuracy"] == stored["accuracy"]
    assert record["research_use_only"] is True


def test_a_fit_says_in_words_how_good_it_is_and_where_the_report_lies(
    run, asked, run_path: Path, tmp_path: Path
) -> None:
    status, out, err = run("fit", tmp_path, "--out", tmp_path / "run")
    assert status == 0
    assert "accuracy" in out
    assert "95 %" in out
    assert str(run_path / "report.html") in out
    assert "fold 1 of 2" in err


def test_an_interrupted_fit_says_how_to_go_on(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(patch_set, out: Path, *rest) -> Outcome:
        (out / "folds").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "load_patches", lambda *arguments, **options: make_patch_set())
    monkeypatch.setattr(admission, "admit", admit_at_once)
    monkeypatch.setattr(fitting, "fit", interrupted)
    status, _, err = run("fit", tmp_path, "--out", tmp_path / "run")
    assert status == 130
    assert "--resume" in err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--model", "resnet"], "smearnet, seed"),
        (["--folds", 1], "--folds"),
        (["--epochs", 0], "--epochs"),
    ],
)
def test_a_wrong_option_is_named_before_any_work(
    run, tmp_path: Path, arguments: list[object], named: str
) -> None:
    status, _, err = run("fit", tmp_path, "--out", tmp_path / "run", *arguments)
    assert status == 2
    assert named in err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken_is_refused_before_images_are_read(run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    status, out, err = run("fit", tmp_path / "no-such-data", "--out", tmp_path / "run")
    assert (status, out) == (2, "")
    assert err.startswith("error[path-unusable]: ")
    assert "--resume" in err


def test_a_study_of_one_class_is_one_line_on_standard_error(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = make_patch_set(label_names=("blast",))
    monkeypatch.setattr(loading, "load_patches", lambda *arguments, **options: alone)
    status, out, err = run("fit", tmp_path, "--out", tmp_path / "run")
    assert (status, out) == (2, "")
    lines = [line for line in err.splitlines() if line.strip()]
    assert lines[-1].startswith("error[one-class-only]: All 36 cells are labelled blast.")
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_a_phantom_study_is_written_and_says_what_it_is_not(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[int, int]] = []

    def write_study(out: Path, n_fields: int, seed: int, progress, *, by_kind: bool) -> int:
        asked.append((n_fields, seed))
        assert not by_kind
        progress(n_fields, n_fields)
        return 40

    monkeypatch.setattr("alltrain.phantom_study.write_study", write_study)
    status, out, _ = run("phantom", tmp_path / "study", "--fields", 3, "--seed", 8)
    assert (status, asked) == (0, [(3, 8)])
    assert "nothing about clinical performance" in out
    status, out, _ = run("phantom", tmp_path / "study", "--fields", 3, "--json")
    assert json.loads(out)["cells"] == 40


def test_cells_says_how_well_the_finder_did(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from alltrain.cells import FINDER_FILE, CellsReport, Proportion

    def write_cells(data: Path, out: Path, *, allow_no_groups: bool, progress) -> CellsReport:
        out.mkdir(exist_ok=True)
        (out / FINDER_FILE).write_text('{"n_images": 2}\n')
        return CellsReport(
            out, "made", 2, {"normal": 3, "blast": 5}, Proportion(8, 9), Proportion(8, 8), ("n",)
        )

    monkeypatch.setattr("alltrain.cells.write_cells", write_cells)
    status, out, _ = run("cells", tmp_path, tmp_path / "out")
    assert status == 0
    assert "3 normal, 5 blast" in out
    assert "8 of 9" in out
    status, out, _ = run("cells", tmp_path, tmp_path / "out", "--json")
    assert json.loads(out) == {"n_images": 2}


def test_fitting_leaves_standard_error_to_the_progress_bars(tmp_path: Path) -> None:
    """TensorFlow's own start-up lines would bury them."""
    code = (
        "import numpy; from alltrain.backend import load_keras; from alltrain.models import MODELS;"
        "from alltrain.training import predict_logits; load_keras();"
        "predict_logits(MODELS['smearnet'](2), numpy.zeros((1, 50, 50, 3), 'uint8'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
