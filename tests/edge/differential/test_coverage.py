"""On 10,000 simulated slides the intervals hold the truth in at least 94 of 100; the bench has all rows."""

import pytest

from bench.differential import (
    MODELS,
    PREVALENCES,
    clustered_coverage,
    corrected_coverage,
    exact_coverage,
    stopped_coverage,
)

SLIDES = 10_000
PROMISED = 0.94
LUCK = 0.005  # two standard errors of 10,000 slides at 0.94


@pytest.mark.parametrize("n", [100, 200])
def test_the_exact_interval_holds_at_every_prevalence(n):
    assert min(exact_coverage(n, p, SLIDES) for p in PREVALENCES) >= 0.95 - LUCK


@pytest.mark.parametrize("n", [100, 200])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_the_corrected_interval_holds_for_every_model_and_prevalence(model, n):
    assert min(corrected_coverage(n, p, model, SLIDES) for p in PREVALENCES) >= PROMISED


@pytest.mark.parametrize("groups", [8, 20])
def test_it_holds_where_slides_differ_if_the_card_was_measured_on_slides(groups):
    held = [clustered_coverage(100, p, MODELS[0], groups, 0.05, 1000) for p in (0.0, 0.3, 0.9)]
    assert min(as_read for as_read, _ in held) >= PROMISED - 0.02
    assert max(naive for _, naive in held) < 0.90


@pytest.mark.parametrize("widest", [0.12, 0.20])
@pytest.mark.parametrize("prevalence", [0.02, 0.3, 0.7])
def test_stopping_when_the_interval_is_narrow_enough_costs_little(widest, prevalence):
    held, _ = stopped_coverage(widest, prevalence, 3000)
    assert held >= PROMISED
