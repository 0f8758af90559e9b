"""The calibration on disk: read as it was written, or not at all."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alledge.calibration import CALIBRATION_FILE, Calibration, load_calibration, save_calibration
from alledge.errors import CalibrationDamaged, CalibrationMissing, StorageFailed
from alledge.phantom.bare_slides import render_empty_field
from tests.edge.calibration.microscope import OPTICS, calibration_of

SMALL = replace(OPTICS, width_px=200, height_px=150)
MADE = calibration_of(SMALL)
PICTURE = render_empty_field(SMALL)


@pytest.fixture(name="saved")
def _saved(tmp_path: Path) -> Calibration:
    return save_calibration(MADE, PICTURE, tmp_path)


def test_what_is_read_is_what_was_written(saved, tmp_path):
    again = load_calibration(tmp_path)
    assert np.array_equal(again.illumination.background, saved.illumination.background)
    assert (again.illumination.width, again.illumination.height) == (200, 150)
    assert same(again, saved)
    assert again.software_version == saved.software_version


def same(one: Calibration, other: Calibration) -> bool:
    told = [
        (c.scale, c.controls, c.white, c.focus, c.objective, c.camera, c.wall, c.sha256) for c in (one, other)
    ]
    return told[0] == told[1]


def test_the_file_may_be_named_itself(saved, tmp_path):
    assert same(load_calibration(tmp_path / CALIBRATION_FILE), saved)


def test_its_hash_is_of_all_that_it_says(saved):
    assert re.fullmatch("[0-9a-f]{64}", saved.sha256)
    assert not saved.illumination.background.flags.writeable


def test_another_measurement_has_another_hash(saved, tmp_path):
    other = save_calibration(replace(MADE, focus=1.6), PICTURE, tmp_path)
    assert other.sha256 != saved.sha256
    assert load_calibration(tmp_path).sha256 == other.sha256


def test_the_picture_of_the_empty_field_lies_beside_it_and_old_ones_go(saved, tmp_path):
    before = list(tmp_path.glob("flat-field-*.png"))
    save_calibration(MADE, render_empty_field(replace(SMALL, seed=1)), tmp_path)
    after = list(tmp_path.glob("flat-field-*.png"))
    assert len(before) == len(after) == 1
    assert before != after


def test_where_there_is_none_that_is_said(tmp_path):
    with pytest.raises(CalibrationMissing, match="alledge calibrate"):
        load_calibration(tmp_path)


@given(st.integers(0, 10**6), st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_changed_byte_goes_unseen(saved, tmp_path, place, byte):
    file = tmp_path / CALIBRATION_FILE
    before = file.read_bytes()
    after = bytearray(before)
    after[place % len(after)] = byte
    try:
        file.write_bytes(after)
        if json_equal(before, bytes(after)):
            assert same(load_calibration(file), saved)
        else:
            with pytest.raises(CalibrationDamaged):
                load_calibration(file)
    finally:
        file.write_bytes(before)


def json_equal(one: bytes, other: bytes) -> bool:
    """Whether a change was one of white space, or of how a number is spelt."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "not json", '{"sha256": "0", "calibration": {}}', "\x00\xff"]
)
def test_what_is_no_calibration_is_refused(tmp_path, text):
    (tmp_path / CALIBRATION_FILE).write_text(text)
    with pytest.raises(CalibrationDamaged):
        load_calibration(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", -5), ("white_bgr", [1, 2]), ("scale", None), ("focus", "sharp"), ("background_bgr", [[1.0]])],
)
def test_a_wrong_value_under_a_right_hash_is_refused(saved, tmp_path, name, value):
    from alledge.calibration.store import _hash

    file = tmp_path / CALIBRATION_FILE
    body = json.loads(file.read_text())["calibration"] | {name: value}
    file.write_text(json.dumps({"sha256": _hash(body), "calibration": body}))
    with pytest.raises(CalibrationDamaged):
        load_calibration(tmp_path)


def test_a_newer_format_is_refused_by_name(saved, tmp_path):
    file = tmp_path / CALIBRATION_FILE
    file.write_text(file.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(CalibrationDamaged, match="another version"):
        load_calibration(tmp_path)


def test_when_storage_refuses_the_old_calibration_stays(saved, tmp_path, monkeypatch):
    def full(path: Path, data: bytes) -> None:
        raise StorageFailed("The disk is full.", "Make room.")

    monkeypatch.setattr("alledge.calibration.store.write_whole", full)
    with pytest.raises(StorageFailed):
        save_calibration(replace(MADE, focus=9.0), PICTURE, tmp_path)
    assert load_calibration(tmp_path).sha256 == saved.sha256


def test_a_byte_that_makes_a_number_infinite_is_damage(saved, tmp_path):
    file = tmp_path / CALIBRATION_FILE
    text = file.read_text()
    assert "0.14" in text
    file.write_text(text.replace("0.14", "1e999", 1))
    with pytest.raises(CalibrationDamaged):
        load_calibration(file)
