"""One capture, looked at once: the frame, its result as JSON and as an annotated picture."""

import time
from dataclasses import dataclass
from pathlib import Path

from alledge.annotate import annotate_field
from alledge.cameras import FrameSource
from alledge.durable import make_folder, write_whole
from alledge.field_json import field_to_json
from alledge.images import encode_image
from alledge.pipeline import FieldModel, analyse_field
from alledge.types import FieldResult, Frame


@dataclass(frozen=True, slots=True)
class Snap:
    """A field result and the files written about it; none when no folder was given."""

    result: FieldResult
    files: tuple[Path, ...]


def snap_field(
    source: FrameSource, model: FieldModel | None, pixel_um: float | None, folder: Path | None
) -> Snap:
    """Captures and analyses one field, and writes what it saw into `folder`.

    Raises:
        CameraUnavailable, ImageUnreadable: no frame.
        StorageFailed: the folder cannot hold the files; none is left half written.
    """
    frame = source.capture()
    result = analyse_field(frame, model, pixel_um)
    if folder is None:
        return Snap(result=result, files=())
    return Snap(result=result, files=write_field(frame, result, model, folder, field_name(frame)))


def write_field(
    frame: Frame, result: FieldResult, model: FieldModel | None, folder: Path, name: str
) -> tuple[Path, ...]:
    """Writes the annotated picture and the JSON; the bare frame too when no archive holds it.

    The JSON comes last, so that a field which has one is complete.
    """
    positive_labels = model.card.positive_labels if model else ()
    make_folder(folder)
    picture = folder / f"{name}.annotated.jpg"
    record = folder / f"{name}.json"
    written = [picture]
    write_whole(picture, encode_image(annotate_field(frame, result, positive_labels), ".jpg"))
    if frame.sensor_timestamp_ns is not None:
        bare = folder / f"{name}.png"
        write_whole(bare, encode_image(frame.pixels, ".png"))
        written.append(bare)
    write_whole(record, f"{field_to_json(result)}\n".encode())
    return (*written, record)


def field_name(frame: Frame) -> str:
    """A file name for a frame: its own from an archive, otherwise its source and the time of day.

    The wall clock of a Pi without network may be wrong; it only names files here.
    """
    if frame.sensor_timestamp_ns is None:
        return Path(frame.source).stem
    kind = "".join(c if c.isalnum() else "-" for c in frame.source).strip("-")
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{kind}"
