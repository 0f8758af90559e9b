"""Every metric agrees with scikit-learn, weights act as copies, and nothing is ever NaN."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from alltrain import metrics
from alltrain.meanings import title_and_meaning
from alltrain.metrics import Predictions

NAMES = ("normal", "blast")


def predictions_of(
    labels: list[int],
    p_positive: list[float],
    groups: tuple[str, ...] | None = None,
    positive: tuple[int, ...] = (1,),
) -> Predictions:
    p = np.array(p_positive, dtype=float)
    return Predictions(
        labels=np.array(labels, dtype=np.int64),
        p=np.stack([1 - p, p], axis=1),
        called=(p >= 0.5).astype(np.int64),
        review=(p > 0.45) & (p < 0.55),
        groups=groups or tuple(f"g{index}" for index in range(len(labels))),
        label_names=NAMES,
        positive=positive,
    )


# Scores on a coarse grid, so that ties are common.
binary_cases = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 10).map(lambda tenths: tenths / 10)), min_size=2, max_size=40
).filter(lambda rows: len({label for label, _ in rows}) == 2)


def both_classes(rows: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [label for label, _ in rows], [score for _, score in rows]


@settings(max_examples=60, deadline=None)
@given(binary_cases)
def test_figures_of_two_classes_agree_with_scikit_learn(rows: list[tuple[int, float]]) -> None:
    labels, scores = both_classes(rows)
    found = metrics.score(predictions_of(labels, scores))
    called = [int(score >= 0.5) for score in scores]
    expected = {
        "accuracy": reference.accuracy_score(labels, called),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, called),
        "sensitivity": reference.recall_score(labels, called),
        "specificity": reference.recall_score(labels, called, pos_label=0),
        "auroc": reference.roc_auc_score(labels, scores),
        "auprc": reference.average_precision_score(labels, scores),
        "f1": reference.f1_score(labels, called),
        "brier": reference.brier_score_loss(labels, scores),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-9), name
    if len(set(called)) == 2:
        assert found["mcc"].value == pytest.approx(reference.matthews_corrcoef(labels, called), abs=1e-9)
    else:
        assert found["mcc"].value is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=3, max_size=40))
def test_figures_of_three_classes_agree_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in rows], dtype=np.int64)
    called = np.array([call for _, call in rows], dtype=np.int64)
    assume(len(set(labels)) > 1)
    assume(len(set(called)) > 1)
    ones = np.ones((1, labels.size))
    assert metrics.weighted_mcc(labels, called, 3)(ones)[0] == pytest.approx(
        reference.matthews_corrcoef(labels, called), abs=1e-9
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a call of a label that nothing has: scikit-learn says so
        expected = reference.balanced_accuracy_score(labels, called)
    found = metrics.weighted_balanced_accuracy(labels, called, 3)(ones)[0]
    assert found == pytest.approx(expected, abs=1e-9)
    assert (
        metrics.confusion_matrix(labels, called, 3).tolist()
        == reference.confusion_matrix(labels, called, labels=[0, 1, 2]).tolist()
    )


@settings(max_examples=40, deadline=None)
@given(binary_cases, st.data())
def test_a_weight_of_two_is_the_same_as_two_copies(
    rows: list[tuple[int, float]], data: st.DataObject
) -> None:
    labels, scores = (np.array(column) for column in both_classes(rows))
    weights = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(rows), max_size=len(rows))))
    copies = np.repeat(np.arange(len(rows)), weights)
    for build in (metrics.weighted_auroc, metrics.weighted_auprc):
        weighted = build(labels == 1, scores)(weights[None, :].astype(float))
        copied = build(labels[copies] == 1, scores[copies])(np.ones((1, copies.size)))
        assert weighted[0] == pytest.approx(copied[0], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(binary_cases)
def test_every_figure_lies_within_its_interval(rows: list[tuple[int, float]]) -> None:
    labels, scores = both_classes(rows)
    figures = metrics.score(predictions_of(labels, scores))
    for name in ("accuracy", "sensitivity", "specificity", "auroc", "balanced_accuracy"):
        figure = figures[name]
        assert figure.value is not None
        assert figure.ci95 is not None
        assert figure.ci95[0] - 1e-9 <= figure.value <= figure.ci95[1] + 1e-9


def test_auroc_is_half_when_all_scores_are_equal() -> None:
    assert metrics.score(predictions_of([0, 1, 0, 1], [0.7] * 4))["auroc"].value == 0.5


def test_ece_is_the_gap_that_was_put_in() -> None:
    """A hundred cells said to be 0.8, of which half are positive: 0.3 off."""
    figures = metrics.score(predictions_of([0, 1] * 50, [0.8] * 100))
    assert figures["ece"].value == pytest.approx(0.3)


def test_the_interval_of_ece_holds_it_though_noise_only_raises_it() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 400)
    ece = metrics.score(predictions_of([int(x) for x in rng.random(400) < p], list(p)))["ece"]
    assert ece.value is not None
    assert ece.ci95 is not None
    assert 0 <= ece.ci95[0] < ece.value < ece.ci95[1] < 0.12


def test_a_perfect_score_of_few_cells_still_has_a_wide_interval() -> None:
    figures = metrics.score(predictions_of([0, 1] * 6, [0.1, 0.9] * 6))
    for name in ("accuracy", "sensitivity", "auroc", "balanced_accuracy"):
        interval = figures[name].ci95
        assert interval is not None
        assert interval[1] == pytest.approx(1.0)
        assert interval[0] < 0.9


def test_grouped_cells_widen_accuracy_beyond_wilson() -> None:
    labels = [1] * 300
    scores = [0.9] * 200 + [0.1] * 100
    alone = metrics.score(predictions_of(labels, scores))["accuracy"]
    groups = tuple(f"slide{index // 50}" for index in range(300))
    grouped = metrics.score(predictions_of(labels, scores, groups))["accuracy"]
    assert alone.ci95 is not None
    assert grouped.ci95 is not None
    assert grouped.ci95[1] - grouped.ci95[0] > 2 * (alone.ci95[1] - alone.ci95[0])
    assert grouped.n_groups == 6


@pytest.mark.parametrize(
    ("labels", "undefined"),
    [
        ([0, 0, 0, 0], {"sensitivity", "auroc", "auprc", "f1"}),
        ([1, 1, 1, 1], {"specificity", "auroc", "auprc"}),
    ],
)
def test_a_figure_without_cells_is_null_with_its_reason(labels: list[int], undefined: set[str]) -> None:
    figures = metrics.score(predictions_of(labels, [0.2, 0.8, 0.4, 0.6]))
    for name in undefined:
        record = figures[name].as_json()
        assert record["value"] is None
        assert record["ci95"] is None
        assert record["reason"]
    assert figures["accuracy"].value == 0.5


def test_without_positive_labels_nothing_is_called_sensitivity() -> None:
    figures = metrics.score(predictions_of([0, 1, 0, 1], [0.2, 0.8, 0.6, 0.7], positive=()))
    assert figures["sensitivity"].as_json()["reason"] == "no label is known to be positive"
    assert figures["accuracy"].value == 0.75
    assert figures["macro_auroc"].value == 1.0


def test_review_figures_count_what_the_model_abstains_on() -> None:
    figures = metrics.score(predictions_of([0, 1, 1, 0], [0.1, 0.9, 0.48, 0.52]))
    assert figures["review_share"].value == 0.5
    assert figures["accuracy_without_review"].value == 1.0


def test_parts_are_in_the_order_of_their_numbers() -> None:
    predictions = predictions_of([0, 1] * 6, [0.1, 0.9] * 6)
    parts = metrics.score_parts(predictions, [str(index) for index in range(12)])
    assert [part.name for part in parts] == [str(index) for index in range(12)]
    assert parts[3].counts == (0, 1)


def test_a_figure_of_a_few_groups_says_that_it_ignores_clustering() -> None:
    few = predictions_of([0, 1] * 4, [0.1, 0.9] * 4, groups=("a", "a", "b", "b") * 2)
    assert "ignores clustering" in metrics.interval_notes(few)[0]
    several = predictions_of([0, 1] * 4, [0.1, 0.9] * 4)
    assert "less often than 95 times in 100" in metrics.interval_notes(several)[0]
    many = predictions_of([0, 1] * 9, [0.1, 0.9] * 9)
    assert metrics.interval_notes(many)[0] == "Intervals resample whole groups (18), 2000 times."


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=40))
def test_every_label_is_judged_as_scikit_learn_judges_it(rows: list[tuple[int, int]]) -> None:
    labels, called = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    assume(len(set(labels)) > 1)
    names = ("normal", "L1", "L2", "L3")
    rng = np.random.default_rng(int(labels.sum()))
    p = rng.dirichlet(np.ones(4), labels.size)
    everyone = tuple(f"g{index}" for index in range(labels.size))
    made = Predictions(labels, p, called, np.zeros(labels.size, bool), everyone, names, (1, 2, 3))
    found = metrics.score(made)
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        labels, called, labels=range(4), zero_division=np.nan
    )
    for index, name in enumerate(names):
        for kind, expected in (("recall", recall), ("precision", precision), ("f1", f1)):
            value = found[f"{kind}_{name}"].value
            if np.isnan(expected[index]):
                assert value is None or (kind == "f1" and value == 0)
            else:
                assert value == pytest.approx(expected[index]), (kind, name)
    present = sorted(set(labels.tolist()))
    macro = {
        "macro_precision": reference.precision_score(
            labels, called, labels=present, average="macro", zero_division=0
        ),
        "macro_f1": reference.f1_score(labels, called, labels=present, average="macro", zero_division=0),
        "macro_auroc": np.mean([reference.roc_auc_score(labels == k, p[:, k]) for k in present]),
    }
    for kind, expected in macro.items():
        assert found[kind].value == pytest.approx(expected), kind


@settings(max_examples=40, deadline=None)
@given(binary_cases)
def test_predictive_values_agree_with_scikit_learn(rows: list[tuple[int, float]]) -> None:
    labels, scores = both_classes(rows)
    found = metrics.score(predictions_of(labels, scores))
    called = [int(score >= 0.5) for score in scores]
    for name, side in (("precision", 1), ("npv", 0)):
        if side in called:
            assert found[name].value == pytest.approx(
                reference.precision_score(labels, called, pos_label=side, zero_division=0)
            )
        else:
            assert found[name].value is None
            assert "no cell is called" in (found[name].reason or "")


def test_all_studies_of_the_same_labels_have_the_same_figures() -> None:
    studies = ([0, 1] * 30, [0] * 60, [1] * 60)
    named = [list(metrics.score(predictions_of(labels, [0.3, 0.6] * 30))) for labels in studies]
    named.append(list(metrics.score(predictions_of([0, 1] * 30, [0.3, 0.6] * 30, positive=()))))
    assert all(names == named[0] for names in named)


def test_every_figure_has_a_title_and_a_meaning() -> None:
    for name in metrics.score(predictions_of([0, 1] * 30, [0.3, 0.6] * 30)):
        title, meaning = title_and_meaning(name)
        assert title[0].isupper() or title.startswith("normal")
        assert meaning
    assert title_and_meaning("sensitivity_at_specificity_95")[0] == "Sensitivity at specificity 0.95"
    assert title_and_meaning("macro_f1")[0] == "Macro F1"
    assert title_and_meaning("precision_L1 cell") == (
        "Precision: L1 cell",
        "share of calls of L1 cell that are right",
    )


def test_a_perfect_f1_of_few_cells_still_has_a_wide_interval() -> None:
    figures = metrics.score(predictions_of([0, 1] * 6, [0.1, 0.9] * 6))
    for name in ("f1", "macro_f1", "f1_blast", "macro_auroc"):
        interval = figures[name].ci95
        assert interval is not None
        assert interval[0] < 0.9
        assert interval[1] == pytest.approx(1.0)


def test_a_difference_pairs_the_cells() -> None:
    """Two models that err on the same hard cells: their difference is known far better than either."""
    rng = np.random.default_rng(0)
    labels = [0, 1] * 200
    base = np.where(np.array(labels) == 1, 0.7, 0.3) + rng.normal(0, 0.3, 400)
    first = predictions_of(labels, list(np.clip(base, 0, 1)))
    second = predictions_of(labels, list(np.clip(base + rng.normal(0, 0.02, 400), 0, 1)))
    found = metrics.difference(first, second, "auroc")
    alone = metrics.score(first)["auroc"]
    assert found.ci95 is not None
    assert alone.ci95 is not None
    assert found.ci95[0] <= 0 <= found.ci95[1]
    assert found.ci95[1] - found.ci95[0] < 0.3 * (alone.ci95[1] - alone.ci95[0])
    other = metrics.score(second)["auroc"]
    assert alone.value is not None
    assert other.value is not None
    assert found.value == pytest.approx(alone.value - other.value)
    with pytest.raises(ValueError, match="same cells"):
        metrics.difference(first, first.part(first.is_positive), "auroc")


@pytest.mark.parametrize("name", list(metrics.STATISTICS))
def test_a_difference_is_of_the_very_figures_that_are_scored(name: str) -> None:
    rng = np.random.default_rng(1)
    labels = [0, 1] * 30
    first, second = (predictions_of(labels, list(rng.random(60))) for _ in range(2))
    one, other = metrics.score(first)[name].value, metrics.score(second)[name].value
    assert one is not None
    assert other is not None
    assert metrics.difference(first, second, name).value == pytest.approx(one - other)
