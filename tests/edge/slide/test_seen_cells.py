"""Who is who among the cells of a field and those counted before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alledge.slide.seen_cells import UNKNOWN, CountedCells, Spots, duplicates, recognise


def spots(*cells: tuple[float, float, float]) -> Spots:
    table = np.array(cells, dtype=np.float64).reshape(-1, 3)
    return Spots(table[:, :2], table[:, 2])


def who(found: Spots, known: Spots, *, cut: tuple[int, ...] = ()) -> list[int]:
    return recognise(found, [i in cut for i in range(len(found))], known)[0]


def test_a_cell_at_a_known_place_is_that_cell_and_one_elsewhere_is_new() -> None:
    assert who(spots((1, 0, 10), (40, 0, 10)), spots((0, 0, 10))) == [0, UNKNOWN]


def test_two_cells_that_touch_stay_two() -> None:
    pair = spots((0, 0, 7), (6.6, 0, 7))
    assert who(spots((6.9, 0.2, 7), (0.2, 0.2, 7)), pair) == [1, 0]
    assert who(pair, spots((0, 0, 7))) == [0, UNKNOWN]


def test_a_clump_found_as_one_cell_and_later_as_two_is_counted_as_two() -> None:
    assert who(spots((0, 0, 10), (10, 0, 10)), spots((5, 0, 16))) in ([0, UNKNOWN], [UNKNOWN, 0])


def test_a_part_of_a_known_cell_is_no_new_cell() -> None:
    assert recognise(spots((-1.5, 0, 6), (1.6, 0, 6)), [False, False], spots((0, 0, 12))) == (
        [0, 0],
        [True, False],
    )


def test_a_cut_cell_can_be_recognised_but_takes_no_whole_cells_place() -> None:
    known = spots((0, 0, 10), (30, 0, 10))
    assert who(spots((0.5, 0, 10), (1.5, 3, 8), (27, 0, 8)), known, cut=(1, 2)) == [0, UNKNOWN, 1]
    assert not any(recognise(spots((0.5, 0, 10)), [True], known)[1])


def test_nothing_is_recognised_where_nothing_is_known() -> None:
    assert who(spots((0, 0, 10)), spots()) == [UNKNOWN]
    assert who(spots(), spots((0, 0, 10))) == []


places = st.lists(
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=25, unique=True
).map(lambda grid: spots(*((9.0 * x, 9.0 * y, 9.0) for x, y in grid)))


@given(places, st.integers(0, 2**31))
def test_every_cell_is_itself_again_however_it_is_ordered_and_jittered(known: Spots, seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(known))
    jitter = rng.uniform(-1.0, 1.0, (len(known), 2))
    seen = Spots(known.centres_um[order] + jitter, known.diameters_um[order])
    assert who(seen, known) == order.tolist()
    assert sorted(duplicates(known, seen)) == sorted((k, i) for i, k in enumerate(order.tolist()))


def test_one_sighting_beside_the_cell_hardly_moves_it_and_its_patch_is_not_kept() -> None:
    cells = CountedCells()
    number = cells.add(0, 0.0, 0.0, 10.0, sharpness=1.0)
    for _ in range(9):
        assert not cells.see_again(number, 0.0, 0.0, 10.0, sharpness=0.5)
    assert not cells.see_again(number, 4.0, 0.0, 14.0, sharpness=9.0)
    assert np.hypot(*cells.offsets_um(cells.numbers())[0]) < 0.5
    assert cells.see_again(number, 0.5, 0.0, 10.0, sharpness=1.5)


def test_a_withdrawn_cell_no_longer_counts_and_its_number_is_never_given_again() -> None:
    cells = CountedCells()
    numbers = [cells.add(0, float(x), 0.0, 10.0, 1.0) for x in range(600)]
    cells.withdraw(600, stays=1)
    assert numbers == list(range(1, 601))
    assert len(cells) == 599
    assert 600 not in cells.numbers()
    assert cells.add(0, 0.0, 0.0, 10.0, 1.0) == 601
