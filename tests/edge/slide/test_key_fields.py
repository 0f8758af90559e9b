"""Places that all measured shifts agree on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.slide.keepsake import keepsake_of
from alledge.slide.key_fields import KeyFields, Link
from alledge.slide.registration import view_of_green
from tests.edge.slide.slides import lattice


def test_a_closed_loop_spreads_its_error_over_the_path() -> None:
    keys = KeyFields()
    for number in range(11):  # each step was measured 0.2 um too long
        keys.add(None, 1, 10.2 * number, 0.0)
        if number:
            keys.link(Link(number - 1, number, 10.2, 0.0, 1.0))
    keys.link(Link(0, 10, 100.0, 0.0, 1.0))
    assert keys.place(0) == pytest.approx((0.0, 0.0), abs=0.01)
    assert keys.place(10)[0] == pytest.approx(100.0, abs=0.3)
    assert keys.place(5)[0] == pytest.approx(50.0, abs=0.2)


@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-500, 500)), min_size=2, max_size=12), st.data())
def test_links_without_error_bring_every_field_to_its_place(
    truth: list[tuple[float, float]], data: st.DataObject
) -> None:
    keys = KeyFields()
    places = np.array(truth) - truth[0]
    for number in range(len(places)):  # wrong at first
        keys.add(None, 1, float(3.0 * number), 0.0)
    for number in range(1, len(places)):
        other = data.draw(st.integers(0, number - 1))
        dx_um, dy_um = places[number] - places[other]
        keys.link(Link(other, number, float(dx_um), float(dy_um), 0.5))
    got = keys.places(np.arange(len(places)))
    assert np.abs(got - places).max() < 0.35  # 0.3 um are not worth settling anew


def test_joined_regions_are_one_and_keep_the_shape_of_each() -> None:
    keys = KeyFields()
    keys.add(None, 1, 0.0, 0.0)
    keys.add(None, 2, 0.0, 0.0)
    keys.add(None, 2, 7.0, 0.0)
    keys.join(1, 2, 100.0, 50.0)
    assert [keys.region(number) for number in range(3)] == [1, 1, 1]
    assert keys.place(2) == (107.0, 50.0)
    assert keys.nearest(1, 106.0, 50.0) == 2


def test_only_so_many_views_are_kept_and_the_useful_ones_stay() -> None:
    keys = KeyFields(most_views=3)
    kept = keepsake_of(view_of_green(lattice(60, 45, 10), 1.2))
    for number in range(3):
        keys.add(kept, 1, float(number), 0.0)
    keys.keepsake(0)
    keys.add(kept, 1, 3.0, 0.0)
    assert keys.kept().tolist() == [3, 2, 0]
    assert len(keys) == 4


def test_a_keepsake_shows_what_the_view_showed() -> None:
    rng = np.random.default_rng(2)
    view = view_of_green(rng.integers(140, 230, (45, 60)).astype(np.uint8), 1.2)
    again = keepsake_of(view).view()
    assert np.corrcoef(again.detail.ravel(), view.detail.ravel())[0, 1] > 0.999
    assert again.unit_um == view.unit_um
