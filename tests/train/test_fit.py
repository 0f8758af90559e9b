"""A fit judges every cell by a model that never saw its group, and goes on where it was cut short."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import DatasetTooSmall, OneClassOnly, PathUnusable, RunUnusable, StorageFailed
from alltrain import run_folder
from alltrain.fit import Outcome, fit
from alltrain.plan import Settings, plan_splits
from alltrain.run_folder import read_run
from alltrain.training import Recipe, Trainer
from tests.train.conftest import BRIEF, BRIEF_RECIPE
from tests.train.patch_sets import make_patch_set

EVERY_FILE = {
    "card.json", "config.json", "folds", "metrics.json", "model.keras", "patches.npz", "predictions.csv",
    "report.html", "splits.csv", "slides.csv", "model_card.md", "provenance.json",
}  # fmt: skip


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_holds_every_file_and_no_other(run_path: Path) -> None:
    assert {path.name for path in run_path.iterdir()} == EVERY_FILE
    models = {f"fold_{fold}.{kind}" for fold in range(3) for kind in ("keras", "npz")}
    assert {path.name for path in (run_path / "folds").iterdir()} == models | {"shipped.npz"}


def test_every_patch_is_tested_once_by_a_model_that_never_saw_its_group(run_path: Path) -> None:
    rows = rows_of(run_path / "splits.csv")
    for fold in range(3):
        tested = {row["group"] for row in rows if row[f"fold_{fold}"] == "test"}
        seen = {row["group"] for row in rows if row[f"fold_{fold}"] != "test"}
        assert tested
        assert not tested & seen
    for row in rows:
        assert [row[f"fold_{fold}"] for fold in range(3)].count("test") == 1
        assert row[f"fold_{row['fold']}"] == "test"
        assert row["shipped_role"] in {"train", "validation"}


def test_predictions_are_those_of_the_model_that_held_the_patch_out(run_path: Path) -> None:
    run = read_run(run_path)
    for index, row in enumerate(rows_of(run_path / "predictions.csv")):
        assert row["patch_id"] == run.patch_ids[index]
        logits = run.course(int(row["fold"])).logits[index]
        found = [float(row["logit_normal"]), float(row["logit_blast"])]
        np.testing.assert_allclose(found, logits, atol=1e-5)
        assert float(row["p_normal"]) + float(row["p_blast"]) == pytest.approx(1, abs=1e-5)
        threshold = run.calibrations[int(row["fold"])].threshold
        assert threshold is not None
        assert (row["call"] == "blast") == (float(row["p_blast"]) >= threshold)


def test_figures_can_be_counted_again_from_the_predictions(run_path: Path, outcome: Outcome) -> None:
    rows = rows_of(run_path / "predictions.csv")
    figures = json.loads((run_path / "metrics.json").read_text())
    right = sum(row["call"] == row["label"] for row in rows) / len(rows)
    assert figures["accuracy"]["value"] == pytest.approx(right, abs=1e-6)
    assert outcome.figures["accuracy"].value == pytest.approx(right)
    assert (figures["accuracy"]["n"], figures["accuracy"]["n_groups"]) == (72, 6)
    blasts = [row for row in rows if row["label"] == "blast"]
    found = sum(row["call"] == "blast" for row in blasts) / len(blasts)
    assert figures["sensitivity"]["value"] == pytest.approx(found, abs=1e-6)
    assert sum(map(sum, figures["confusion"]["rows_are_truth"])) == len(rows)


def test_saved_logits_are_those_of_the_saved_models(run_path: Path) -> None:
    from alltrain.training import predict_logits

    run = read_run(run_path)
    for fold in (None, 1):
        np.testing.assert_allclose(
            predict_logits(run.load_model(fold), run.patches), run.course(fold).logits, rtol=1e-4, atol=1e-4
        )


def test_each_model_is_calibrated_on_its_own_validation_patches_only(run_path: Path) -> None:
    from alltrain.calibration import calibrate

    run = read_run(run_path)
    for fold, stored in enumerate(run.calibrations):
        held = run.splits.has_role("validation", fold)
        again = calibrate(run.course(fold).logits[held], run.labels[held], (1,))
        assert stored.temperature == pytest.approx(again.temperature)
        assert stored.threshold == pytest.approx(again.threshold)


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    settings = Settings(BRIEF_RECIPE, n_folds=2)
    study = make_patch_set(n_groups=2)
    first, again = (fit(study, tmp_path / name, settings) for name in ("a", "b"))
    for name in ("metrics.json", "predictions.csv", "splits.csv"):
        assert (first.out / name).read_bytes() == (again.out / name).read_bytes()


def test_an_interrupted_fit_goes_on_with_the_models_that_are_finished(
    tmp_path: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    fit_one, fitted = Trainer.fit, []

    def interrupted_at_the_third(*arguments, **options):
        if len(fitted) == 2:
            raise KeyboardInterrupt
        fitted.append(1)
        return fit_one(*arguments, **options)

    monkeypatch.setattr(Trainer, "fit", interrupted_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        fit(make_patch_set(), out, BRIEF)
    with pytest.raises(RunUnusable, match="no finished run"):
        read_run(out)
    with pytest.raises(PathUnusable, match="--resume"):
        fit(make_patch_set(), out, BRIEF)

    fitted.clear()
    monkeypatch.setattr(Trainer, "fit", lambda *a, **o: fitted.append(1) or fit_one(*a, **o))
    resumed = fit(make_patch_set(), out, BRIEF, resume=True)
    assert len(fitted) == 2
    assert resumed.figures == outcome.figures
    assert (out / "metrics.json").read_bytes() == (outcome.out / "metrics.json").read_bytes()


@pytest.mark.parametrize(
    ("study", "settings", "differing"),
    [
        (make_patch_set(seed=9), BRIEF, "fingerprint"),
        (make_patch_set(), Settings(replace(BRIEF_RECIPE, epochs=3), 3), "recipe"),
    ],
)
def test_a_run_is_not_resumed_with_other_data_or_settings(
    tmp_path: Path, run_path: Path, study, settings: Settings, differing: str
) -> None:
    (tmp_path / "config.json").write_bytes((run_path / "config.json").read_bytes())
    with pytest.raises(RunUnusable, match=differing):
        fit(study, tmp_path, settings, resume=True)


def test_a_folder_that_holds_something_else_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(PathUnusable, match="not empty"):
        fit(make_patch_set(), tmp_path, BRIEF)
    with pytest.raises(RunUnusable, match=r"config\.json"):
        fit(make_patch_set(), tmp_path, BRIEF, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_study_that_cannot_be_judged_leaves_nothing_behind(tmp_path: Path) -> None:
    alone = make_patch_set(label_names=("blast",))
    with pytest.raises(OneClassOnly):
        fit(alone, tmp_path / "run", BRIEF)
    with pytest.raises(DatasetTooSmall):
        fit(make_patch_set(n_groups=2, per_label=3), tmp_path / "run", BRIEF)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_said_in_one_line_and_leaves_no_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise StorageFailed(f"{path} could not be written (No space left on device).", "Free space there.")

    monkeypatch.setattr(run_folder, "write_whole", full)
    with pytest.raises(StorageFailed, match="No space left"):
        fit(make_patch_set(), tmp_path / "run", BRIEF)
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_four_sessions_two_of_them_without_blasts_can_be_judged() -> None:
    """As in ALL-IDB1: figures are pooled over folds, since a test fold may lack a class."""
    study = make_patch_set(n_groups=4)
    normal_only = [
        g in ("slide00", "slide02") and label == 1
        for g, label in zip(study.groups, study.labels, strict=True)
    ]
    keep = ~np.array(normal_only)
    study = replace(
        study,
        patches=study.patches[keep],
        labels=study.labels[keep],
        morphology=study.morphology[keep],
        groups=tuple(g for g, k in zip(study.groups, keep, strict=True) if k),
        sources=tuple(s for s, k in zip(study.sources, keep, strict=True) if k),
        patch_ids=tuple(p for p, k in zip(study.patch_ids, keep, strict=True) if k),
    )
    plan = plan_splits(study, Settings(Recipe(), 5))
    assert plan.splits.n_folds == 4
    assert any("4 folds instead of 5" in note for note in plan.notes)
    for fold in range(4):
        assert set(study.labels[plan.splits.has_role("train", fold)]) == {0, 1}
        assert set(study.labels[plan.splits.has_role("validation", fold)]) == {0, 1}


def test_classes_without_a_positive_label_are_judged_too(tmp_path: Path) -> None:
    study = make_patch_set(2, 8, ("lymphocyte", "monocyte", "neutrophil"), positive_labels=())
    settings = Settings(BRIEF_RECIPE, n_folds=2)
    outcome = fit(study, tmp_path / "run", settings)
    assert outcome.figures["sensitivity"].value is None
    assert outcome.figures["macro_auroc"].value is not None
    run = read_run(outcome.out)
    assert (run.card.threshold, run.card.review_band) == (None, None)
    assert "Macro" in (outcome.out / "report.html").read_text()
