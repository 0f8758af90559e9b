"""The lab's own corrections train its next model, on exactly the pixels that the device saw.

Phantom smears go through the device's pixel path into a journal, a person (who knows the truth) says what
each cell is, the judged patches are exported, and `alltrain fit` fits on them: its patches are the journal's,
bit for bit, its labels the person's, its groups the slides.
"""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.classifier import open_classifier
from alledge.clock import ClockTrust, SystemClock, WallTime
from alledge.health import UNKNOWN_HEALTH
from alledge.journal import CellRecord, FieldRecord, SqliteJournal, decode_patch, open_journal
from alledge.journal.reading import JournalReader
from alledge.model_file import pack_model, parse_model
from alledge.phantom import PhantomField, PhantomParameters, render_field
from alledge.pipeline import FieldModel, analyse_with_evidence
from alledge.review import read_review
from alledge.types import Cell, Frame, Verdict
from tests.edge.tiny_model import TinyNetwork, tiny_card, tiny_golden
from tests.system.processes import run_command

N_SLIDES = 4
NEAR_UM = 3.0


def wall(second: float) -> WallTime:
    return WallTime(1_790_000_000.0 + second, ClockTrust.SYNCHRONISED)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A data folder whose journal holds reviewed slides, and the slides' numbers."""
    data = tmp_path_factory.mktemp("device")
    file = data / "model.tflite"
    # Any network will do, and no opinion on stain: what is judged here is the way of the pixels.
    file.write_bytes(pack_model(TinyNetwork().build(), replace(tiny_card(), familiarity=None), tiny_golden()))
    made = parse_model(file.read_bytes(), "tiny")
    model = FieldModel(open_classifier(made), made.card)
    journal = open_journal(data / "journal.sqlite3", SystemClock())
    slides = [_count_and_review(journal, model, seed) for seed in range(N_SLIDES)]
    journal.close()
    return data, slides


def _count_and_review(journal: SqliteJournal, model: FieldModel, seed: int) -> int:
    """One smear as a slide of one field, counted by the device and judged by a person; its number."""
    field = render_field(PhantomParameters(seed=100 + seed))
    analysis = analyse_with_evidence(Frame(field.pixels, f"phantom:seed={100 + seed}"), model)
    assert analysis.result.quality.verdict is Verdict.OK
    slide_id = journal.start_slide(f"slide {seed}", wall(seed))
    result = analysis.result
    records = tuple(
        CellRecord(cell, call, None, patch)
        for cell, call, patch in zip(result.cells, result.calls, analysis.patches, strict=True)
    )
    field_id = journal.append_field(
        slide_id,
        FieldRecord(
            result=result,
            sequence=seed,
            sensor_timestamp_ns=seed,
            wall=wall(seed),
            placement=None,
            cells=records,
            calibration_sha256=None,
            software_version="test",
            health=UNKNOWN_HEALTH,
            picture_jpeg=None,
        ),
    )
    journal.end_slide(slide_id, wall(seed))
    for position, record in enumerate(records):
        label = _truth(field, record.cell, result.pixel_size.pixel_um)
        body = {"field_id": field_id, "position": position, "label": label, "who": "Dr A"}
        if position % 5:  # every fifth cell is left to the model
            journal.append_event("review", body, wall(100))
    return slide_id


def _truth(field: PhantomField, cell: Cell, pixel_um: float) -> str | None:
    """What a cell was drawn as; None where nothing nucleated lies near."""
    nearest = min(field.cells, key=lambda true: np.hypot(true.x - cell.x, true.y - cell.y))
    distance_um = float(np.hypot(nearest.x - cell.x, nearest.y - cell.y)) * pixel_um
    return nearest.label if distance_um < NEAR_UM else None


@pytest.fixture(scope="module")
def exported(device: tuple[Path, list[int]]) -> Path:
    data, slides = device
    out = data / "judged"
    run_command(
        "alledge", "export", *slides, "--data", data, "--format", "patches", "--out", out
    ).must_succeed()
    return out


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "cells.csv").open() as file:
        return list(csv.DictReader(file))


def test_only_cells_that_a_person_judged_are_exported(device: tuple[Path, list[int]], exported: Path) -> None:
    data, slides = device
    with JournalReader(data / "journal.sqlite3") as reader:
        cells = [cell for slide in slides for cell in read_review(reader, slide).cells]
    judged = [cell for cell in cells if cell.opinion is not None and cell.label is not None]
    assert len(rows_of(exported)) == len(judged)
    assert len(judged) < len(cells)
    assert [row["label"] for row in rows_of(exported)] == [cell.label for cell in judged]


def test_the_models_own_calls_come_only_when_asked_for_and_are_told(
    device: tuple[Path, list[int]], exported: Path
) -> None:
    data, slides = device
    out = data / "all"
    command = ("alledge", "export", *slides, "--data", data, "--format", "patches", "--all", "--out", out)
    run_command(*map(str, command)).must_succeed()
    assert len(rows_of(out)) > len(rows_of(exported))
    notes = json.loads((out / "patches.json").read_text())["notes"]
    assert any("the model's own calls" in note for note in notes)


def test_a_slide_that_nobody_judged_gives_no_folder(device: tuple[Path, list[int]], tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "journal.sqlite3", SystemClock())
    slide = journal.start_slide("untouched", wall(0))
    journal.close()
    out = tmp_path / "out"
    done = run_command("alledge", "export", slide, "--data", tmp_path, "--format", "patches", "--out", out)
    done.must_refuse("nothing-to-export", status=1)
    assert not out.exists()


def test_a_model_is_fitted_on_the_very_pixels_that_the_device_saw(
    device: tuple[Path, list[int]], exported: Path
) -> None:
    data, slides = device
    run = data / "run"
    options = ("--folds", 2, "--epochs", 1, "--no-rehearse")
    run_command("alltrain", "fit", exported, "--out", run, *options).must_succeed()
    with JournalReader(data / "journal.sqlite3") as reader:
        judged = [
            (slide, cell, decode_patch(reader.picture(cell.field_id, cell.position) or b""))
            for slide in slides
            for cell in read_review(reader, slide).cells
            if cell.opinion is not None and cell.label is not None
        ]
    with np.load(run / "patches.npz") as fitted:
        patches, labels = fitted["patches"], fitted["labels"]
    assert np.array_equal(patches, np.stack([patch for _, _, patch in judged]))
    names = json.loads((run / "card.json").read_text())["labels"]
    assert [names[label] for label in labels] == [cell.label for _, cell, _ in judged]
    with (run / "splits.csv").open() as file:
        groups = [row["group"] for row in csv.DictReader(file)]
    assert groups == [f"slide {slides.index(slide)}" for slide, _, _ in judged]
    card = json.loads((run / "card.json").read_text())
    assert card["positive_labels"] == ["blast"]
    assert card["phantom"] is True
