"""The map of a slide under a moving hand, judged by a phantom slide that knows every cell."""

import numpy as np
import pytest

from alledge.illumination import estimate_illumination
from alledge.phantom.hand import HandHabits
from alledge.phantom.slide import PhantomSlide
from alledge.slide import NOT_COUNTED, Placement, RememberedField, Sighting, SlideMap, restore_map
from alledge.types import U8, Cell
from bench.slide import Condition, follow, phantom_shots
from tests.edge.slide.slides import HEIGHT_UM, SMALL, WIDTH_UM, cell, picture

UM = SMALL.pixel_um
FEW_FIELDS = 45


def place(slide_map: SlideMap, pixels: U8, pixel_um: float = UM) -> Placement:
    return slide_map.place(pixels, pixel_um, estimate_illumination(pixels))


def count(
    slide_map: SlideMap, placement: Placement, *cells: Cell, sharp: float = 1.0
) -> tuple[Sighting, ...]:
    return slide_map.count(placement, cells, UM, [sharp] * len(cells))


@pytest.mark.parametrize(
    "condition",
    [
        Condition("as it comes", HandHabits(extent_fields=3.0), SMALL),
        Condition("at 20 % overlap", HandHabits(extent_fields=3.0, pause=0.0, least_speed=0.9), SMALL),
        Condition("jumps", HandHabits(extent_fields=3.0, jump=0.12), SMALL),
        Condition(
            "defocus and a flickering lamp",
            HandHabits(extent_fields=3.0, moving_defocus_um=4.0),
            SMALL,
            flicker=0.1,
        ),
    ],
    ids=lambda condition: condition.name,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_each_cell_of_a_slide_is_counted_once(condition: Condition, seed: int) -> None:
    """The promise is 1 % of doubles and of lost cells; so short a walk leaves no room for a single one."""
    walk = follow(phantom_shots(condition, seed, FEW_FIELDS, finder=False))
    assert walk.verdict.n_countable > 12
    assert (walk.verdict.n_double, walk.verdict.n_lost) == (0, 0)
    assert max(walk.place_errors_um) < 1.0


def test_a_field_that_did_not_move_has_exactly_the_same_place(slide: PhantomSlide) -> None:
    slide_map = SlideMap()
    place(slide_map, picture(slide, 0, 0))
    first = place(slide_map, picture(slide, 50, 20, 1))
    again = [place(slide_map, picture(slide, 50, 20, number)) for number in range(2, 6)]
    assert {(p.region, p.x_um, p.y_um) for p in again} == {(first.region, first.x_um, first.y_um)}
    assert not any(p.is_jump for p in again)


def test_a_drift_too_slow_to_see_from_field_to_field_adds_up(slide: PhantomSlide) -> None:
    slide_map = SlideMap()
    for number in range(40):
        last = place(slide_map, picture(slide, 0.1 * number, 0, number))
    assert last.x_um == pytest.approx(3.9, abs=0.3)


def test_a_jump_opens_a_region_and_says_so_and_the_way_back_is_found(slide: PhantomSlide) -> None:
    slide_map = SlideMap()
    start = place(slide_map, picture(slide, 0, 0))
    away = place(slide_map, picture(slide, 3 * WIDTH_UM, 0, 1))
    back = place(slide_map, picture(slide, 30, 10, 2))
    assert (start.is_jump, start.region) == (False, 1)
    assert (away.is_jump, away.region) == (True, 2)
    assert (back.is_jump, back.region) == (True, 1)
    assert (back.x_um, back.y_um) == pytest.approx((30, 10), abs=0.4)


def test_regions_that_meet_are_joined_and_what_was_counted_twice_is_withdrawn(slide: PhantomSlide) -> None:
    """From A a jump to C, then a walk back over B, which both have seen."""
    slide_map = SlideMap()
    here = 40.0  # a cell that lies there on the slide
    first = place(slide_map, picture(slide, 0, 0))
    assert count(slide_map, first, cell(here / UM, 40.0 / UM))[0].cell_id == 1
    place(slide_map, picture(slide, 2.2 * WIDTH_UM, 0, 1))
    on_the_way = place(slide_map, picture(slide, 1.6 * WIDTH_UM, 0, 2))
    other = count(slide_map, on_the_way, cell(30.0 / UM, 40.0 / UM))[0]
    assert (on_the_way.region, other.cell_id, slide_map.n_cells) == (2, 2, 2)
    met = place(slide_map, picture(slide, 0.95 * WIDTH_UM, 0, 3))
    met = place(slide_map, picture(slide, 0.4 * WIDTH_UM, 0, 4)) if met.region == 2 else met
    assert met.region == 1
    assert met.y_um == pytest.approx(0.0, abs=0.5)
    back = place(slide_map, picture(slide, 5, 0, 5))
    assert count(slide_map, back, cell((here - 5) / UM, 40.0 / UM))[0].cell_id == 1
    assert slide_map.n_cells == 2


def test_a_cell_is_new_once_and_its_sharpest_patch_is_told(slide: PhantomSlide) -> None:
    slide_map = SlideMap()
    one = place(slide_map, picture(slide, 0, 0))
    told = [count(slide_map, one, cell(150, 100), sharp=sharp)[0] for sharp in (2.0, 1.0, 3.0)]
    assert [(t.cell_id, t.is_new, t.is_sharper) for t in told] == [
        (1, True, True),
        (1, False, False),
        (1, False, True),
    ]


def test_a_cut_cell_is_counted_when_it_is_seen_whole(slide: PhantomSlide) -> None:
    slide_map = SlideMap()
    one = place(slide_map, picture(slide, 0, 0))
    cut = count(slide_map, one, cell(318, 100, cut=True))[0]
    assert (cut.cell_id, cut.is_new, slide_map.n_cells) == (NOT_COUNTED, False, 0)
    other = place(slide_map, picture(slide, 60, 0, 1))
    whole = count(slide_map, other, cell((318 * UM - 60) / UM, 100))[0]
    assert (whole.cell_id, whole.is_new) == (1, True)
    again = place(slide_map, picture(slide, 0, 0, 2))
    assert count(slide_map, again, cell(316, 100, cut=True))[0].cell_id == 1


def test_another_objective_is_never_matched_and_the_first_one_is_found_again(slide: PhantomSlide) -> None:
    slide_map = SlideMap()
    pixels = picture(slide, 0, 0)
    assert place(slide_map, pixels).region == 1
    assert place(slide_map, pixels, pixel_um=0.2).region == 2
    assert place(slide_map, picture(slide, 20, 0, 1), pixel_um=UM * 1.05).region == 1


def test_an_estimate_of_the_pixel_size_that_wavers_moves_nothing(slide: PhantomSlide) -> None:
    slide_map = SlideMap()
    place(slide_map, picture(slide, 0, 0))
    moved = place(slide_map, picture(slide, 60, 0, 1), pixel_um=UM * 1.08)
    assert moved.x_um == pytest.approx(60, abs=0.4)


def test_memory_is_bounded_and_an_old_place_is_then_a_new_one(slide: PhantomSlide) -> None:
    slide_map = SlideMap(most_views=2)
    for number in range(4):
        place(slide_map, picture(slide, 2.0 * WIDTH_UM * number, 0, number))
    assert place(slide_map, picture(slide, 0, 0, 9)).region == 5


def walk(slide: PhantomSlide, *, pictures: bool) -> tuple[SlideMap, list[RememberedField]]:
    slide_map, fields = SlideMap(), []
    for number, x_um in enumerate((0.0, 60.0, 110.0, 500.0, 540.0)):
        pixels = picture(slide, x_um, 0, number)
        at = place(slide_map, pixels)
        cells = tuple(
            cell((x - x_um) / UM, 100.0) for x in (90.0, 120.0, 560.0) if 5 < x - x_um < WIDTH_UM - 5
        )
        seen = count(slide_map, at, *cells)
        fields.append(RememberedField(at, cells, seen, UM, pixels if pictures else None))
    return slide_map, fields


def test_a_map_restored_from_its_pictures_goes_on_as_if_nothing_had_happened(slide: PhantomSlide) -> None:
    before, fields = walk(slide, pictures=True)
    after = restore_map(fields)
    assert after.n_cells == before.n_cells == 3
    pixels = picture(slide, 70, 15, 9)
    seen = [place(m, pixels) for m in (before, after)]
    assert seen[0] == seen[1]
    assert count(after, seen[1], cell((120 - 70) / UM, (40 - 15) / UM))[0].cell_id == 2


def test_a_map_restored_without_pictures_keeps_its_cells_and_their_numbers(slide: PhantomSlide) -> None:
    after = restore_map(walk(slide, pictures=False)[1])
    assert after.n_cells == 3
    new = place(after, picture(slide, 0, 0, 9))
    assert count(after, new, cell(100, 100))[0].cell_id == 4


def test_a_journal_with_a_field_missing_is_refused(slide: PhantomSlide) -> None:
    with pytest.raises(ValueError, match="expected the field that counts cell 1"):
        restore_map(walk(slide, pictures=True)[1][1:][::-1])


def test_an_empty_field_has_a_place_too() -> None:
    slide_map = SlideMap()
    empty = np.full((240, 320, 3), 200, np.uint8)
    first, second = place(slide_map, empty), place(slide_map, empty)
    assert first.region == 1
    assert count(slide_map, second) == ()


def test_the_height_of_a_field_is_as_good_as_its_width(slide: PhantomSlide) -> None:
    slide_map = SlideMap()
    place(slide_map, picture(slide, 0, 0))
    down = place(slide_map, picture(slide, 0, 0.75 * HEIGHT_UM, 1))
    assert not down.is_jump
    assert (down.x_um, down.y_um) == pytest.approx((0, 0.75 * HEIGHT_UM), abs=0.4)
    assert down.overlap == pytest.approx(0.25, abs=0.02)
