"""The page that a person reads: verdict first, self-contained, and honest about few patches."""

import re
from dataclasses import replace

import pytest

from allconvert.quantise import Proof
from allconvert.report import render_report


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
    unsupported = [change for change in proof.on_test_folds.changes if not change.is_supported]
    assert ("Too few patches" in page) == bool(
        unsupported or not all(c.is_supported for c in proof.on_validation.changes)
    )
    for change in unsupported:
        assert f"about {change.n_needed} would do" in page


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
