"""What the guard lets through is what the camera saw just now, whole; all else has its reason."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.images import list_images, read_image
from alledge.service.guard import FrameGuard, seam_strength
from alledge.service.ledger import DropReason
from alledge.service.ring import Claimed, Damage
from alledge.types import U8, Frame
from tests.edge.service.tiny_service import scenery

S = 1_000_000_000


def exposed(number: int, pixels: U8 | None = None, exposure_us: int = 10_000) -> Claimed:
    """A frame asked for at `number` seconds and exposed at once, with noise of its own."""
    if pixels is None:
        noise = np.random.default_rng(number).integers(-2, 3, scenery().pictures[0].shape)
        pixels = np.clip(scenery().pictures[0].astype(np.int16) + noise, 0, 255).astype(np.uint8)
    frame = Frame(pixels, "camera", number * S + S // 10, exposure_us)
    return Claimed(frame, number, number * S, Damage.NONE)


def asked(guard: FrameGuard, claimed: Claimed) -> tuple[DropReason, str] | None:
    objection = guard.object_to(claimed, claimed.asked_ns + S // 5)
    return None if objection is None else (objection.reason, objection.trouble.code)


@pytest.fixture
def guard() -> FrameGuard:
    guard = FrameGuard()
    assert asked(guard, exposed(1)) is None
    return guard


def test_exposures_of_a_stage_that_stands_still_are_no_frozen_camera(guard: FrameGuard) -> None:
    assert [asked(guard, exposed(number)) for number in range(2, 8)] == [None] * 6


def test_the_same_exposure_again_is_frozen(guard: FrameGuard) -> None:
    assert asked(guard, exposed(2, exposed(1).frame.pixels)) == (DropReason.FROZEN, "camera-frozen")


def test_a_picture_that_is_half_old_is_frozen_too(guard: FrameGuard) -> None:
    half = exposed(2).frame.pixels.copy()
    half[:130] = exposed(1).frame.pixels[:130]
    assert asked(guard, exposed(2, half)) == (DropReason.FROZEN, "camera-frozen")


def test_what_was_exposed_before_it_was_asked_for_is_stale(guard: FrameGuard) -> None:
    late = exposed(2)
    stale = replace(late, frame=replace(late.frame, sensor_timestamp_ns=2 * S + 5_000_000))
    assert asked(guard, stale) == (DropReason.STALE, "camera-stale"), "it began 5 ms before"


def test_a_stamp_of_another_clock_is_named(guard: FrameGuard) -> None:
    ahead = exposed(2)
    ahead = replace(ahead, frame=replace(ahead.frame, sensor_timestamp_ns=900 * S))
    assert asked(guard, ahead) == (DropReason.STALE, "camera-clock")


def test_another_size_than_before_is_refused_and_the_old_one_still_taken(guard: FrameGuard) -> None:
    small = np.ascontiguousarray(exposed(2).frame.pixels[:100])
    assert asked(guard, exposed(2, small)) == (DropReason.WRONG_SHAPE, "frame-shape")
    assert asked(guard, exposed(3)) is None


@pytest.mark.parametrize(
    ("damage", "told"),
    [(Damage.TORN, (DropReason.TORN, "frame-torn")), (Damage.UNFIT, (DropReason.WRONG_SHAPE, "frame-shape"))],
)
def test_what_the_ring_found_damaged_is_refused(guard: FrameGuard, damage: Damage, told: object) -> None:
    assert asked(guard, replace(exposed(2), damage=damage)) == told


@pytest.mark.parametrize("row", [20, 60, 119, 200])
def test_parts_of_two_exposures_in_one_are_torn(guard: FrameGuard, row: int) -> None:
    torn = exposed(2).frame.pixels.copy()
    torn[row:] = np.roll(scenery().pictures[1], 7, axis=1)[row:]
    assert asked(guard, exposed(2, torn)) == (DropReason.TORN, "frame-torn")


def test_an_archive_may_hold_a_picture_twice(guard: FrameGuard) -> None:
    twice = Claimed(Frame(exposed(1).frame.pixels, "file"), 2, 2 * S, Damage.NONE)
    assert [asked(FrameGuard(), twice), asked(guard, twice)] == [None, None]


def test_no_real_field_looks_torn(shared_data: Path) -> None:
    fields = list_images(shared_data / "all-idb1" / "im")[::8]
    assert max(seam_strength(read_image(file)) for file in fields) < 0.06
