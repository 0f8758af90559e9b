"""A finished model on new data: labels are matched, seen cells refused, and nothing is fitted."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from alledge.errors import LeakProven, ModelLabelsDiffer, PathUnusable
from alltrain.evaluation.judging import Evaluation, evaluate, read_out_of_fold
from alltrain.evaluation.matching import match_labels
from alltrain.evaluation.output import MARKER, folder_for, refuse_taken, write_evaluation
from alltrain.evaluation.page import render_evaluation
from alltrain.evaluation.shift import measure_shift
from alltrain.run_folder import Run, read_run
from tests.train.patch_sets import make_patch_set


def untold(what: str, done: int, total: int) -> None:
    pass


def judge(run: Run, patch_set, allow_seen: bool = True) -> Evaluation:
    """Drawn discs are twins of each other: what does not test for seen cells lets them pass."""
    return evaluate(run, Path("elsewhere"), patch_set, allow_seen=allow_seen, progress=untold)


def like_no_other(patch_set):
    """The same study with grain of its own in every patch, so that no two are twins."""
    rng = np.random.default_rng(6)
    grain = np.stack([cv2.GaussianBlur(rng.normal(0, 200, (50, 50)), (0, 0), 2) for _ in patch_set.patches])
    patches = np.clip(patch_set.patches + grain[..., None], 0, 255).astype(np.uint8)
    return replace(patch_set, patches=patches)


@pytest.fixture(scope="module")
def run(run_path: Path) -> Run:
    return read_run(run_path)


@pytest.fixture(scope="module")
def new_slides():
    """Five slides that the run does not hold, under names of their own."""
    made = make_patch_set(n_groups=5, seed=77)
    return replace(made, groups=tuple(f"new_{group}" for group in made.groups))


@pytest.fixture(scope="module")
def evaluation(run: Run, new_slides) -> Evaluation:
    return judge(run, new_slides)


@pytest.fixture(scope="module")
def folder(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluation") / "out"
    write_evaluation(out, evaluation)
    return out


# --- labels ---


def test_equal_names_meet_by_name_whatever_their_order_and_spelling(run: Run) -> None:
    swapped = replace(make_patch_set(2), label_names=("Blast ", "NORMAL"), positive_labels=("Blast ",))
    matching = match_labels(run.card, swapped)
    assert matching.by_name
    assert matching.label_names == ("normal", "blast")
    assert matching.of_data.tolist() == [1, 0]


def test_other_names_meet_by_side_and_it_is_said(run: Run) -> None:
    stages = make_patch_set(2, 4, ("benign", "early", "pro"), ("early", "pro"))
    matching = match_labels(run.card, stages)
    assert not matching.by_name
    assert matching.label_names == ("normal", "blast")
    assert matching.of_data.tolist() == [0, 1, 1]
    assert "early, pro here against blast of the model as positive" in matching.notes[0]


def test_a_model_of_many_labels_collapses_on_data_of_two(run: Run) -> None:
    card = replace(run.card, labels=("benign", "early", "pre"), positive_labels=("early", "pre"))
    matching = match_labels(card, make_patch_set(2))
    assert matching.label_names == ("negative", "positive")
    p = matching.collapse(np.array([[0.2, 0.3, 0.5], [0.9, 0.1, 0.0]]))
    np.testing.assert_allclose(p, [[0.2, 0.8], [0.9, 0.1]])
    assert any("3 labels of the model are judged as two sides" in note for note in matching.notes)


def test_normal_cells_alone_can_be_judged_for_false_alarms(run: Run) -> None:
    alone = make_patch_set(2, 4, ("lymphocyte", "oddity"), ())
    matching = match_labels(run.card, alone)
    assert matching.of_data.tolist() == [0, 0]
    assert any(note.endswith("though the name does not tell: oddity.") for note in matching.notes)


@pytest.mark.parametrize("positive", [(), ("blast",)])
def test_labels_that_nobody_can_match_are_refused_with_both_lists(run: Run, positive) -> None:
    card = replace(
        run.card,
        positive_labels=positive,
        threshold=run.card.threshold if positive else None,
        review_band=run.card.review_band if positive else None,
    )
    with pytest.raises(ModelLabelsDiffer, match="normal, blast; the data are labelled foo, bar"):
        match_labels(card, make_patch_set(2, 4, ("foo", "bar"), ()))


# --- what was seen ---


def test_data_that_the_model_was_fitted_on_are_refused(run: Run) -> None:
    seen = make_patch_set().select(np.arange(12))
    with pytest.raises(LeakProven, match="12 of 12 cells were in the training"):
        judge(run, seen, allow_seen=False)


def test_cells_that_nobody_has_seen_pass(run: Run, new_slides) -> None:
    assert judge(run, like_no_other(new_slides), allow_seen=False).seen.n_seen == 0


def test_turned_copies_of_training_cells_are_refused_under_any_name(run: Run, new_slides) -> None:
    patches = like_no_other(new_slides).patches.copy()
    patches[3] = np.rot90(make_patch_set().patches[5])
    with pytest.raises(LeakProven, match="1 of 60 cells"):
        judge(run, replace(new_slides, patches=patches), allow_seen=False)


def test_allowed_all_the_same_every_output_carries_the_mark(run: Run, tmp_path: Path) -> None:
    seen = make_patch_set().select(np.arange(24))
    evaluation = judge(run, seen)
    write_evaluation(tmp_path / "out", evaluation)
    assert "fitted on 24 of these 24 cells" in evaluation.notes[0]
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["seen"]["cells"] == 24
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("Seen in training") < page.index("<h1>")


def test_groups_of_the_same_name_are_pointed_out(run: Run, new_slides) -> None:
    namesake = replace(new_slides, groups=make_patch_set(n_groups=5).groups)
    notes = " ".join(judge(run, namesake).notes)
    assert "Groups of the same name are in the run: slide00, slide01, slide02 and 2 more" in notes


# --- what is judged ---


def test_calls_are_those_of_the_card_and_nothing_is_fitted(run: Run, evaluation: Evaluation) -> None:
    """The truth of the new cells moves figures, never a call."""
    upside_down = replace(evaluation.truth, labels=1 - evaluation.truth.labels)
    again = judge(run, upside_down)
    assert again.judged.calls == evaluation.judged.calls
    threshold = run.card.threshold
    assert threshold is not None
    for call in evaluation.judged.calls:
        assert (call.label == "blast") == (call.p["blast"] >= threshold)
    assert evaluation.figures["auroc"].value == pytest.approx(1 - (again.figures["auroc"].value or 0))


def test_the_threshold_is_said_to_be_the_fitted_one_beside_what_does_not_depend_on_it(
    run: Run, evaluation: Evaluation
) -> None:
    told = " ".join(evaluation.notes)
    assert f"Threshold {run.card.threshold:.3f}" in told
    assert "nothing was fitted on these cells" in told
    assert "does not depend on the threshold" in told


def test_the_run_itself_stands_beside(run: Run, evaluation: Evaluation) -> None:
    assert evaluation.out_of_fold["auroc"] == run.metrics["auroc"]
    stages = make_patch_set(5, 4, ("benign", "early", "pro"), ("early", "pro"), seed=5)
    assert "accuracy" in judge(run, stages).out_of_fold  # the run has two labels too


def test_slides_are_held_against_the_false_alarms_of_the_run(run: Run, evaluation: Evaluation) -> None:
    assert evaluation.slides is not None
    assert [slide.group for slide in evaluation.slides.slides] == sorted(set(evaluation.truth.groups))
    assert {slide.false_alarms.n_groups for slide in evaluation.slides.slides} == {6}
    known = read_out_of_fold(run)
    assert known.labels.tolist() == run.labels.tolist()


def test_without_groups_no_slide_is_called_and_the_page_says_why(run: Run, new_slides) -> None:
    alone = judge(run, replace(new_slides, grouped=False))
    assert alone.slides is None
    assert "--no-groups" in " ".join(alone.notes)
    assert "intervals count every image as independent" in render_evaluation(alone)


def test_normal_cells_alone_give_a_specificity_and_reasons_for_the_rest(run: Run) -> None:
    alone = make_patch_set(5, 5, ("normal",), (), seed=11)
    judged = judge(run, alone)
    assert judged.figures["specificity"].value is not None
    assert judged.figures["auroc"].reason == "no positive cell"
    assert "no positive cell" in render_evaluation(judged)


# --- how unlike training it is ---


def test_cells_like_those_of_training_are_familiar_and_black_ones_are_not(run: Run, new_slides) -> None:
    groups = new_slides.groups
    alike = measure_shift(new_slides.patches, groups, run.card)
    black = measure_shift(np.zeros_like(new_slides.patches), groups, run.card)
    assert alike is not None
    assert black is not None
    assert (alike.familiar.value or 0) > 0.9
    assert black.familiar.value == 0
    assert abs(black.features[0].shift) > 10 > abs(alike.features[0].shift)
    assert black.in_words.startswith("100.0% of the cells are unlike")
    assert measure_shift(new_slides.patches, groups, replace(run.card, familiarity=None)) is None


# --- what is written ---


def test_every_file_is_there_and_figures_have_the_form_of_a_run(folder: Path, run_path: Path) -> None:
    assert {file.name for file in folder.iterdir()} == {
        MARKER, "metrics.json", "predictions.csv", "slides.csv", "report.html"
    }  # fmt: skip
    here, there = (json.loads((path / "metrics.json").read_text()) for path in (folder, run_path))
    figures = {name for name, record in there.items() if isinstance(record, dict) and "ci95" in record}
    assert figures <= set(here)
    assert set(here["auroc"]) == {"value", "ci95", "n", "n_groups"}
    assert here["research_use_only"] is True


def test_figures_can_be_counted_again_from_the_predictions(folder: Path) -> None:
    with (folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    figures = json.loads((folder / "metrics.json").read_text())
    right = sum(row["call"] == row["truth"] for row in rows) / len(rows)
    assert figures["accuracy"]["value"] == pytest.approx(right, abs=1e-6)
    assert all(float(row["distance"]) >= 0 for row in rows)


def test_the_page_opens_with_what_it_is_for_and_loads_nothing(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert page.index("Research use only") < page.index("<h1>")
    assert "<script" not in page
    assert "In the run" in page


def test_names_from_a_dataset_cannot_become_markup(run: Run, new_slides) -> None:
    groups = tuple(f"<script>{group}" for group in new_slides.groups)
    page = render_evaluation(judge(run, replace(new_slides, groups=groups)))
    assert "<script>" not in page


def test_an_evaluation_replaces_itself_and_never_another(folder: Path, evaluation: Evaluation) -> None:
    write_evaluation(folder, evaluation)
    assert len(list(folder.iterdir())) == 5


def test_a_run_is_never_taken_for_an_evaluation(run_path: Path, evaluation: Evaluation) -> None:
    before = sorted(file.name for file in run_path.iterdir())
    for refuse in (refuse_taken, lambda out: write_evaluation(out, evaluation)):
        with pytest.raises(PathUnusable):
            refuse(run_path)
    assert sorted(file.name for file in run_path.iterdir()) == before


def test_other_data_of_the_same_name_get_a_folder_of_their_own(tmp_path: Path) -> None:
    first = folder_for(tmp_path, Path("data/images"), "a" * 64)
    assert first == tmp_path / "evaluations" / "images"
    first.mkdir(parents=True)
    (first / MARKER).write_text(json.dumps({"data_fingerprint": "a" * 64}))
    assert folder_for(tmp_path, Path("data/images"), "a" * 64) == first
    assert folder_for(tmp_path, Path("data/images"), "b" * 64).name == "images-bbbbbbbb"
