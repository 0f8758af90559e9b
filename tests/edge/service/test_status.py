"""The status tells what is durable, with every bound of the differential."""

from pathlib import Path

import pytest

from alledge.errors import StorageFailed
from alledge.faults.world import FaultPlan, World
from alledge.service.status import status_of, write_status
from tests.edge.service.tiny_service import scenery


@pytest.fixture
def world() -> World:
    world = World(scenery(), FaultPlan(), seed=4)
    for _ in range(12):
        world.step()
    return world


def test_the_differential_is_told_whole(world: World) -> None:
    model = scenery().model
    told = status_of(world.station, model.identity, model.card, 100, world.clock)
    slide = told["slide"]
    assert isinstance(slide, dict)
    assert {
        "corrected_share",
        "not_corrected",
        "positive_share_if_review_none",
        "positive_share_if_review_all",
    } <= set(slide)
    assert slide["cells"] == world.station.slide.n_cells > 0
    assert slide["fields"] == world.station.slide.n_fields


def test_the_ledger_is_told_and_adds_up(world: World) -> None:
    model = scenery().model
    ledger = status_of(world.station, model.identity, model.card, 100, world.clock)["ledger"]
    assert isinstance(ledger, dict)
    dropped = ledger["dropped"]
    assert isinstance(dropped, dict)
    settled = [ledger["analysed"], ledger["in_flight"], *dropped.values()]
    assert ledger["captured"] == sum(n for n in settled if isinstance(n, int))


def test_a_status_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    write_status({"state": "running"}, file)
    with pytest.raises(StorageFailed):
        write_status({"state": "paused"}, tmp_path / "nowhere" / "status.json")
    assert file.read_text() == '{"state": "running"}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_a_stage_without_a_slide_and_an_archive_at_its_end_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> object:
        return status_of(world.station, scenery().model.identity, scenery().model.card, 100, world.clock)[
            "state"
        ]

    assert state() == "running"
    monkeypatch.setattr(type(world.station), "is_finished", True)
    assert state() == "finished"
    world.station.end_slide()
    assert state() == "between-slides"
    world.station.begin_next_slide("B 18")
    assert state() == "finished"
