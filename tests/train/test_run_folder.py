"""A run is read back as it was written, and one that was tampered with is named, not used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import PathUnusable, RunUnusable
from alltrain.datasets.dataset import fingerprint
from alltrain.fit import Outcome
from alltrain.run_folder import read_run
from tests.train.patch_sets import make_patch_set


def test_a_run_is_read_back_as_it_was_fitted(run_path: Path, outcome: Outcome) -> None:
    study, run = make_patch_set(), read_run(run_path)
    np.testing.assert_array_equal(run.patches, study.patches)
    np.testing.assert_array_equal(run.labels, study.labels)
    assert (run.patch_ids, run.sources, run.groups) == (study.patch_ids, study.sources, study.groups)
    assert run.card.labels == study.label_names
    assert run.card.positive_labels == study.positive_labels
    assert run.card.data_fingerprint == fingerprint(study)
    assert run.card.quantisation is None
    assert run.card.familiarity is not None
    assert run.card.metrics["accuracy"] == outcome.figures["accuracy"].as_json()
    assert run.splits.n_folds == len(run.calibrations) == 3


def test_the_card_carries_the_shipped_models_own_calibration(run_path: Path) -> None:
    run = read_run(run_path)
    shipped = run.metrics["shipped"]
    assert isinstance(shipped, dict)
    calibration = shipped["calibration"]
    assert isinstance(calibration, dict)
    assert calibration["temperature"] == run.card.temperature
    assert calibration["threshold"] == run.card.threshold


def test_roles_of_the_shipped_model_cover_every_patch(run_path: Path) -> None:
    splits = read_run(run_path).splits
    assert (splits.has_role("train", None) ^ splits.has_role("validation", None)).all()
    assert not splits.has_role("test", None).any()


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(PathUnusable, match="no folder"):
        read_run(tmp_path / "nowhere")


def remove(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def cut_short(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        data = (run / name).read_bytes()
        (run / name).write_bytes(data[: len(data) // 2])

    return damage


def drop_a_row(run: Path) -> None:
    rows = (run / "splits.csv").read_text().splitlines()
    (run / "splits.csv").write_text("\n".join(rows[:-1]) + "\n")


def rename_a_role(run: Path) -> None:
    text = (run / "splits.csv").read_text()
    (run / "splits.csv").write_text(text.replace("validation", "trial"))


def forget_a_fold(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["folds"].pop()
    (run / "metrics.json").write_text(json.dumps(metrics))


def forget_a_calibration(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["folds"][0]["calibration"]
    (run / "metrics.json").write_text(json.dumps(metrics))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (remove("metrics.json"), "no finished run"),
        (remove("card.json"), "card.json"),
        (remove("patches.npz"), "patches.npz"),
        (remove("splits.csv"), "splits.csv"),
        (cut_short("metrics.json"), "metrics.json"),
        (cut_short("card.json"), "card.json"),
        (cut_short("patches.npz"), "patches.npz"),
        (drop_a_row, "different runs"),
        (rename_a_role, "role"),
        (forget_a_fold, "different runs"),
        (forget_a_calibration, "calibration"),
    ],
)
def test_a_run_that_lacks_a_part_is_refused_and_the_part_named(
    damage: Callable[[Path], None], named: str, run_path: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_path, run)
    damage(run)
    with pytest.raises(RunUnusable, match=named):
        read_run(run)


@pytest.mark.parametrize("name", ["model.keras", "folds/fold_1.keras"])
def test_a_damaged_model_is_refused_when_it_is_loaded(name: str, run_path: Path, tmp_path: Path) -> None:
    run_copy = tmp_path / "run"
    shutil.copytree(run_path, run_copy)
    cut_short(name)(run_copy)
    run = read_run(run_copy)
    with pytest.raises(RunUnusable, match="Keras model"):
        run.load_model(None if name == "model.keras" else 1)


def test_a_missing_course_is_refused(run_path: Path, tmp_path: Path) -> None:
    run_copy = tmp_path / "run"
    shutil.copytree(run_path, run_copy)
    (run_copy / "folds" / "fold_2.npz").unlink()
    with pytest.raises(RunUnusable, match="fold_2"):
        read_run(run_copy).course(2)
