"""The views by which a killed service finds its place: whole records only, of one slide only."""

from pathlib import Path

import numpy as np
import pytest

from alledge.errors import StorageFailed
from alledge.service.slide_views import SlideViews
from alledge.slide import FieldView


def a_view(value: int) -> FieldView:
    return FieldView(np.full((20, 30), value, np.uint8), 1.04, (160, 240, 3), 0.13)


def test_views_come_out_as_they_went_in(tmp_path: Path) -> None:
    views = SlideViews(tmp_path)
    for field_id in (3, 7, 9):
        views.append(2, field_id, a_view(field_id))
    found = SlideViews(tmp_path).read(2)
    assert list(found) == [3, 7, 9]
    assert np.array_equal(found[7].green, a_view(7).green)
    assert (found[7].unit_um, found[7].frame_shape, found[7].pixel_um) == (1.04, (160, 240, 3), 0.13)


@pytest.mark.parametrize("cut", [1, 300, 601, 643])
def test_a_record_cut_short_is_left_out_and_written_over(tmp_path: Path, cut: int) -> None:
    views = SlideViews(tmp_path)
    views.append(2, 1, a_view(1))
    views.append(2, 2, a_view(2))
    file = tmp_path / "slide-2.views"
    file.write_bytes(file.read_bytes()[:-cut])
    again = SlideViews(tmp_path)
    assert set(again.read(2)) == {1}
    again.append(2, 3, a_view(3))
    assert set(again.read(2)) == {1, 3}


def test_what_lies_after_a_damaged_record_is_not_believed(tmp_path: Path) -> None:
    views = SlideViews(tmp_path)
    for field_id in (1, 2, 3):
        views.append(2, field_id, a_view(field_id))
    file = tmp_path / "slide-2.views"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert set(SlideViews(tmp_path).read(2)) == {1}


def test_the_views_of_a_slide_go_with_the_next_slide(tmp_path: Path) -> None:
    views = SlideViews(tmp_path)
    views.append(2, 3, a_view(1))
    views.append(9, 10, a_view(1))
    assert [file.name for file in tmp_path.iterdir()] == ["slide-9.views"]
    assert views.read(2) == {}


def test_a_folder_that_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="cannot be kept"):
        SlideViews(tmp_path / "nowhere").append(1, 1, a_view(1))
