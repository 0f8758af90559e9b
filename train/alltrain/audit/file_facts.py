"""What a file tells besides its pixels: format, JPEG tables, and what the camera wrote into it (EXIF).

Two classes that were photographed, saved or copied in two ways can be told apart without looking at a
cell. OpenCV hands none of this out in the versions that we support, so the few fields that matter are
read here: plain Python, every offset checked, and damage means "not told", never an error.

Sources: JPEG markers and quantisation tables, ITU-T T.81, annexes B and K; EXIF tags, CIPA DC-008 (2019).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from alledge.image_header import HeaderUnreadable, read_header

Value: TypeAlias = str | float

_MAKE, _MODEL, _DATE, _EXIF_DIRECTORY = 0x010F, 0x0110, 0x0132, 0x8769
_EXPOSURE, _ISO, _DATE_TAKEN = 0x829A, 0x8827, 0x9003
_TEXT, _SHORT, _LONG, _RATIONAL = 2, 3, 4, 5
_SIZES: Final = {_TEXT: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8}
_MOST_ENTRIES: Final = 200
_MOST_TEXT: Final = 120
_START_OF_SCAN, _TABLES, _APP1 = 0xDA, 0xDB, 0xE1
# T.81, table K.1 in zigzag order: what the common encoder scales by its quality.
_LUMINANCE: Final = (
    *(16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37),
    *(29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87),
    *(95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99),
)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Facts of one image file; None where the file does not tell.

    kind: JPEG, PNG, BMP or TIFF. width, height: pixels. n_bytes: of the file.
    jpeg_quality: 1 to 100, on the scale of the common encoder (libjpeg).
    camera: make and model. taken: as written, "2004:04:21 17:25:06". exposure_s: seconds. iso: sensitivity.
    """

    kind: str
    width: int
    height: int
    n_bytes: int
    jpeg_quality: float | None = None
    camera: str | None = None
    taken: str | None = None
    exposure_s: float | None = None
    iso: float | None = None


def read_facts(data: bytes) -> FileFacts:
    """Facts of an image file from its bytes. Raises HeaderUnreadable when it is no image."""
    header = read_header(data)
    quality: float | None = None
    tags: dict[int, Value] = {}
    try:
        if header.kind == "JPEG":
            for marker, body in _segments(data):
                if marker == _TABLES and quality is None:
                    quality = _quality(body)
                elif marker == _APP1 and body.startswith(b"Exif\0\0") and not tags:
                    tags = _read_tags(body[6:])
        elif header.kind == "TIFF":
            tags = _read_tags(data)
    except (struct.error, IndexError):
        tags = {}  # a damaged EXIF block tells nothing; the pixels are not concerned
    camera = " ".join(str(tags[tag]) for tag in (_MAKE, _MODEL) if tags.get(tag))
    taken = tags.get(_DATE_TAKEN) or tags.get(_DATE)
    return FileFacts(
        header.kind,
        header.width,
        header.height,
        len(data),
        quality,
        camera or None,
        str(taken) if taken else None,
        _number(tags.get(_EXPOSURE)),
        _number(tags.get(_ISO)),
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, body) of each JPEG segment before the picture itself."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _START_OF_SCAN:
        marker = data[at + 1]
        if marker == 0xFF or marker in range(0xD0, 0xD8) or marker == 0x01:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _quality(tables: bytes) -> float | None:
    """Quality of the first quantisation table, by its mean ratio to the standard one."""
    wide = tables[0] >> 4
    steps = struct.unpack_from(">64H" if wide else ">64B", tables, 1)
    # Steps are cut off at 255 and at 1, which would bend the mean.
    ratios = [100 * step / usual for step, usual in zip(steps, _LUMINANCE, strict=True) if 1 < step < 255]
    if not ratios:
        return 100.0 if max(steps) <= 1 else 1.0
    percent = float(sum(ratios) / len(ratios))
    return round(5000 / percent if percent > 100 else (200 - percent) / 2, 1)


def _read_tags(tiff: bytes) -> dict[int, Value]:
    """Tags of the first directory of a TIFF block and of the EXIF directory that it points to."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return {}
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    tags = _directory(tiff, order, start)
    pointer = _number(tags.get(_EXIF_DIRECTORY))
    if pointer is not None:
        tags |= _directory(tiff, order, int(pointer))
    return tags


def _directory(tiff: bytes, order: str, start: int) -> dict[int, Value]:
    (n_entries,) = struct.unpack_from(order + "H", tiff, start)
    tags: dict[int, Value] = {}
    for index in range(min(n_entries, _MOST_ENTRIES)):
        at = start + 2 + 12 * index
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, at)
        size = _SIZES.get(kind, 0) * count
        if size == 0 or (kind != _TEXT and count != 1) or size > len(tiff):
            continue
        if size > 4:
            (where,) = struct.unpack_from(order + "I", tiff, at + 8)
        else:
            where = at + 8
        value = _value(tiff, order, kind, where, count)
        if value is not None:
            tags[tag] = value
    return tags


def _value(tiff: bytes, order: str, kind: int, where: int, count: int) -> Value | None:
    if kind == _TEXT:
        text = tiff[where : where + min(count, _MOST_TEXT)].split(b"\0")[0]
        return text.decode("ascii", "replace").strip()
    if kind == _RATIONAL:
        above, below = struct.unpack_from(order + "II", tiff, where)
        return float(above) / below if below else None
    return float(struct.unpack_from(order + ("H" if kind == _SHORT else "I"), tiff, where)[0])


def _number(value: Value | None) -> float | None:
    return value if isinstance(value, float) else None


__all__ = ["FileFacts", "HeaderUnreadable", "read_facts"]
