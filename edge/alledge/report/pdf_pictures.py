"""The journal's pictures in a PDF, byte for byte, without decoding them.

A PDF holds a JPEG file as it is, and the compressed pixels of a PNG as they are (ISO 32000-1, 7.4.4.4: the
predictors of Flate are PNG's). Decoding and compressing again, as libraries do, would give other bytes with
every other version of zlib; so the report could not be byte-identical on another machine.
"""

import hashlib
import struct
from typing import Final

from fpdf.image_datastructures import RasterImageInfo

from alledge.image_header import HeaderUnreadable, read_header
from alledge.report.pdf_page import Pages

_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_START: Final = b"\xff\xd8"
_RGB_8_BIT: Final = (8, 2, 0, 0, 0)  # bit depth, colour type, compression, filter, interlace


def draw_patch(pages: Pages, png: bytes | None, missing: str, x: float, y: float, side_mm: float) -> None:
    """A cell's patch in a thin frame, or in its place the word for why there is none."""
    parts = _parts(png) if png is not None else None
    if png is None or parts is None:
        _frame(pages, x, y, side_mm, is_empty=True)
        pages.set_font("Helvetica", "", 5.5)
        for k, line in enumerate(pages.lines(missing, side_mm - 2)):
            pages.set_xy(x + 1, y + 2 + 2.4 * k)
            pages.cell(side_mm - 2, 2.4, line, align="C")
        return
    width, height, pixels = parts
    predictor = f"/Predictor 15 /Colors 3 /Columns {width}"
    name = _add(pages, png, _info(width, height, "FlateDecode", predictor, pixels))
    pages.image(name, x, y, side_mm, side_mm)
    _frame(pages, x, y, side_mm, is_empty=False)


def draw_jpeg(pages: Pages, jpeg: bytes, x: float, y: float, width_mm: float, height_mm: float) -> None:
    """A field's picture; a frame without one where it is no JPEG file."""
    try:
        header = read_header(jpeg) if jpeg.startswith(_JPEG_START) else None
    except HeaderUnreadable:
        header = None
    if header is not None:
        name = _add(pages, jpeg, _info(header.width, header.height, "DCTDecode", "", jpeg))
        pages.image(name, x, y, width_mm, height_mm)
    pages.set_draw_color(120)
    pages.set_line_width(0.2)
    pages.rect(x, y, width_mm, height_mm)


def _frame(pages: Pages, x: float, y: float, side_mm: float, *, is_empty: bool) -> None:
    pages.set_draw_color(120)
    pages.set_line_width(0.15)
    if is_empty:
        pages.set_dash_pattern(dash=1, gap=1)
    pages.rect(x, y, side_mm, side_mm)
    pages.set_dash_pattern()


def _add(pages: Pages, file: bytes, info: RasterImageInfo) -> str:
    """Put a picture into the document, once; the name to draw it by."""
    images, name = pages.image_cache.images, f"picture-{hashlib.sha256(file).hexdigest()}"
    if name not in images:
        info["i"], info["usages"] = len(images) + 1, 0
        images[name] = info
    return name


def _info(width: int, height: int, kind: str, predictor: str, data: bytes) -> RasterImageInfo:
    return RasterImageInfo(
        w=width, h=height, cs="DeviceRGB", iccp=None, dpn=3, bpc=8, f=kind, inverted=False,
        dp=predictor, data=data,
    )  # fmt: skip


def _parts(png: bytes) -> tuple[int, int, bytes] | None:
    """Width, height and compressed pixels of an 8-bit RGB PNG that is not interlaced; None of any other."""
    if not png.startswith(_PNG_START):
        return None
    at, size, pixels = len(_PNG_START), None, []
    while at + 12 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        data = png[at + 8 : at + 8 + length]
        if kind == b"IHDR" and len(data) == 13:
            width, height, *rest = struct.unpack(">IIBBBBB", data)
            size = (width, height) if tuple(rest) == _RGB_8_BIT else None
        elif kind == b"IDAT":
            pixels.append(data)
        at += 12 + length
    return (*size, b"".join(pixels)) if size is not None and pixels else None
