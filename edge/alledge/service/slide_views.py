"""The views of the fields of the slide on the stage, kept so that a killed service finds its place again.

The journal has every result; to know a cell again the map needs views of the fields as well, 30 kB each.
They are worth nothing once the slide is over, so they lie in a file of their own, `slide-NUMBER.views` in the
data folder, that is not flushed: SIGKILL costs nothing of it, a power cut perhaps its last seconds. A field
whose view is lost keeps its cells, and its place is found again through its neighbours.

    record: magic, field, size of the view, size of the frame, um a pixel of both, CRC-32 | (h, w) uint8
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from alledge.errors import StorageFailed
from alledge.slide import FieldView

_RECORD: Final = struct.Struct("<4sqHHIIddI")
_MAGIC: Final = b"AlFv"


class SlideViews:
    """Appends views to the file of the slide on the stage; files of other slides go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._slide_id: int | None = None
        self._handle = -1
        self._end = 0

    def append(self, slide_id: int, field_id: int, view: FieldView) -> None:
        """Keep the view of a stored field. Raises StorageFailed; then this one view is not kept."""
        data = view.green.tobytes()
        told = (field_id, *view.green.shape, *view.frame_shape[:2], view.unit_um, view.pixel_um)
        record = _RECORD.pack(_MAGIC, *told, zlib.crc32(data)) + data
        try:
            if slide_id != self._slide_id:
                self._turn_to(slide_id)
            if os.pwrite(self._handle, record, self._end) == len(record):
                self._end += len(record)  # a part that was written is written over by the next
        except OSError as error:
            what = f"The view of a field cannot be kept ({error.strerror})."
            raise StorageFailed(what, "Free space; only a restart would need it.") from error

    def read(self, slide_id: int) -> dict[int, FieldView]:
        """Field -> view, of all that lies whole before the first damage."""
        try:
            data = _path(self._folder, slide_id).read_bytes()
        except OSError:
            return {}
        return {field_id: view for field_id, view, _ in _records(data)}

    def close(self) -> None:
        """Let go of the file; it stays for the next start."""
        if self._slide_id is not None:
            os.close(self._handle)
        self._slide_id = None

    def _turn_to(self, slide_id: int) -> None:
        self.close()
        path = _path(self._folder, slide_id)
        for other in self._folder.glob("slide-*.views"):
            if other != path:
                other.unlink(missing_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._slide_id = slide_id
        self._end = max((end for _, _, end in _records(path.read_bytes())), default=0)
        os.ftruncate(self._handle, self._end)


def _path(folder: Path, slide_id: int) -> Path:
    return folder / f"slide-{slide_id}.views"


def _records(data: bytes) -> Iterator[tuple[int, FieldView, int]]:
    """(field, view, where the record ends) up to the first that is not whole."""
    at = 0
    while at + _RECORD.size <= len(data):
        magic, field_id, height, width, tall, wide, unit_um, pixel_um, crc = _RECORD.unpack_from(data, at)
        start, at = at + _RECORD.size, at + _RECORD.size + height * width
        green = data[start:at]
        if magic != _MAGIC or len(green) < height * width or zlib.crc32(green) != crc:
            return
        pixels = np.frombuffer(green, np.uint8).reshape(height, width)
        yield field_id, FieldView(pixels, unit_um, (tall, wide, 3), pixel_um), at
