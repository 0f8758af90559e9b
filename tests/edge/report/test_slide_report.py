"""What a report says is what the journal holds: who called what, how sure the count is, up to which event."""

from dataclasses import replace
from pathlib import Path

import pytest

from alledge.differential import differential
from alledge.differential.exact import clopper_pearson
from alledge.errors import SlideUnusable
from alledge.journal import decode_patch
from alledge.journal.reading import JournalReader
from alledge.report.building import slide_report
from alledge.report.choosing import representative
from alledge.report.contents import SlideReport
from alledge.report.evidence import MODEL_LOADED, Evidence, find_evidence, model_event
from alledge.report.tally import spread
from alledge.review import read_review
from alledge.types import Verdict
from tests.edge.journal.made import MODEL, patch_of
from tests.edge.report.made import (
    a_journal,
    amendment,
    card,
    counted_slide,
    report_of,
    reviewed_slide,
    say,
    wall,
)


def counts_of(report: SlideReport) -> dict[str, tuple[int, int, int]]:
    return {
        c.label: (c.n_by_model, c.n_by_person, c.n_likeliest) for c in report.counts if c.n or c.n_likeliest
    }


def test_the_models_calls_and_the_persons_words_are_counted_apart(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        report = report_of(journal, slide_id)
    # 12 cells: 6 called blasts, 3 that waited (likelier blasts), 3 normal; a person spoke on six of them.
    assert counts_of(report) == {"normal": (2, 0, 3), "blast": (4, 4, 9), "lymphocyte": (0, 1, 0)}
    assert (report.n_cells, report.n_called, report.n_excluded, report.n_open) == (12, 11, 1, 0)
    assert report.words.confirmed == {"Dr A": 3, "Dr B": 1}
    assert [(o.cell.opinion.label if o.cell.opinion else "") for o in report.words.overridden] == [
        "lymphocyte",
        None,
    ]


def test_shares_have_exact_intervals_and_agree_with_the_live_differential(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        report = report_of(journal, slide_id)
        with JournalReader(journal.path) as reader:
            live = differential(read_review(reader, slide_id).counted_cells(), card(), 100)
    assert report.told is not None
    assert {c.label: c.n for c in report.counts} == live.counts
    assert {c.label: c.share for c in report.counts} == live.shares
    assert report.told.blast_share == live.blast_share
    assert live.blast_share is not None
    assert live.blast_share.ci95 == clopper_pearson(8, 11)
    assert report.told.corrected == live.corrected
    assert live.corrected is not None


def test_cells_that_wait_bound_the_share_of_blasts(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        report = report_of(journal, counted_slide(journal)[0])
    assert report.n_open == 3
    assert report.told is not None
    assert report.told.if_review_none is not None
    assert report.told.if_review_all is not None
    assert (report.told.if_review_none.value, report.told.if_review_all.value) == (6 / 12, 9 / 12)
    assert report.classes[-1].label is None
    assert report.classes[-1].n == 3


def test_a_persons_blast_counts_as_one_where_the_model_has_finer_names(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, fields = counted_slide(journal)
        say(journal, fields[0], 3, "blast")
        sorts = replace(card(), labels=("normal", "L1"), positive_labels=("L1",))
        report = report_of(journal, slide_id, Evidence({MODEL.sha256: sorts}))
    blast = next(count for count in report.counts if count.label == "blast")
    assert blast.is_positive
    assert report.told is not None
    assert report.told.blast_share == blast.share


def test_without_its_card_a_report_counts_cells_and_claims_no_blasts(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        report = report_of(journal, reviewed_slide(journal)[0], Evidence({"00" * 32: card()}))
    assert report.card is None
    assert report.told is None
    assert {c.label: c.n for c in report.counts} == {"blast": 8, "lymphocyte": 1, "normal": 2}
    assert not any(c.is_positive for c in report.counts)


def test_a_card_noted_in_the_journal_is_found_without_the_model_file(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        journal.append_event(MODEL_LOADED, model_event(MODEL, card()), wall(0))
        slide_id, _ = reviewed_slide(journal)
        with JournalReader(journal.path) as reader:
            report = slide_report(reader, slide_id, find_evidence(reader, tmp_path))
    assert report.card == card()


def test_representative_cells_run_from_the_surest_to_the_least_sure(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        report = report_of(journal, slide_id)
        with JournalReader(journal.path) as reader:
            cells = read_review(reader, slide_id).cells
    blasts = next(group for group in report.classes if group.label == "blast")
    sureness = [shown.cell.call.p["blast"] for shown in blasts.shown if shown.cell.call]
    assert sureness == sorted(sureness, reverse=True)
    chosen = representative(cells, "blast", 5)
    assert len(chosen) == 5
    assert chosen[0].call is not None
    assert chosen[-1].call is not None
    assert (chosen[0].call.p["blast"], chosen[-1].call.p["blast"]) == (0.95, 0.1)
    assert representative(tuple(reversed(cells)), "blast", 5) == chosen


def test_pictures_are_the_journals_own(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        report = report_of(journal, reviewed_slide(journal)[0])
    for group in report.classes:
        for shown in group.shown:
            assert shown.png is not None
            sequence = shown.cell.sighting.cell_id // 100 if shown.cell.sighting else 0
            assert (decode_patch(shown.png) == patch_of(sequence, shown.cell.position)).all()


def test_refused_fields_are_counted_by_reason_and_the_least_sharp_judged_ones_shown(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, fields = reviewed_slide(journal)
        report = report_of(journal, slide_id)
    assert report.ledger.refused == {Verdict.OUT_OF_FOCUS: 1}
    assert (report.ledger.n_judged, report.ledger.n_fields) == (3, 4)
    assert report.ledger.troubles == {"camera-stale": 1}
    assert [shown.field_id for shown in report.worst_fields] == fields[:3]


def test_undone_words_do_not_count(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, fields = counted_slide(journal)
        word = say(journal, fields[0], 0, "normal")
        journal.append_event(
            "review",
            {"field_id": fields[0], "position": 0, "label": None, "who": "Dr A", "undoes": word},
            wall(21),
        )
        report = report_of(journal, slide_id)
    assert report.words.overridden == ()
    assert report.words.n_taken_back == 1


def test_an_amendment_leaves_the_signed_counts_and_tells_its_effect(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, fields = reviewed_slide(journal)
        journal.append_event("sign-off", {"slide_id": slide_id, "who": "Dr A"}, wall(30))
        signed = report_of(journal, slide_id)
        body = amendment(slide_id, fields[0], "normal", "second look")
        journal.append_event("amendment", body, wall(40))
        amended = report_of(journal, slide_id)
    assert signed.signed is not None
    assert amended.counts == signed.counts
    assert amended.told == signed.told
    assert amended.amended is not None
    assert amended.amended.counts["blast"] == 7
    assert signed.amended is None


def test_a_report_speaks_up_to_the_last_event_that_concerns_its_slide(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, fields = reviewed_slide(journal)
        before = report_of(journal, slide_id)
        assert before.as_of == journal.head()
        journal.append_event("report-viewed", {"slide_id": slide_id, "who": "x"}, wall(50))
        counted_slide(journal, "S-2", first=50)
        assert report_of(journal, slide_id).as_of == before.as_of
        word = say(journal, fields[2], 3, "blast")
        assert report_of(journal, slide_id).as_of.count == word


def test_no_such_slide_is_said_so(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal, pytest.raises(SlideUnusable):
        report_of(journal, 77)


@pytest.mark.parametrize(
    ("values", "told"),
    [((3.0,), (3.0, 3.0, 3.0)), ((4.0, 1.0, 3.0, 2.0), (1.75, 2.5, 3.25)), ((1.0, 2.0), (1.25, 1.5, 1.75))],
)
def test_median_and_quartiles_are_linear_between_values(
    values: tuple[float, ...], told: tuple[float, float, float]
) -> None:
    found = spread(values)
    assert (found.low, found.median, found.high) == told
