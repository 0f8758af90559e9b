"""Image files become frames here and nowhere else: the one boundary to OpenCV's decoders.

Every file is checked before it is decoded (image_header.py), so a corrupt, cut-short or monstrous
file is one line that names it, never a half-grey picture, a full memory or a warning on stderr.
"""

import os
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from alledge.errors import FolderEmpty, ImageUnreadable, PathUnusable
from alledge.image_header import HeaderUnreadable, ImageHeader, read_header
from alledge.types import U8

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
"""Suffixes of image files, lower case; files are matched whatever their case."""

MAX_PIXELS: Final = 64_000_000
"""Largest frame that is decoded: a 64-megapixel camera, 192 MB as BGR, which a Raspberry Pi can hold."""

MAX_FILE_BYTES: Final = 4 * MAX_PIXELS
"""Largest file that is read: that frame, uncompressed, with alpha."""

_SILENT: Final = 0  # cv::utils::logging::LOG_LEVEL_SILENT


def is_image(path: Path) -> bool:
    """Whether the name looks like an image of ours; hidden files do not."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def list_images(folder: Path) -> tuple[Path, ...]:
    """Image files directly in `folder`, sorted by name.

    Raises PathUnusable when it is no folder, FolderEmpty when it holds no image.
    """
    if not folder.is_dir():
        raise PathUnusable(f"{folder} is no folder.", "Give a folder that holds images.")
    try:
        found = tuple(sorted(path for path in folder.iterdir() if is_image(path) and path.is_file()))
    except OSError as error:
        raise PathUnusable(
            f"{folder} cannot be listed ({error.strerror}).", "Check its permissions."
        ) from error
    if not found:
        raise FolderEmpty(f"{folder} holds no image.", f"Put images there ({', '.join(IMAGE_SUFFIXES)}).")
    return found


def read_image(path: Path) -> U8:
    """Decode an image file to (H, W, 3) uint8, BGR, on the pixel grid as stored.

    An EXIF orientation is not applied, because annotations count pixels as stored. Grey images become
    three equal channels, alpha is dropped, 16 bits keep their upper 8.

    Raises PathUnusable when there is no such file, ImageUnreadable when it is no whole image or too large.
    """
    return decode_image(path, read_image_file(path))


def decode_image(path: Path, data: bytes) -> U8:
    """The same from the bytes of a file, for whoever must know which bytes were looked at; `path` names it.

    Raises ImageUnreadable as `read_image`.
    """
    _checked_header(path, data)
    silence_opencv()
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise _unreadable(path, "it cannot be decoded") from error
    if pixels is None:
        raise _unreadable(path, "its pixels are damaged")
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def encode_image(pixels: U8, suffix: str) -> bytes:
    """Encode (H, W, 3) uint8 BGR as the format of `suffix` (".png", ".jpg"); PNG keeps every bit."""
    done, data = cv2.imencode(suffix, pixels)
    if not done:
        raise ValueError(f"OpenCV cannot write {suffix}")
    return data.tobytes()


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels without decoding; same errors as `read_image`."""
    header = _checked_header(path, read_image_file(path))
    return header.width, header.height


def silence_opencv() -> None:
    """Keep OpenCV's warnings off stderr: what they warn of comes back as an error of ours."""
    # OpenCV 4 names the function cv2.setLogLevel, OpenCV 5 moved it.
    quieten = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
    quieten(_SILENT)


def read_image_file(path: Path) -> bytes:
    """The bytes of an image file, undecoded; the errors of `read_image` but for those of its content."""
    if not path.is_file():
        raise PathUnusable(f"{path} is no file.", "Give the path of an image.")
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                raise _unreadable(path, f"it is larger than {MAX_FILE_BYTES // 10**6} MB")
            return file.read()
    except OSError as error:
        raise PathUnusable(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from error


def _checked_header(path: Path, data: bytes) -> ImageHeader:
    if not data:
        raise _unreadable(path, "the file is empty")
    try:
        header = read_header(data)
    except HeaderUnreadable as error:
        raise _unreadable(path, str(error)) from error
    if header.width * header.height > MAX_PIXELS:
        size = f"{header.width} x {header.height} pixels"
        raise _unreadable(path, f"{size} is more than the limit of {MAX_PIXELS // 10**6} megapixels")
    return header


def _unreadable(path: Path, why: str) -> ImageUnreadable:
    return ImageUnreadable(f"{path} is no usable image: {why}.", "Replace the file or take it away.")
