"""From the pixels of a libcamera stream to BGR, by the format that was configured, whatever was asked for.

libcamera adjusts what it cannot give without a word, so the format is read back. Its names are DRM's and
count from the lowest bit: "RGB888" lies in memory, and so in numpy, as blue, green, red (picamera2 issues
191, 848 and 1325). "BGR888" is the one that must be swapped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.errors import CameraUnavailable
from alledge.types import U8

# libcamera's name -> the OpenCV conversion that makes it BGR; None where it is BGR in memory already.
_TO_BGR: Final[dict[str, int | None]] = {
    "RGB888": None,
    "BGR888": cv2.COLOR_RGB2BGR,
    "XRGB8888": cv2.COLOR_BGRA2BGR,
    "XBGR8888": cv2.COLOR_RGBA2BGR,
    "YUV420": cv2.COLOR_YUV2BGR_I420,
    "NV12": cv2.COLOR_YUV2BGR_NV12,
}


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How a stream was configured: libcamera's name of the format, width and height in pixels."""

    name: str
    width: int
    height: int

    @property
    def is_bgr(self) -> bool:
        """Whether the stream's memory can be used as it is."""
        return _TO_BGR[self.name] is None

    def to_bgr(self, array: U8) -> U8:
        """(height, width, 3) uint8 BGR of a stream's array; the array itself, cut, where it is BGR already.

        Rows of the array may be longer than the picture: YUV420 arrays keep the padding of their stride
        (picamera2 issue 645).
        """
        conversion = _TO_BGR[self.name]
        bgr = array if conversion is None else cv2.cvtColor(array, conversion)
        return np.asarray(bgr[: self.height, : self.width], dtype=np.uint8)


def configured_format(streams: Mapping[str, object], stream: str) -> StreamFormat:
    """The format of a stream as `camera_configuration()` tells it.

    Raises:
        CameraUnavailable: it cannot be read.
    """
    told = streams[stream]
    assert isinstance(told, Mapping)
    name, size = str(told["format"]), told["size"]
    assert isinstance(size, tuple)
    if name not in _TO_BGR:
        raise CameraUnavailable(
            f"The camera delivers '{name}', which cannot be read.",
            f"Use one that gives {', '.join(_TO_BGR)}.",
        )
    return StreamFormat(name, int(size[0]), int(size[1]))
