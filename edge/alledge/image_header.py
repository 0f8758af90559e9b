"""Size and completeness of an image file, read from its header before any pixel is decoded.

Decoders trust what they are given: a 100-byte file can ask for 30 GB of memory, and a JPEG that lost
its second half may come back as a picture that is grey from the middle on. Both would end in a wrong
count of cells, so the four formats of the archives are checked here first, in plain Python.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_JPEG_START_OF_SCAN = 0xDA
_JPEG_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
# Start-of-frame markers C0 to CF, without the tables DHT (C4), JPG (C8) and DAC (CC) among them.
_JPEG_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

_PNG_START = b"\x89PNG\r\n\x1a\n"
_TIFF_STARTS = {b"II*\x00": "<", b"MM\x00*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_OFFSETS, _TIFF_COUNTS = (273, 324), (279, 325)
_TIFF_VALUE_BYTES = {3: 2, 4: 4}


class HeaderUnreadable(Exception):
    """The bytes are no JPEG, PNG, BMP or TIFF image, or not a whole one; the text says which."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a header promises. width, height: pixels."""

    kind: str
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader:
    """Size of the image in `data`, after checking that the file was not cut short.

    Raises HeaderUnreadable.
    """
    for start, reader in _READERS:
        if data.startswith(start):
            try:
                header = reader(data)
            except (struct.error, IndexError) as error:
                raise HeaderUnreadable("its header is cut short") from error
            if header.width < 1 or header.height < 1:
                raise HeaderUnreadable(f"its header says {header.width} x {header.height} pixels")
            return header
    raise HeaderUnreadable("it is no JPEG, PNG, BMP or TIFF image")


def _jpeg(data: bytes) -> ImageHeader:
    """ITU-T T.81, annex B: walk the markers to the first scan, then look for the end marker."""
    width = height = 0
    at = 2
    while True:
        if data[at] != 0xFF:
            raise HeaderUnreadable("its JPEG markers are damaged")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _JPEG_NO_LENGTH:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _JPEG_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
        if marker == _JPEG_START_OF_SCAN:
            break
        at += 2 + length
    # Searched behind the scan header only: the EXIF thumbnail has an end marker of its own.
    if data.rfind(_JPEG_END, at) < 0:
        raise HeaderUnreadable("the file is cut short")
    return ImageHeader("JPEG", width, height)


def _png(data: bytes) -> ImageHeader:
    """PNG specification (ISO/IEC 15948), chunks with CRC-32 up to IEND."""
    width, height = struct.unpack_from(">II", data, 16)
    at = len(_PNG_START)
    while True:
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            raise HeaderUnreadable("the file is cut short")
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != crc:
            raise HeaderUnreadable("a checksum in it is wrong")
        if data[at + 4 : at + 8] == b"IEND":
            return ImageHeader("PNG", width, height)
        at = end


def _bmp(data: bytes) -> ImageHeader:
    """Windows bitmap, BITMAPINFOHEADER or later; uncompressed rows are padded to four bytes."""
    (start,) = struct.unpack_from("<I", data, 10)
    width, height = struct.unpack_from("<ii", data, 18)
    bits_per_pixel, compression = struct.unpack_from("<HI", data, 28)
    row_bytes = (width * bits_per_pixel + 31) // 32 * 4
    if compression == 0 and start + row_bytes * abs(height) > len(data):
        raise HeaderUnreadable("the file is cut short")
    return ImageHeader("BMP", width, abs(height))


def _tiff(data: bytes) -> ImageHeader:
    """TIFF 6.0, first image of the file: size, and whether all its strips or tiles are there."""
    order = _TIFF_STARTS[data[:4]]
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (n_entries,) = struct.unpack_from(order + "H", data, directory)
    values: dict[int, tuple[int, ...]] = {}
    for k in range(n_entries):
        tag, kind, count = struct.unpack_from(order + "HHI", data, directory + 2 + 12 * k)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT, *_TIFF_OFFSETS, *_TIFF_COUNTS):
            values[tag] = _tiff_values(data, order, directory + 2 + 12 * k + 8, kind, count)
    for offsets, counts in zip(_TIFF_OFFSETS, _TIFF_COUNTS, strict=True):
        ends = map(sum, zip(values.get(offsets, ()), values.get(counts, ()), strict=False))
        if any(end > len(data) for end in ends):
            raise HeaderUnreadable("the file is cut short")
    return ImageHeader("TIFF", sum(values.get(_TIFF_WIDTH, ())), sum(values.get(_TIFF_HEIGHT, ())))


def _tiff_values(data: bytes, order: str, at: int, kind: int, count: int) -> tuple[int, ...]:
    """Values of one directory entry, which holds them itself when they fit into four bytes."""
    if kind not in _TIFF_VALUE_BYTES or count * _TIFF_VALUE_BYTES[kind] > len(data):
        raise HeaderUnreadable("its TIFF directory is damaged")
    if count * _TIFF_VALUE_BYTES[kind] > 4:
        (at,) = struct.unpack_from(order + "I", data, at)
    return struct.unpack_from(f"{order}{count}{'H' if kind == 3 else 'I'}", data, at)


_READERS: tuple[tuple[bytes, Callable[[bytes], ImageHeader]], ...] = (
    (_JPEG_START, _jpeg),
    (_PNG_START, _png),
    (b"BM", _bmp),
    *((start, _tiff) for start in _TIFF_STARTS),
)
