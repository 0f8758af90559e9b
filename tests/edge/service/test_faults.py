"""Every fault of the table, with many seeds: named, never a wrong result, back within three seconds."""

from pathlib import Path

import pytest

from alledge.faults.files import FILE_FAULTS, FileFault
from alledge.faults.table import SIMULATED_FAULTS, Fault, live_through
from alledge.faults.world import FaultPlan, World
from tests.edge.service.tiny_service import scenery, true_model_bytes

SEEDS = range(25)
CLEAN_FRAMES = 2_000


def test_the_table_has_at_least_forty_faults_each_once() -> None:
    names = [fault.name for fault in (*SIMULATED_FAULTS, *FILE_FAULTS)]
    assert len(names) == len(set(names)) >= 40


@pytest.mark.parametrize("fault", SIMULATED_FAULTS, ids=[fault.name for fault in SIMULATED_FAULTS])
def test_a_fault_is_named_and_survived(fault: Fault) -> None:
    failures = {seed: live_through(fault, scenery(), seed).failure(fault) for seed in SEEDS}
    assert not {seed: failure for seed, failure in failures.items() if failure}


@pytest.mark.parametrize("fault", FILE_FAULTS, ids=[fault.name for fault in FILE_FAULTS])
def test_a_spoilt_file_is_named_before_anything_is_done_with_it(fault: FileFault, tmp_path: Path) -> None:
    told = set()
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        told.add(fault.happen(folder, seed, true_model_bytes()))
    assert told == {fault.code}


def test_clean_frames_raise_no_alarm_and_each_new_field_has_a_true_result() -> None:
    world = World(scenery(), FaultPlan(), seed=3, still=3)
    while world.camera.captured < CLEAN_FRAMES:
        world.step()
        assert world.codes == set()
    state = world.station.ledger.state()
    assert world.wrong_results() == []
    assert state.adds_up
    assert state.analysed == pytest.approx(CLEAN_FRAMES / 3, abs=2), "an unchanged field is analysed once"
