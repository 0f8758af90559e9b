"""What a report rests on is found by its hash, and every word it may need is in every language."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.calibration import Calibration, CameraControls, Scale, ScaleSource, save_calibration
from alledge.clock import ClockTrust
from alledge.illumination import Illumination
from alledge.journal.quota import enforce_quota
from alledge.journal.reading import JournalReader
from alledge.report.building import slide_report
from alledge.report.contents import SlideReport
from alledge.report.evidence import CALIBRATION_LOADED, Evidence, calibration_event, facts_of, find_evidence
from alledge.report.making import make
from alledge.report.outline_grounds import SHOWN_METRICS
from alledge.report.tally import MEASURES
from alledge.strict_json import Json
from alledge.strings import LANGUAGES, Strings
from alledge.types import PixelSizeSource, Verdict
from tests.edge.journal.made import WALL
from tests.edge.report.made import a_journal, evidence, report_of, reviewed_slide, wall


def measured() -> Calibration:
    background = np.full((4, 4, 3), 200, np.float32)
    return Calibration(
        scale=Scale(0.1234, 0.0002, ScaleSource.STAGE_MICROMETER, 40),
        illumination=Illumination(background, 200, 120),
        controls=CameraControls(),
        white=(200.0, 200.0, 200.0),
        focus=1.5,
        objective="100x oil",
        camera="phantom:",
        software_version="0.1.0",
        wall=WALL,
        sha256="cd" * 32,
    )


def html(report: SlideReport) -> str:
    return make(report, "html", Strings.load("en")).decode()


def test_a_calibration_of_the_right_hash_is_told_with_its_date_and_objective(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        facts = facts_of(measured())
        told = html(report_of(journal, slide_id, Evidence(evidence().cards, {facts.sha256: facts})))
        bare = html(report_of(journal, slide_id))
    assert "objective 100x oil, 0.12340 ± 0.00020 µm a pixel on a stage micrometer" in told
    assert "the calibration itself is not at hand" in bare


def test_the_data_folders_calibration_of_another_hash_is_not_told(tmp_path: Path) -> None:
    save_calibration(measured(), np.full((120, 200, 3), 200, np.uint8), tmp_path)
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        with JournalReader(journal.path) as reader:
            report = slide_report(reader, slide_id, find_evidence(reader, tmp_path))
    assert [use.facts for use in report.origin.calibrations] == [None]


def test_a_calibration_noted_in_the_journal_needs_no_file(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        journal.append_event(CALIBRATION_LOADED, calibration_event(measured()), wall(0))
        slide_id, _ = reviewed_slide(journal)
        with JournalReader(journal.path) as reader:
            report = slide_report(reader, slide_id, find_evidence(reader, tmp_path))
    assert [use.facts for use in report.origin.calibrations] == [facts_of(measured())]


def test_removed_pictures_concern_the_slide_and_leave_its_counts(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        journal.append_event("sign-off", {"slide_id": slide_id, "who": "Dr A"}, wall(30))
        before = report_of(journal, slide_id)
        enforce_quota(journal, 1, wall(40))
        after = report_of(journal, slide_id)
    assert after.counts == before.counts
    assert after.as_of.count > before.as_of.count
    assert any(shown.png is None for group in after.classes for shown in group.shown)


def test_a_journal_that_counted_a_cell_twice_speaks_up_to_where_it_was_withdrawn(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        slide_id, _ = reviewed_slide(journal)
        body: dict[str, Json] = {"slide_id": slide_id, "cells": [[301, 300]]}
        number = journal.append_event("cells-withdrawn", body, wall(50))
        assert report_of(journal, slide_id).as_of.count == number


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_data_may_ask_for_is_in_the_catalogue(language: str) -> None:
    strings = Strings.load(language)
    names = [f"report.clock.{trust.value}" for trust in ClockTrust]
    names += [f"report.pixel-source.{source.value.replace(' ', '-')}" for source in PixelSizeSource]
    names += [f"report.scale-source.{source.value.replace(' ', '-')}" for source in ScaleSource]
    names += [f"report.morphology.{name}" for name in MEASURES]
    names += [f"report.metric.{name.replace('_', '-')}" for name in SHOWN_METRICS]
    names += [f"verdict.{verdict.value.replace(' ', '-')}" for verdict in Verdict]
    assert [name for name in names if name not in strings] == []


def test_a_slide_that_several_models_called_has_no_share_of_blasts(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        report = report_of(journal, reviewed_slide(journal)[0])
    use = report.origin.models[0]
    both = replace(report.origin, models=(use, replace(use, sha256="ee" * 32)))
    told = html(replace(report, origin=both, card=None, told=None))
    assert "Several models called cells of this slide" in told
    assert "Share of blasts" not in told


def test_a_report_names_troubles_and_waiting_cells_in_its_own_language(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        report = report_of(journal, reviewed_slide(journal)[0])
    german = make(report, "html", Strings.load("de")).decode()
    assert "Kamera liefert alte Bilder (1 " in german
    assert "camera-stale" not in german
