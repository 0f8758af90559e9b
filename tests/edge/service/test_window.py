"""What whoever looks is shown: every frame, with its boxes, or with the reason for none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from alledge.errors import StorageFailed
from alledge.faults.world import PIXEL_UM, FaultPlan, World
from alledge.reduced import Halvings
from alledge.service.ledger import DropReason
from alledge.service.window import Window
from alledge.strict_json import Json
from alledge.types import U8
from tests.edge.service.tiny_service import scenery


@dataclass
class Seen:
    """A view that remembers what it was shown."""

    shown: list[tuple[int, U8, Mapping[str, Json]]] = field(default_factory=list)
    is_full: bool = False

    def show(self, sequence: int, pixels: U8, told: Mapping[str, Json]) -> None:
        if self.is_full:
            raise StorageFailed("The view is full.", "Free space.")
        self.shown.append((sequence, pixels.copy(), told))


def test_a_large_frame_is_shown_reduced_and_its_boxes_fit_the_picture() -> None:
    seen = Seen()
    window = Window(seen)
    large = Halvings(np.repeat(np.repeat(scenery().pictures[0], 7, axis=0), 7, axis=1))
    result = scenery().clean[0].result
    window.found(result, large)
    window.show(1, large, None, {})
    _, pixels, told = seen.shown[0]
    assert pixels.shape == (420, 560, 3), "2240 pixels wide: a quarter of it fits"
    assert told["pixel_um"] == PIXEL_UM * 4
    cells = told["cells"]
    assert isinstance(cells, list)
    first = cells[0]
    assert isinstance(first, dict)
    assert first["box"] == [round(edge / 4, 1) for edge in result.cells[0].box]
    assert first["label"] == result.calls[0].label


def test_boxes_stay_while_the_stage_stands_still_and_go_with_any_other_reason() -> None:
    seen = Seen()
    window = Window(seen)
    view = Halvings(scenery().pictures[0])
    window.found(scenery().clean[0].result, view)
    for reason in (None, DropReason.UNCHANGED, DropReason.FROZEN, DropReason.UNCHANGED):
        window.show(1, view, reason, {})
    assert [("cells" in told, told["state"], told["is_still"]) for _, _, told in seen.shown] == [
        (True, "analysed", False),
        (True, "unchanged", True),
        (False, "frozen", False),
        (False, "unchanged", True),
    ]


def test_a_view_that_cannot_be_written_is_a_trouble_and_no_end() -> None:
    trouble = Window(Seen(is_full=True)).show(1, Halvings(scenery().pictures[0]), None, {})
    assert trouble is not None
    assert trouble.code == "storage-failed"


def world_with_view(plan: FaultPlan, still: int = 1) -> tuple[World, Seen]:
    world, seen = World(scenery(), plan, seed=1, still=still), Seen()
    world.station._window = Window(seen)
    return world, seen


def step_until(world: World, true: Callable[[], object]) -> None:
    for _ in range(200):
        if true():
            return
        world.step()
    raise AssertionError("not within 200 steps")


def test_the_service_shows_analysed_and_unchanged_fields_with_age_and_words() -> None:
    world, seen = world_with_view(FaultPlan(), still=3)
    step_until(world, lambda: len(seen.shown) >= 9)
    states = [told["state"] for _, _, told in seen.shown]
    assert set(states) == {"analysed", "unchanged"}
    for sequence, pixels, told in seen.shown:
        assert pixels.shape == scenery().pictures[0].shape
        assert isinstance(told["sensor_age_ms"], float)
        assert told["verdict"] == "ok"
        assert told["is_stored"] == (told["state"] == "analysed"), sequence


def test_the_service_shows_what_it_refuses_and_says_why() -> None:
    world, seen = world_with_view(FaultPlan(camera="defocused"))
    step_until(world, lambda: len(seen.shown) >= 3)
    world.is_on = True
    step_until(world, lambda: seen.shown[-1][2]["verdict"] != "ok")
    told = seen.shown[-1][2]
    assert told["verdict"] == "out of focus"
    assert "fine focus" in str(told["advice"])
    assert told["what"] == "The field is not judged: out of focus."
    assert told["cells"] == []
