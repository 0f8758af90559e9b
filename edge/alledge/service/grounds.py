"""What results rest on, noted in the journal when the service begins: the model's card and the calibration.

A field names both by SHA-256 only. With the note a report can be built years later from the journal alone,
after the model file was replaced and the microscope calibrated anew. Each is noted once.
"""

from collections.abc import Callable
from pathlib import Path

from alledge.calibration import Calibration
from alledge.clock import WallTime
from alledge.journal import Journal
from alledge.journal.reading import JournalReader
from alledge.model_file import ModelFile
from alledge.report.evidence import (
    CALIBRATION_LOADED,
    MODEL_LOADED,
    calibration_event,
    model_event,
    noted_evidence,
)


def grounds_note(
    file: Path, model: ModelFile, calibration: Calibration | None, wall: WallTime
) -> Callable[[Journal], int]:
    """What to write so that the journal tells the model and the calibration in use.

    Args:
        file: the journal's file.
        model: the model that the service works with.
        calibration: the calibration that it works with, None without one.
        wall: now, by the clock on the wall.

    Returns:
        A function that writes what is missing and gives the number of the last event, 0 when nothing was.
        It raises JournalUnavailable when the medium refuses, and may then be called again.
    """

    def write(journal: Journal) -> int:
        with JournalReader(file) as reader:
            noted = noted_evidence(reader)
        number = 0
        if model.identity.sha256 not in noted.cards:
            number = journal.append_event(MODEL_LOADED, model_event(model.identity, model.card), wall)
        if calibration is not None and calibration.sha256 not in noted.calibrations:
            number = journal.append_event(CALIBRATION_LOADED, calibration_event(calibration), wall)
        return number

    return write
