"""Whole images become arrays; everything else becomes one line that names the file."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.errors import FolderEmpty, ImageUnreadable, PathUnusable
from alledge.image_header import HeaderUnreadable, read_header
from alledge.images import IMAGE_SUFFIXES, encode_image, image_size, is_image, list_images, read_image
from alledge.types import U8


@pytest.fixture(scope="module")
def picture() -> U8:
    return np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_every_format_is_read_with_its_size(suffix: str, picture: U8, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    path.write_bytes(encode_image(picture, suffix))
    pixels = read_image(path)
    assert (pixels.shape, pixels.dtype, pixels.flags["C_CONTIGUOUS"]) == ((37, 53, 3), np.uint8, True)
    assert image_size(path) == (53, 37)
    if suffix not in (".jpg", ".jpeg"):
        assert np.array_equal(pixels, picture)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_a_file_cut_short_is_refused_quietly(
    suffix: str, picture: U8, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = encode_image(picture, suffix)
    for n_bytes in (0, 1, 10, 40, len(whole) // 2, len(whole) - 13):
        path = tmp_path / f"cut{n_bytes}{suffix}"
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(ImageUnreadable, match=rf"cut{n_bytes}.*Replace the file"):
            read_image(path)
    assert capfd.readouterr() == ("", "")


def test_other_files_are_no_images(tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_text("Dear colleague,")
    with pytest.raises(ImageUnreadable, match="no JPEG, PNG, BMP or TIFF"):
        read_image(path)
    with pytest.raises(PathUnusable, match="no file"):
        read_image(tmp_path)
    with pytest.raises(PathUnusable, match="no file"):
        read_image(tmp_path / "gone.jpg")


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (2**31, 2**31), (8_001, 8_000)])
def test_a_forged_size_is_refused_before_memory_is_asked_for(
    width: int, height: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(width, height))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageUnreadable, match="64 megapixels"):
        read_image(path)


def test_an_image_of_no_pixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nothing.png"
    path.write_bytes(png_that_claims(0, 10))
    with pytest.raises(ImageUnreadable, match="0 x 10 pixels"):
        read_image(path)


def test_one_flipped_bit_in_a_png_is_noticed(picture: U8, tmp_path: Path) -> None:
    data = bytearray(encode_image(picture, ".png"))
    data[len(data) // 2] ^= 1
    path = tmp_path / "flipped.png"
    path.write_bytes(bytes(data))
    with pytest.raises(ImageUnreadable, match="checksum"):
        read_image(path)


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an Exif segment that asks viewers to turn it."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def test_pixels_stay_as_stored_whatever_exif_asks_for(picture: U8, tmp_path: Path) -> None:
    plain, turned = tmp_path / "plain.jpg", tmp_path / "turned.jpg"
    plain.write_bytes(encode_image(picture, ".jpg"))
    turned.write_bytes(with_exif_orientation(plain.read_bytes(), 6))
    assert cv2.imread(str(turned)).shape == (53, 37, 3), "OpenCV alone would turn it"
    assert np.array_equal(read_image(turned), read_image(plain))


def test_an_end_marker_in_the_thumbnail_is_not_the_end_of_the_image(picture: U8, tmp_path: Path) -> None:
    jpeg = encode_image(picture, ".jpg")
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(jpeg)) + jpeg
    path = tmp_path / "cut.jpg"
    path.write_bytes((jpeg[:2] + segment + jpeg[2:])[:-200])
    with pytest.raises(ImageUnreadable, match="cut short"):
        read_image(path)


@pytest.mark.parametrize(
    "make",
    [lambda p: p[..., 0], lambda p: np.dstack([p, p[..., 0]]), lambda p: p.astype(np.uint16) * 257],
    ids=["grey", "alpha", "16 bit"],
)
def test_every_kind_of_pixel_becomes_three_bytes(
    make: Callable[[U8], U8], picture: U8, tmp_path: Path
) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(encode_image(make(picture), ".png"))
    pixels = read_image(path)
    assert (pixels.shape, pixels.dtype) == (picture.shape, np.uint8)
    assert np.array_equal(pixels[..., 0], picture[..., 0])


@settings(max_examples=300)
@given(
    st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*"]), st.binary(max_size=300)
)
def test_no_bytes_whatsoever_upset_the_header_reader(start: bytes, rest: bytes) -> None:
    try:
        header = read_header(start + rest)
    except HeaderUnreadable:
        return
    assert header.width > 0
    assert header.height > 0


def test_a_folder_lists_its_images_in_order(picture: U8, tmp_path: Path) -> None:
    for name in ("b.JPG", "a.tif", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["a.tif", "b.JPG"]
    assert not is_image(Path(".hidden.png"))


def test_a_folder_without_images_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(FolderEmpty, match="holds no image"):
        list_images(tmp_path)
    with pytest.raises(PathUnusable, match="no folder"):
        list_images(tmp_path / "gone")
