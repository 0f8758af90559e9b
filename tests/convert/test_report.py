"""The page that a person reads: verdict first, self-contained, and honest about few patches."""

import re
from dataclasses import replace

import pytest

from allconvert.layer_errors import LayerError
from allconvert.quantise import Proof
from allconvert.report import render_report
from allconvert.story import PrecisionException, RungOutcome


@pytest.fixture(scope="module")
def proof(converted: tuple[Proof, bytes]) -> Proof:
    return converted[0]


def test_it_loads_nothing_from_elsewhere(proof: Proof) -> None:
    page = render_report(proof, "ab" * 32)
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page
    assert "@import" not in page


def test_it_says_what_it_is_for_and_what_it_rests_on(proof: Proof) -> None:
    page = render_report(proof, "ab" * 32)
    assert "Research use only" in page
    assert "ab" * 32 in page
    assert "CONV_2D" in page
    for word in ("sensitivity", "specificity", "AUROC", "Golden vectors", "temperature"):
        assert word.lower() in page.lower()


def test_an_accepted_and_a_refused_model_cannot_be_confused(proof: Proof) -> None:
    accepted = render_report(proof, "ab" * 32)
    refused = render_report(
        replace(proof, objections=("sensitivity falls from 90.0% to 10.0%",), golden=None), None
    )
    assert "Yes, within the margin" in accepted
    assert "No: refused" in refused
    assert "Sensitivity falls from 90.0% to 10.0%" in refused
    assert "Yes, within" not in refused


def test_too_few_patches_are_told_with_the_number_that_would_do(proof: Proof) -> None:
    page = render_report(proof, "ab" * 32)
    unsupported = [one for comparison in proof.comparisons for one in comparison.unsupported]
    assert ("Passed, but not shown" in page) == bool(unsupported)
    for sentence in unsupported:
        assert f"{sentence[0].upper()}{sentence[1:]}." in page
    for comparison in proof.comparisons:
        assert comparison.lost_positives is not None
        assert f"{comparison.lost_positives.n_lost} of {comparison.lost_positives.n}" in page
        for change in comparison.changes:
            if change.n_needed is not None:
                assert f"{change.n_needed} ({change.n} here)" in page


def test_the_story_comes_first_and_tells_why_each_rung_was_left(proof: Proof) -> None:
    exception = PrecisionException("conv_2a", "16x8", "its worst channel drowns")
    story = (
        RungOutcome("first rung", "plain", ("sensitivity falls <far>",), (), 0.9, 0.08, 11, 3.0),
        RungOutcome("second rung", "one layer wider", (), (exception,), 0.995, 0.001, 0, 4.0),
    )
    page = render_report(replace(proof, story=story), "ab" * 32)
    assert page.index("first rung") < page.index("second rung") < page.index("The recipe")
    assert "sensitivity falls &lt;far&gt;" in page
    assert "conv_2a in 16x8: its worst channel drowns" in page
    assert "Not all of it is int8: conv_2a computes in 16x8" in page


def test_each_layer_has_a_row_and_a_bar_as_long_as_its_signal_to_noise(proof: Proof) -> None:
    rows = (
        LayerError("conv_1", "convolution", 30.0, 0.5, 0.0, "one", 0.25, 45.0, 15.0),
        LayerError("conv_2", "convolution", -20.0, 9.0, 0.125, "two", 0.0, None, -40.0),
        LayerError("conv_3", "convolution", 99.0, 0.0, 0.0, "three", 1.0, 99.0, 99.0),
    )
    page = render_report(replace(proof, layer_errors=rows), "ab" * 32)
    assert page.count('class="sound"') == 2
    assert page.count('class="weak"') == 1
    for words in ("conv_1", "conv_2", 'width="90.0"', 'width="0.0"', 'width="180.0"', "12.5"):
        assert words in page
    assert "2.0" in page  # steps of 0.25 in an error of 0.5


def test_mcnemar_stands_beside_each_share(proof: Proof) -> None:
    page = render_report(proof, "ab" * 32)
    assert page.count("<th>McNemar</th>") == 2
    for change in proof.on_test_folds.changes:
        if change.mcnemar_p is not None:
            assert f"{change.mcnemar_p:.3f}" in page


def test_every_flip_is_shown_as_a_picture(proof: Proof) -> None:
    n_flips = sum(len(comparison.flips) for comparison in proof.comparisons)
    assert render_report(proof, "ab" * 32).count("data:image/png;base64,") == n_flips


def test_names_from_a_dataset_are_text_and_never_markup(proof: Proof) -> None:
    run = replace(proof.run, groups=tuple("<b>slide</b>" for _ in proof.run.groups))
    notes = replace(proof.int8_model.card, notes=("<script>alert(1)</script>",))
    hostile = replace(proof, run=run, int8_model=replace(proof.int8_model, card=notes))
    page = render_report(hostile, None)
    assert "<script>" not in page
    assert "<b>slide" not in page
