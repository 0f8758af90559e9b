"""A slide is called by what false alarms elsewhere cannot explain, and few slides leave it undecided."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, PackageLoader, StrictUndefined
from scipy import stats

from alltrain.metrics import Predictions
from alltrain.slide_rates import PositiveCalls, RateOfNextSlide, rate_of_next_slide
from alltrain.slide_tables import HEADER, in_words, slides_as_json, slides_table
from alltrain.slides import (
    CHANCE_OF_FALSE_CALL,
    MIN_OTHER_SLIDES,
    RELEVANT_SHARE,
    SlideCall,
    effective_cells,
    exact_interval,
    judge_slides,
)


def study(
    slides: dict[str, tuple[int, int, int, int]], positive: tuple[int, ...] = (1,)
) -> tuple[Predictions, list[str]]:
    """Predictions of slides, each (negatives, false alarms, blasts, found), ten cells a field."""
    labels, called, groups, sources = [], [], [], []
    for name, (n_negative, n_false, n_positive, n_found) in slides.items():
        truth = [0] * n_negative + [1] * n_positive
        calls = [1] * n_false + [0] * (n_negative - n_false) + [1] * n_found + [0] * (n_positive - n_found)
        labels += truth
        called += calls
        groups += [name] * len(truth)
        # Dealt round, so that fields of a slide are alike.
        sources += [f"{name}_{index % max(1, len(truth) // 10)}" for index in range(len(truth))]
    p = np.array(called, dtype=float)
    made = Predictions(
        labels=np.array(labels, dtype=np.int64),
        p=np.stack([1 - p, p], axis=1),
        called=np.array(called, dtype=np.int64),
        review=np.zeros(p.size, bool),
        groups=tuple(groups),
        label_names=("normal", "blast"),
        positive=positive,
    )
    return made, sources


def healthy(n: int, n_cells: int = 100, n_false: int = 3) -> dict[str, tuple[int, int, int, int]]:
    return {f"healthy{index:02d}": (n_cells, n_false, 0, 0) for index in range(n)}


def calls_of(slides: dict[str, tuple[int, int, int, int]]) -> dict[str, SlideCall]:
    judged = judge_slides(*study(slides))
    assert judged is not None
    return {slide.group: slide.call for slide in judged.slides}


def test_many_blasts_on_a_slide_among_quiet_ones_are_seen() -> None:
    calls = calls_of(healthy(6) | {"patient1": (20, 1, 80, 72), "patient2": (30, 1, 70, 65)})
    assert calls["patient1"] is calls["patient2"] is SlideCall.SEEN
    assert all(calls[f"healthy{index:02d}"] is SlideCall.NONE for index in range(6))


def test_a_slide_like_the_false_alarms_elsewhere_is_no_finding() -> None:
    """Three calls in ten are positive on every healthy slide: three in ten prove nothing."""
    slides = healthy(9, n_false=30) | {"next": (100, 30, 0, 0)}
    assert SlideCall.SEEN not in calls_of(slides).values()


def test_what_is_seen_among_quiet_slides_is_undecided_among_noisy_ones() -> None:
    patient = {"patient": (40, 2, 60, 45)}
    quiet, noisy = healthy(5, n_false=2), {f"h{k}": (100, 10 + 20 * k, 0, 0) for k in range(5)}
    assert calls_of(quiet | patient)["patient"] is SlideCall.SEEN
    assert calls_of(noisy | patient)["patient"] is SlideCall.UNDECIDED


def test_a_slide_of_a_few_cells_is_undecided() -> None:
    """None of four cells is called positive: that does not exclude that a fifth of all are blasts."""
    found = {"p1": (50, 1, 50, 48), "p2": (50, 1, 50, 47)}
    judged = judge_slides(*study(healthy(6) | found | {"few": (4, 0, 0, 0)}))
    assert judged is not None
    few = next(slide for slide in judged.slides if slide.group == "few")
    assert few.call is SlideCall.UNDECIDED
    assert "20%" in few.why


@pytest.mark.parametrize("n_others", range(1, MIN_OTHER_SLIDES))
def test_with_fewer_than_three_other_slides_nothing_is_called(n_others: int) -> None:
    judged = judge_slides(*study(healthy(n_others) | {"patient": (0, 0, 100, 100)}))
    assert judged is not None
    patient = judged.slides[-1]
    assert patient.call is SlideCall.UNDECIDED
    assert patient.why == f"false alarms are known of {n_others} other groups only"


def test_a_slide_never_vouches_for_itself() -> None:
    """Whatever the truth of its own cells, a slide's call stays the same: only other slides' truth counts."""
    others = healthy(4, n_false=5)
    as_blasts = judge_slides(*study(others | {"x": (0, 0, 90, 60)}))
    as_normal = judge_slides(*study(others | {"x": (90, 60, 0, 0)}))
    assert as_blasts is not None
    assert as_normal is not None
    one, other = as_blasts.slides[-1], as_normal.slides[-1]
    assert (one.call, one.blast_share, one.chance) == (other.call, other.blast_share, other.chance)
    assert (one.is_right, other.is_right) == (True, False)


def test_false_alarms_can_be_taken_from_another_study() -> None:
    made, sources = study({"new": (20, 1, 60, 55)})
    alone = judge_slides(made, sources)
    beside = judge_slides(made, sources, known=study(healthy(8))[0])
    assert alone is not None
    assert beside is not None
    assert alone.slides[0].call is SlideCall.UNDECIDED
    assert beside.slides[0].call is SlideCall.SEEN
    assert beside.slides[0].false_alarms.n_groups == 8


def test_without_a_positive_label_there_is_nothing_to_see() -> None:
    assert judge_slides(*study(healthy(5), positive=())) is None


def test_undecided_slides_count_as_wrong_both_ways() -> None:
    judged = judge_slides(
        *study(healthy(5) | {"p1": (20, 1, 80, 75), "p2": (2, 0, 1, 1), "few": (3, 0, 0, 0)})
    )
    assert judged is not None
    figures = judged.figures
    assert (figures["slide_sensitivity"].value, figures["slide_sensitivity"].n) == (0.5, 2)
    assert figures["slide_specificity"].value == pytest.approx(5 / 6)
    assert figures["slide_undecided"].value == pytest.approx(2 / 8)


def test_two_slides_of_two_prove_little_and_it_is_said() -> None:
    judged = judge_slides(*study(healthy(2, n_false=1) | {"p1": (50, 1, 50, 50), "p2": (50, 1, 50, 50)}))
    assert judged is not None
    ends = judged.figures["slide_sensitivity"].ci95
    assert ends is not None
    assert ends[1] - ends[0] > 0.6
    told = " ".join(judged.notes)
    for words in ("3 other groups", "chance 0.25", "takes 39 other groups", "above 0.34"):
        assert words in told


# --- the statistics underneath ---


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_exact_interval_is_that_of_clopper_and_pearson(count: tuple[int, int]) -> None:
    k, n = count
    expected = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    assert exact_interval(k, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_without_false_alarms_and_misses_the_share_of_blasts_is_the_share_of_calls(
    count: tuple[int, int],
) -> None:
    k, n = count
    never = RateOfNextSlide(np.array([0.0]), np.array([1.0]))
    always = RateOfNextSlide(np.array([1.0]), np.array([1.0]))
    found = PositiveCalls(never, always).share_interval(k, n)
    assert found == pytest.approx(exact_interval(k, n), abs=1e-5)


def test_with_known_rates_the_best_share_is_that_of_rogan_and_gladen() -> None:
    known = [RateOfNextSlide(np.array([rate]), np.array([1.0])) for rate in (0.1, 0.9)]
    assert PositiveCalls(*known).best_share(50, 100) == pytest.approx(0.5)
    assert PositiveCalls(*known).best_share(5, 100) == 0.0


def test_many_slides_tell_the_rate_of_the_next_and_its_scatter() -> None:
    rng = np.random.default_rng(0)
    rates = rng.beta(0.2 * 9, 0.8 * 9, 400)
    totals = np.full(400, 150)
    rate = rate_of_next_slide(rng.binomial(totals, rates), totals)
    assert rate.chances.sum() == pytest.approx(1)
    assert rate.mean == pytest.approx(0.2, abs=0.02)
    assert rate.interval == pytest.approx(stats.beta(1.8, 7.2).interval(0.95), abs=0.04)


def test_fewer_slides_leave_the_next_rate_wider() -> None:
    widths = []
    for n in (0, 1, 3, 10, 40):
        low, high = rate_of_next_slide(np.full(n, 10), np.full(n, 100)).interval
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.9


@pytest.mark.parametrize("n_others", [3, 6, 15])
@pytest.mark.parametrize(("mean", "scatter"), [(0.05, 0.05), (0.3, 0.15)])
def test_a_slide_without_blasts_is_hardly_ever_called_to_have_some(
    n_others: int, mean: float, scatter: float
) -> None:
    """The coverage that the page claims: at most 2.5 % of slides, give or take 400 simulations."""
    rng = np.random.default_rng(n_others)
    spread = (1 - scatter) / scatter
    perfect = RateOfNextSlide(np.array([1.0]), np.array([1.0]))
    false_calls = 0
    for _ in range(400):
        rates = rng.beta(mean * spread, (1 - mean) * spread, n_others + 1)
        totals = rng.integers(20, 150, n_others + 1)
        called = rng.binomial(totals, rates)
        known = PositiveCalls(rate_of_next_slide(called[1:], totals[1:]), perfect)
        false_calls += known.at_least(called[0], totals[0], 0.0) <= CHANCE_OF_FALSE_CALL
    assert false_calls / 400 <= 0.045


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_the_interval_covers_the_share_of_blasts(share: float) -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        alarms, found = rng.beta(0.1 * 9, 0.9 * 9, 9), rng.beta(0.9 * 9, 0.1 * 9, 9)
        totals = rng.integers(20, 120, 9)
        false, right = rng.binomial(totals, alarms), rng.binomial(totals, found)
        known = PositiveCalls(
            rate_of_next_slide(false[1:], totals[1:]), rate_of_next_slide(right[1:5], totals[1:5]).coarser(16)
        )
        n = int(totals[0])
        k = int(rng.binomial(n, alarms[0] + share * max(found[0] - alarms[0], 0)))
        too_many, too_few = known.at_least(k, n, share), known.at_most(k, n, share)
        covered += min(too_many, too_few) > 0.025
    assert covered / 200 >= 0.93


def test_cells_of_fields_that_differ_are_worth_less() -> None:
    fields = np.repeat([f"f{index}" for index in range(10)], 10)
    alike = np.tile([True] * 4 + [False] * 6, 10)
    differing = np.repeat([True] * 4 + [False] * 6, 10)
    assert effective_cells(alike, fields) == 100
    assert effective_cells(differing, fields) < 12
    assert effective_cells(differing[:40], fields[:40]) == 40  # four fields: nothing can be told


def test_the_interval_of_a_share_covers_though_fields_differ() -> None:
    rng, covered, plain = np.random.default_rng(5), 0, 0
    fields = np.repeat([f"f{index:02d}" for index in range(12)], 8)
    for _ in range(300):
        rates = rng.beta(0.3 * 4, 0.7 * 4, 12)
        called = rng.random(96) < np.repeat(rates, 8)
        n = effective_cells(called, fields)
        k = int(called.sum())
        low, high = exact_interval(k * n / 96, n)
        covered += low <= 0.3 <= high
        low, high = exact_interval(k, 96)
        plain += low <= 0.3 <= high
    assert covered / 300 >= 0.93 > plain / 300


# --- told to people and programs ---


@pytest.fixture(scope="module")
def judged():
    slides = judge_slides(*study(healthy(5) | {"<b>p1</b>": (20, 1, 80, 75), "few": (3, 0, 0, 0)}))
    assert slides is not None
    return slides


def test_every_group_has_a_row_and_a_record(judged) -> None:
    rows = slides_table(judged)
    assert len(rows) == 7
    assert all(len(row) == len(HEADER) for row in rows)
    record = slides_as_json(judged)
    assert [slide["group"] for slide in record["slides"]] == [row[0] for row in rows]
    assert set(record["slide_sensitivity"]) == {"value", "ci95", "n", "n_groups"}
    assert record["relevant_share"] == RELEVANT_SHARE
    assert "blasts seen" in in_words(judged.slides[0])


def test_the_page_shows_every_group_and_escapes_its_name(judged) -> None:
    environment = Environment(loader=PackageLoader("alltrain"), autoescape=True, undefined=StrictUndefined)
    environment.filters["number"] = lambda value: f"{value:.3f}"
    page = environment.get_template("_slides.html.j2").render(slides=judged)
    assert "&lt;b&gt;p1&lt;/b&gt;" in page
    assert "<b>p1</b>" not in page
    assert "undecided counts as wrong" in page
    assert environment.get_template("_slides.html.j2").render(slides=None).strip() == ""
