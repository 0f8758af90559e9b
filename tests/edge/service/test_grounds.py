"""What results rest on is in the journal, once."""

from dataclasses import replace
from pathlib import Path

from alledge.journal.reading import JournalReader
from alledge.model_file import pack_model, parse_model
from alledge.report.evidence import MODEL_LOADED, noted_evidence
from alledge.service.grounds import grounds_note
from tests.edge.journal.made import WALL, new_journal
from tests.edge.tiny_model import TinyNetwork, tiny_card, tiny_golden, tiny_model_bytes

MODEL = parse_model(tiny_model_bytes(), "tiny")


def test_the_models_card_can_be_read_from_the_journal_alone(tmp_path: Path) -> None:
    journal = new_journal(tmp_path)
    grounds_note(journal.path, MODEL, None, WALL)(journal)
    with JournalReader(journal.path) as reader:
        assert noted_evidence(reader).cards == {MODEL.identity.sha256: MODEL.card}


def test_a_service_that_starts_again_notes_only_what_is_new(tmp_path: Path) -> None:
    journal = new_journal(tmp_path)
    other = parse_model(
        pack_model(TinyNetwork().build(), replace(tiny_card(), name="other"), tiny_golden()), "other"
    )
    numbers = [grounds_note(journal.path, model, None, WALL)(journal) for model in (MODEL, MODEL, other)]
    with JournalReader(journal.path) as reader:
        events = reader.events(kind=MODEL_LOADED)
    assert numbers[1] == 0
    assert [event.number for event in events] == [numbers[0], numbers[2]]
