"""The loop where others meddle: a slide ended by somebody else, a clock that is told, a disk that is full."""

from collections.abc import Callable

import pytest

from alledge.errors import SlideUnusable
from alledge.faults.world import FaultPlan, World
from alledge.journal import FieldRecord
from alledge.service.ledger import DropReason
from tests.edge.service.tiny_service import scenery


@pytest.fixture
def world() -> World:
    return World(scenery(), FaultPlan(), seed=2)


def step_until(world: World, true: Callable[[], object]) -> None:
    for _ in range(200):
        if true():
            return
        world.step()
    raise AssertionError("not within 200 steps")


def test_a_slide_that_somebody_ended_makes_way_for_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_until(world, lambda: world.n_good >= 2)
    ended, append = world.station.slide.number, world.memory.append_field

    def refuse_ended(slide_id: int, record: FieldRecord) -> int:
        if slide_id == ended:
            raise SlideUnusable("The journal does not hold an open slide.", "Start one.")
        return append(slide_id, record)

    monkeypatch.setattr(type(world.memory), "append_field", lambda _, *told: refuse_ended(*told))
    n_before = world.n_good
    step_until(world, lambda: world.n_good >= n_before + 2)
    state = world.station.ledger.state()
    assert state.dropped[DropReason.SLIDE_ENDED] == 1
    assert state.adds_up
    assert world.station.slide.number not in (None, ended)
    assert world.station.slide.n_fields >= 2, "cells of the new slide are counted from nothing"
    assert world.codes == set()
    assert world.wrong_results() == []


def test_a_slide_that_is_ended_twice_harms_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    step_until(world, lambda: world.n_good >= 1)

    def refuse(*_: object) -> None:
        raise SlideUnusable("The journal does not hold an open slide.", "Start one.")

    monkeypatch.setattr(type(world.memory), "end_slide", refuse)
    world.station.begin_next_slide("B 18")
    n_before = world.n_good
    step_until(world, lambda: world.n_good > n_before)
    assert world.station.slide.identifier == "B 18"
