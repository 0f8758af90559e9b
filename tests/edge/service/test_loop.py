"""The loop where others meddle: a slide ended by somebody else, a clock that is told, a disk that is full."""

from collections.abc import Callable

import pytest

from alledge.errors import SlideUnusable
from alledge.faults.world import FaultPlan, SilentInbox, World
from alledge.journal import FieldRecord
from alledge.service.control import Order, Request
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


def order(world: World, request: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the loop obey an order in its next step."""
    monkeypatch.setattr(SilentInbox, "take", lambda _: [] if request.obeyed.is_set() else [request])
    world.step()
    assert request.obeyed.is_set()


def kinds(world: World) -> list[object]:
    return [kind for kind, *_ in world.memory.others if str(kind).startswith("slide-")]


def test_nothing_is_looked_at_between_the_end_of_a_slide_and_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_until(world, lambda: world.n_good >= 2)
    order(world, Request(Order.END_SLIDE), monkeypatch)
    assert kinds(world) == ["slide-started", "slide-ended"]
    n_before = world.n_good
    for _ in range(30):
        world.step()
    assert world.n_good == n_before
    state = world.station.ledger.state()
    assert state.dropped[DropReason.PAUSED] > 0
    assert state.adds_up
    assert world.station.reason_to_feed(30.0) is not None, "a stage without a slide is no fault"
    order(world, Request(Order.NEW_SLIDE, "B 18"), monkeypatch)
    step_until(world, lambda: world.n_good > n_before)
    assert kinds(world) == ["slide-started", "slide-ended", "slide-started"], "the first is ended once"
    assert world.station.slide.identifier == "B 18"
    assert world.wrong_results() == []


def test_going_on_after_the_end_of_a_slide_begins_one_that_nobody_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_until(world, lambda: world.n_good >= 1)
    ended = world.station.slide
    order(world, Request(Order.END_SLIDE), monkeypatch)
    order(world, Request(Order.END_SLIDE), monkeypatch)
    order(world, Request(Order.RESUME), monkeypatch)
    step_until(world, lambda: world.station.slide.n_fields >= 1)
    assert world.station.slide is not ended
    assert world.station.slide.identifier == "simulated"
    assert kinds(world) == ["slide-started", "slide-ended", "slide-started"]
