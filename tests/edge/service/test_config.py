"""The configuration: every key checked, and a spoilt file never stops the microscope once it has worked."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.errors import ConfigUnusable
from alledge.service.config import LAST_GOOD, Config, keep_good_copy, parse_config, read_config

GOOD = b'camera = "v4l2:/dev/video0"\npixel_um = 0.13\ntarget_cells = 200\nkeep_pictures = true\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "alledge.toml"
    file.write_bytes(GOOD)
    return file


def test_what_is_told_is_taken_and_the_rest_has_its_default() -> None:
    config = parse_config(GOOD, "it")
    assert (config.camera, config.pixel_um, config.target_cells) == ("v4l2:/dev/video0", 0.13, 200)
    assert config.frames_per_s == Config().frames_per_s


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"camara = 'picamera2:0'\n", "unknown key `camara`"),
        (b"pixel_um = 'small'\n", "`pixel_um` must be a float"),
        (b"pixel_um = 51.0\n", "must be 0 to 5"),
        (b"pixel_um = nan\n", "must be 0 to 5"),
        (b"target_cells = true\n", "`target_cells` must be a int"),
        (b"keep_pictures = 1\n", "`keep_pictures` must be a bool"),
        (b"journal_limit_gb = 0\n", "must be 0.01 to"),
        (b"camera = \n", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (b"frames_per_s = 1", "ends within a line"),
    ],
)
def test_what_cannot_be_right_is_named(text: bytes, words: str) -> None:
    with pytest.raises(ConfigUnusable, match=words):
        parse_config(text, "alledge.toml")


def test_a_whole_number_is_good_enough_for_a_fraction() -> None:
    assert parse_config(b"frames_per_s = 15\n", "it").frames_per_s == 15.0


@pytest.mark.parametrize("kept", range(1, len(GOOD)))
def test_a_file_cut_short_is_never_taken_for_another_configuration(kept: int) -> None:
    """A cut at the end of a line leaves a shorter good file: no setting of it may be altered."""
    try:
        config = parse_config(GOOD[:kept], "it")
    except ConfigUnusable:
        return
    assert GOOD[:kept].endswith(b"\n")
    assert config.camera == "v4l2:/dev/video0"


@given(place=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_gives_the_named_error_or_settings_in_their_range(place: int, bit: int) -> None:
    flipped = bytearray(GOOD)
    flipped[place] ^= 1 << bit
    try:
        config = parse_config(bytes(flipped), "it")
    except ConfigUnusable:
        return
    assert 0.0 <= config.pixel_um <= 5.0
    assert 1 <= config.target_cells <= 100_000


@pytest.mark.parametrize("spoilt", [b"", b"camera = ", b"\x00" * 40, GOOD[:-5]])
def test_the_last_good_copy_stands_in_for_a_spoilt_file_and_says_so(file: Path, spoilt: bytes) -> None:
    assert keep_good_copy(file, file.parent) is None
    file.write_bytes(spoilt)
    config, trouble = read_config(file, file.parent)
    assert config.camera == "v4l2:/dev/video0"
    assert trouble is not None
    assert trouble.code == "config-unusable"


def test_a_missing_file_has_the_last_good_copy_too(file: Path) -> None:
    keep_good_copy(file, file.parent)
    file.unlink()
    config, trouble = read_config(file, file.parent)
    assert (config.target_cells, trouble is None) == (200, False)


def test_a_device_that_never_had_a_file_takes_the_defaults(tmp_path: Path) -> None:
    assert read_config(tmp_path / "none.toml", tmp_path) == (Config(), None)


def test_a_spoilt_file_without_a_good_copy_is_refused(file: Path) -> None:
    file.write_bytes(b"camera = ")
    with pytest.raises(ConfigUnusable):
        read_config(file, file.parent)


def test_a_spoilt_file_never_becomes_the_good_copy(file: Path) -> None:
    keep_good_copy(file, file.parent)
    file.write_bytes(b"camera = ")
    _, trouble = read_config(file, file.parent)
    assert trouble is not None
    assert (file.parent / LAST_GOOD).read_bytes() == GOOD


def test_a_copy_that_cannot_be_written_is_a_trouble(file: Path) -> None:
    trouble = keep_good_copy(file, file.parent / "nowhere")
    assert trouble is not None
    assert trouble.code == "storage-failed"
