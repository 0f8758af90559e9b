"""Float against int8 on the same patches: flips, changes, and what the gate makes of them."""

from dataclasses import replace

import numpy as np
import pytest

from allconvert.fidelity import Comparison, Margins, PairedCalls, compare, pool

# Lost positives have tests of their own below.
LOSS_ONLY = Margins(loss=0.01, lost_positives=0.5)


def paired(
    labels: list[int], float_called: list[int], int8_called: list[int], positive: tuple[int, ...] = (1,)
) -> PairedCalls:
    """Two networks that are sure of their calls (p = 0.9)."""
    n_labels = max(2, max(labels) + 1)
    names = ("normal", "blast", "third", "fourth")[:n_labels]

    def p_of(called: list[int]) -> np.ndarray:
        return np.where(np.eye(n_labels)[called] == 1, 0.9, 0.1 / (n_labels - 1))

    n = len(labels)
    return PairedCalls(
        rows=np.arange(n) + 100,
        labels=np.array(labels),
        groups=tuple(f"slide{index % 4}" for index in range(n)),
        label_names=names,
        positive=positive,
        float_logits=np.log(p_of(float_called)).astype(np.float32),
        int8_logits=np.log(p_of(int8_called)).astype(np.float32),
        float_p=p_of(float_called),
        int8_p=p_of(int8_called),
        float_called=np.array(float_called),
        int8_called=np.array(int8_called),
        float_review=np.zeros(n, dtype=bool),
        int8_review=np.ones(n, dtype=bool),
    )


def with_losses(n_positive: int, n_lost: int, n_negative: int = 100, n_alarms: int = 0) -> Comparison:
    """The float network is always right; int8 loses some positives and raises some alarms."""
    labels = [1] * n_positive + [0] * n_negative
    int8 = [0] * n_lost + [1] * (n_positive - n_lost) + [1] * n_alarms + [0] * (n_negative - n_alarms)
    return compare(paired(labels, labels, int8), LOSS_ONLY, "made patches")


def change_of(comparison: Comparison, name: str) -> float:
    return {change.name: change for change in comparison.changes}[name].change


def test_equal_calls_pass_and_leave_nothing_to_tell() -> None:
    comparison = with_losses(100, 0)
    assert comparison.objections == ()
    assert comparison.agreement.value == 1
    assert comparison.flips == ()
    assert comparison.sqnr_db == 99.0


def test_losses_are_measured_among_their_own_kind() -> None:
    comparison = with_losses(200, 3, n_negative=50, n_alarms=1)
    assert change_of(comparison, "sensitivity") == pytest.approx(-3 / 200)
    assert change_of(comparison, "specificity") == pytest.approx(-1 / 50)
    assert comparison.agreement.value == pytest.approx(1 - 4 / 250)
    assert comparison.flip_counts == {"blast to normal": 3, "normal to blast": 1}


def test_a_loss_beyond_the_margin_is_refused_by_name() -> None:
    (objection,) = with_losses(200, 3).objections
    assert objection == "sensitivity falls from 100.0% to 98.5% on made patches"
    (objection,) = with_losses(200, 0, n_negative=100, n_alarms=2).objections
    assert objection.startswith("specificity falls")


def test_a_loss_within_the_margin_passes() -> None:
    assert with_losses(200, 2).objections == ()


def test_a_gain_is_no_reason_to_refuse() -> None:
    labels = [1] * 100 + [0] * 100
    worse = [0] * 10 + [1] * 90 + [0] * 100
    comparison = compare(paired(labels, worse, labels), LOSS_ONLY, "made patches")
    assert comparison.objections == ()
    assert change_of(comparison, "sensitivity") == pytest.approx(0.1)


def test_one_patch_is_finer_than_any_margin_two_are_not() -> None:
    assert with_losses(40, 1).objections == ()
    assert with_losses(40, 2).objections


def test_too_few_patches_are_said_to_be_too_few() -> None:
    few = with_losses(40, 0).changes[0]
    assert few.passes
    assert not few.is_supported
    assert few.n_needed is not None
    assert few.n_needed > 40
    assert with_losses(1200, 0).changes[0].is_supported


def test_flips_that_cancel_do_not_hide() -> None:
    labels = [1] * 100 + [0] * 100
    float_called = [1] * 80 + [0] * 20 + [0] * 100
    int8_called = [0] * 20 + [1] * 80 + [0] * 100
    comparison = compare(paired(labels, float_called, int8_called), LOSS_ONLY, "made patches")
    assert change_of(comparison, "sensitivity") == 0
    assert comparison.objections == ("only 80.0% of calls agree on made patches",)


def test_lost_blasts_are_shown_first() -> None:
    comparison = with_losses(100, 2, n_alarms=3)
    assert [flip.int8_call for flip in comparison.flips] == ["normal"] * 2 + ["blast"] * 3
    assert [flip.row for flip in comparison.flips[:2]] == [100, 101]


def test_without_positive_labels_accuracy_and_macro_recall_are_gated() -> None:
    labels = [0] * 300 + [1] * 300 + [2] * 30
    int8 = [0] * 600 + [2] * 30
    int8[300:600] = [1] * 300
    int8[-3:] = [0] * 3
    comparison = compare(paired(labels, labels, int8, positive=()), LOSS_ONLY, "made patches")
    assert change_of(comparison, "accuracy") == pytest.approx(-3 / 630)
    assert change_of(comparison, "macro recall") == pytest.approx(-0.1 / 3)
    assert comparison.objections == ("macro recall falls from 100.0% to 96.7% on made patches",)


def test_several_positive_labels_count_as_one_finding() -> None:
    labels = [0] * 50 + [1] * 50 + [2] * 50
    int8 = [0] * 50 + [2] * 10 + [1] * 40 + [2] * 50
    comparison = compare(paired(labels, labels, int8, positive=(1, 2)), LOSS_ONLY, "made patches")
    assert change_of(comparison, "sensitivity") == 0
    assert comparison.flip_counts == {"blast to third": 10}


def test_subtypes_taken_for_each_other_are_told_beside_the_finding() -> None:
    labels = [0] * 20 + [1] * 20 + [2] * 20
    int8 = [0] * 20 + [1] * 17 + [2] * 3 + [2] * 20
    comparison = compare(paired(labels, labels, int8, (1, 2)), LOSS_ONLY, "made")
    assert change_of(comparison, "sensitivity") == 0
    assert change_of(comparison, "macro recall") == pytest.approx(-3 / 20 / 3)
    assert comparison.flip_counts == {"blast to third": 3}
    assert comparison.objections == ()


def test_a_class_that_is_absent_has_no_figure() -> None:
    comparison = compare(paired([0] * 30, [0] * 30, [0] * 30), LOSS_ONLY, "made patches")
    assert [change.name for change in comparison.changes] == ["specificity", "calibration error"]


def test_pooling_keeps_every_patch() -> None:
    one, two = paired([0, 1], [0, 1], [0, 0]), paired([1, 1, 0], [1, 1, 0], [1, 1, 0])
    both = pool([one, two])
    assert both.labels.tolist() == [0, 1, 1, 1, 0]
    assert compare(both, LOSS_ONLY, "made patches").agreement.value == pytest.approx(0.8)


def test_logit_error_is_measured_in_logits_and_decibels() -> None:
    pairs = paired([0, 1] * 50, [0, 1] * 50, [0, 1] * 50)
    noisy = replace(pairs, int8_logits=pairs.float_logits + np.float32(0.25))
    comparison = compare(noisy, LOSS_ONLY, "made patches")
    assert comparison.largest_logit_error == pytest.approx(0.25)
    power = np.var(pairs.float_logits, axis=0).sum() / 2
    assert comparison.sqnr_db == pytest.approx(10 * np.log10(power / 0.25**2), abs=1e-3)


def test_shares_left_to_a_person_are_told_for_both() -> None:
    assert with_losses(10, 0).review_shares == (0.0, 1.0)


def test_every_change_has_an_interval_that_holds_it() -> None:
    for change in with_losses(60, 1, n_alarms=1).changes:
        assert change.ci95[0] <= change.change <= change.ci95[1]
        assert change.n > 0
        assert change.n_groups == 4


def with_lost_calls(n_called_positive: int, n_lost: int) -> Comparison:
    """Float calls normal cells positive: int8 is right to lose them, and they are lost all the same."""
    labels = [1] * 2000 + [0] * (n_called_positive + 50)
    before = [0] * 2000 + [1] * n_called_positive + [0] * 50
    after = [0] * 2000 + [0] * n_lost + [1] * (n_called_positive - n_lost) + [0] * 50
    return compare(paired(labels, before, after), Margins(), "made patches")


def test_positive_calls_that_int8_loses_are_refused_whatever_the_label_says() -> None:
    assert with_lost_calls(1000, 6).objections == ("6 of 1000 positive calls are lost on made patches",)
    assert with_lost_calls(1000, 5).objections == ()


def test_one_lost_call_passes_as_one_patch_does_everywhere_but_shows_nothing() -> None:
    one = with_lost_calls(60, 1)
    assert one.objections == ()
    assert one.lost_positives is not None
    assert not one.lost_positives.is_supported
    assert any("more than could be had at this rate" in sentence for sentence in one.unsupported)
    assert with_lost_calls(60, 2).objections


def test_a_margin_for_lost_calls_takes_598_of_them_when_none_is_lost() -> None:
    few, enough = with_lost_calls(597, 0), with_lost_calls(598, 0)
    assert few.objections == enough.objections == ()
    assert few.lost_positives is not None
    assert few.lost_positives.n_needed == 598
    assert any("takes about 598, of 597 here" in sentence for sentence in few.unsupported)
    assert not any("positive calls" in sentence for sentence in enough.unsupported)


def test_without_a_positive_call_there_is_nothing_to_lose() -> None:
    assert compare(paired([0] * 30, [0] * 30, [0] * 30), Margins(), "made").lost_positives is None
    assert compare(paired([0, 1] * 9, [0, 1] * 9, [0, 1] * 9, ()), Margins(), "made").lost_positives is None


def test_mcnemar_is_told_for_every_share_of_patches() -> None:
    comparison = with_losses(200, 5, n_alarms=1)
    told = {change.name: (change.n_lost, change.n_gained, change.mcnemar_p) for change in comparison.changes}
    assert told["sensitivity"] == (5, 0, pytest.approx(2 / 32))
    assert told["specificity"] == (1, 0, 1.0)
    assert told["AUROC"][2] is None
