"""What goes into the journal for one field, and what comes back out.

A `FieldRecord` holds pixels; a `StoredField` is the same with every picture replaced by its SHA-256. The
stored field, as canonical JSON, is the body of the event, so its hash covers the result, the pictures, and
everything the result depended on: model, calibration, software, clock, machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

import cv2
import numpy as np

from alledge.clock import WallTime
from alledge.errors import JournalDamaged
from alledge.health import Health
from alledge.images import encode_image
from alledge.journal.chain import picture_hash
from alledge.journal.plain import from_plain, to_plain
from alledge.slide.placement import Placement, Sighting
from alledge.strict_json import Json
from alledge.types import U8, Call, Cell, FieldResult

FIELD_PICTURE: Final = -1
"""What stands for the position of a cell where the picture is of the field itself."""


@dataclass(frozen=True, slots=True, eq=False)
class CellRecord:
    """One cell of a field to be stored. patch: (50, 50, 3) uint8 RGB, kept bit for bit."""

    cell: Cell
    call: Call | None
    sighting: Sighting | None
    patch: U8


@dataclass(frozen=True, slots=True, eq=False)
class FieldRecord:
    """One analysed field to be stored.

    sequence: number of the frame in this run of the service. sensor_timestamp_ns: monotonic.
    cells: one for each cell of `result`, in order. picture_jpeg: the field itself, where it is to be kept.
    calibration_sha256: of the calibration in force; None without one.
    """

    result: FieldResult
    sequence: int
    sensor_timestamp_ns: int
    wall: WallTime
    placement: Placement | None
    cells: tuple[CellRecord, ...]
    calibration_sha256: str | None
    software_version: str
    health: Health
    picture_jpeg: bytes | None


class Journal(Protocol):
    """Where results go. Every method that writes returns only when the medium has it, or raises.

    All raise JournalUnavailable when the medium refuses: then nothing of the attempt is stored, and the same
    call may be made again later.
    """

    def start_slide(self, identifier: str, wall: WallTime) -> int:
        """Open a slide; its number."""

    def end_slide(self, slide_id: int, wall: WallTime) -> None:
        """Close a slide: no field is added to it afterwards."""

    def append_field(self, slide_id: int, record: FieldRecord) -> int:
        """Store one field with its pictures; its number. That it returns is the acknowledgement."""

    def append_event(self, kind: str, body: Mapping[str, Json], wall: WallTime) -> int:
        """Store something else that happened: a fault, a calibration, a review, a sign-off; its number."""

    def close(self) -> None:
        """Let go of the file. Nothing is lost without it."""


@dataclass(frozen=True, slots=True)
class StoredCell:
    """One cell of a stored field; its patch is a PNG file of that SHA-256."""

    cell: Cell
    call: Call | None
    sighting: Sighting | None
    patch_sha256: str


@dataclass(frozen=True, slots=True)
class StoredField:
    """One field as the journal has it. boot_id: the boot of the machine that the timestamp belongs to."""

    slide_id: int
    sequence: int
    sensor_timestamp_ns: int
    boot_id: str
    wall: WallTime
    result: FieldResult
    placement: Placement | None
    cells: tuple[StoredCell, ...]
    calibration_sha256: str | None
    software_version: str
    health: Health
    picture_sha256: str | None

    def body(self) -> dict[str, Json]:
        """The body of its event. Cells are told once, each with its call, sighting and patch."""
        plain = to_plain(replace(self, result=replace(self.result, cells=(), calls=())))
        assert isinstance(plain, dict)
        result = plain["result"]
        assert isinstance(result, dict)
        del result["cells"], result["calls"]
        return plain

    @classmethod
    def from_body(cls, body: dict[str, Json]) -> "StoredField":
        """The stored field that a body tells. Raises JournalDamaged when it tells none."""
        try:
            result = body["result"]
            bare = from_plain(cls, {**body, "result": {**result, "cells": []}})  # type: ignore[dict-item]
        except (KeyError, TypeError, ValueError) as error:
            raise JournalDamaged(f"An event is no field ({error}).", "See `alledge verify-log`.") from error
        calls = tuple(stored.call for stored in bare.cells if stored.call is not None)
        cells = tuple(stored.cell for stored in bare.cells)
        return replace(bare, result=replace(bare.result, cells=cells, calls=calls))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to be stored with a field. position: of the cell, or FIELD_PICTURE. data: a whole file."""

    position: int
    sha256: str
    data: bytes


def prepare(slide_id: int, record: FieldRecord, boot_id: str) -> tuple[StoredField, list[Picture]]:
    """(the field as stored, its pictures). Raises ValueError when cells and result disagree."""
    if tuple(cell.cell for cell in record.cells) != record.result.cells:
        raise ValueError(f"a field of {len(record.result.cells)} cells came with records of other cells")
    pictures = [_picture(position, encode_patch(cell.patch)) for position, cell in enumerate(record.cells)]
    names = [picture.sha256 for picture in pictures]
    picture_name = None
    if record.picture_jpeg is not None:
        pictures.append(_picture(FIELD_PICTURE, record.picture_jpeg))
        picture_name = pictures[-1].sha256
    stored = StoredField(
        slide_id=slide_id,
        sequence=record.sequence,
        sensor_timestamp_ns=record.sensor_timestamp_ns,
        boot_id=boot_id,
        wall=record.wall,
        result=record.result,
        placement=record.placement,
        cells=tuple(
            StoredCell(cell.cell, cell.call, cell.sighting, name)
            for cell, name in zip(record.cells, names, strict=True)
        ),
        calibration_sha256=record.calibration_sha256,
        software_version=record.software_version,
        health=record.health,
        picture_sha256=picture_name,
    )
    return stored, pictures


def _picture(position: int, data: bytes) -> Picture:
    return Picture(position, picture_hash(data), data)


def encode_patch(patch: U8) -> bytes:
    """A patch, (50, 50, 3) uint8 RGB, as a PNG file."""
    return encode_image(np.ascontiguousarray(patch[:, :, ::-1]), ".png")


def decode_patch(png: bytes) -> U8:
    """The patch, (50, 50, 3) uint8 RGB, that a PNG file of the journal holds. Raises JournalDamaged."""
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise JournalDamaged("A patch is no PNG file.", "See `alledge verify-log`.")
    return np.ascontiguousarray(pixels[:, :, ::-1], dtype=np.uint8)
