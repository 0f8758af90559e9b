"""Other seeds and random folds: the same recipe, judged again, taken up after an interruption."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import RunUnusable
from alltrain.cross_validation import cross_validate
from alltrain.distribution import ALONE
from alltrain.fold_models import Job, untold
from alltrain.inflation import FIGURES, Inflation, scattered, show_inflation
from alltrain.judged_again import NOTHING, Again, Asked, judge_again
from alltrain.judging import judge
from alltrain.metrics import score
from alltrain.pages import page_environment
from alltrain.plan import Settings, plan_splits
from alltrain.repeats import HEADLINES, SEED_STEP, Repeats, repeat, seeds_of
from alltrain.training import Recipe, Trainer
from tests.train.patch_sets import make_patch_set

BRIEF = Settings(Recipe(epochs=1, least_patches_an_epoch=32, seed=3), n_folds=2)


@pytest.fixture(scope="module")
def study():
    return make_patch_set(n_groups=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("again")


@pytest.fixture(scope="module")
def judged(study, folder: Path):
    """The run itself: predictions, figures and the fold of every patch."""
    own = cross_validate(study, BRIEF, folder / "own")
    return own, score(own.out_of_fold.predictions, BRIEF.recipe.seed)


@pytest.fixture(scope="module")
def job(study, folder: Path, judged) -> Job:
    return Job(study, folder / "own", BRIEF, judged[0].plan, untold, None, ALONE, tensorboard=False)


@pytest.fixture(scope="module")
def repeats(job: Job, folder: Path, judged) -> Repeats:
    own, figures = judged
    return repeat(job, 2, (own.plan.splits.fold.tolist(), figures), folder / "run" / "repeats")


@pytest.fixture(scope="module")
def inflation(job: Job, folder: Path, judged) -> Inflation:
    own, figures = judged
    return show_inflation(job, (own.out_of_fold.predictions, figures), folder / "run" / "random-folds")


# --- repeats ---


def test_the_first_seed_is_the_runs_own_and_no_model_shares_a_seed(repeats: Repeats, judged) -> None:
    assert repeats.seeds == (3, 3 + SEED_STEP)
    assert repeats.figures[0] == judged[1]
    assert seeds_of(0, 3) == (0, SEED_STEP, 2 * SEED_STEP)
    assert SEED_STEP > 20 + 1  # most folds there can be, and the model to ship


def test_the_spread_is_that_of_the_values(repeats: Repeats) -> None:
    spread = repeats.spreads["accuracy"]
    values = [figures["accuracy"].value for figures in repeats.figures]
    record = spread.as_json()
    assert record["values"] == pytest.approx(values)
    assert record["mean"] == pytest.approx(np.mean(values), abs=1e-6)
    assert record["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    assert (record["min"], record["max"]) == pytest.approx((min(values), max(values)))


def test_every_headline_is_there_and_the_record_is_plain_json(repeats: Repeats) -> None:
    record = json.loads(json.dumps(repeats.as_json()))
    defined = {name for name in HEADLINES if all(f[name].value is not None for f in repeats.figures)}
    assert set(record["figures"]) == defined >= {"accuracy", "auroc", "ece"}
    assert record["seeds"] == [3, 1003]
    assert "not the uncertainty" in record["note"]


def test_it_is_said_when_all_seeds_hold_out_the_same_groups(repeats: Repeats) -> None:
    alike = replace(repeats, same_folds=True)
    assert "folds are the same, for groups are few" in alike.note
    assert "folds, weights and validation patches" in replace(repeats, same_folds=False).note


def test_one_repeat_is_none(job: Job, folder: Path, judged) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        repeat(job, 1, ([], judged[1]), folder / "one")


# --- inflation ---


def test_random_folds_part_the_cells_of_one_image(study, inflation: Inflation) -> None:
    plan = plan_splits(scattered(study), BRIEF)
    of_first_image = [index for index, source in enumerate(study.sources) if source == study.sources[0]]
    assert len(set(plan.splits.fold[of_first_image].tolist())) == 2
    assert set(plan.validation_units) == {"group"}  # of one cell each
    assert inflation.n_folds == 2


def test_the_difference_is_random_less_grouped_with_a_paired_interval(inflation: Inflation) -> None:
    for row in inflation.rows:
        assert row.grouped.value is not None
        assert row.random.value is not None
        assert row.inflation.value == pytest.approx(row.random.value - row.grouped.value)
        ends = row.inflation.ci95
        assert ends is not None
        assert ends[0] <= row.inflation.value + 1e-9
        assert row.inflation.n == row.grouped.n or row.name in {"sensitivity", "specificity"}


def test_every_figure_stands_both_ways(inflation: Inflation) -> None:
    record = json.loads(json.dumps(inflation.as_json()))
    assert set(record["figures"]) == set(FIGURES)
    assert set(record["figures"]["auroc"]) == {"grouped", "random", "difference"}
    assert "the random ones are shown to be distrusted" in record["note"]
    assert "4 groups the intervals ignore clustering" in record["note"]
    assert inflation.rows[0].in_words.startswith("Accuracy: ")


# --- both ---


def test_finished_folds_are_taken_up_and_nothing_is_fitted_again(
    job: Job, folder: Path, judged, repeats: Repeats, inflation: Inflation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments, **options):
        raise AssertionError("fitted again")

    monkeypatch.setattr(Trainer, "fit", never)
    own, _ = judged
    asked = judge_again(
        Asked(2, random_folds=True),
        replace(job, out=folder / "run"),
        own.out_of_fold,
        judge(own.out_of_fold, own.plan.splits, BRIEF.recipe.seed),
    )
    assert asked.repeats == repeats
    assert asked.inflation == inflation
    assert set(asked.as_json()) == {"repeats", "inflation"}
    assert asked.lines[0].startswith("2 seeds, accuracy: ")
    assert any(line.startswith("AUROC: ") for line in asked.lines)


def test_nothing_asked_is_nothing_done(job: Job, judged) -> None:
    own, _ = judged
    verdict = judge(own.out_of_fold, own.plan.splits, 0)
    assert judge_again(NOTHING, job, own.out_of_fold, verdict) == Again()
    assert Again().lines == ()


def test_a_folder_of_other_data_is_not_taken_up(folder: Path, judged) -> None:
    with pytest.raises(RunUnusable, match="fingerprint"):
        cross_validate(make_patch_set(n_groups=4, seed=8), BRIEF, folder / "own")


def test_the_page_shows_both(repeats: Repeats, inflation: Inflation) -> None:
    pages = page_environment()
    page = pages.get_template("_repeats.html.j2").render(repeats=repeats)
    assert "Sensitivity at specificity 0.90" in page or "Balanced accuracy" in page
    page = pages.get_template("_inflation.html.j2").render(inflation=inflation)
    assert "random flatters by" in page
    assert "AUROC" in page
    for name in ("_repeats", "_inflation"):
        empty = pages.get_template(f"{name}.html.j2").render(repeats=None, inflation=None)
        assert empty.strip() == ""
