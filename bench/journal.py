"""Cost of storing a field durably: `python bench/journal.py [--fields N] [--dir FOLDER]`.

One field of twelve cells, each with its 50 x 50 patch from a rendered smear, is stored in the journal and,
in turn with it on the same disk, in two other ways:

    one write + fsync    the same bytes, ready-made, appended to one file: the least that durability costs
    a file a patch       a PNG file for each patch and a JSON file, each flushed: how most programs do it

Ratios of medians hold from disk to disk where milliseconds do not. `--dir` names the disk; --picture adds
the field itself as a JPEG of that many bytes. Afterwards the journal is verified, and timed at that too.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from alledge.clock import ClockTrust, SystemClock, WallTime
from alledge.health import UNKNOWN_HEALTH
from alledge.illumination import estimate_illumination
from alledge.journal import CellRecord, FieldRecord, open_journal
from alledge.journal.records import Picture, prepare
from alledge.journal.verification import verify_journal
from alledge.patches import cut_patches
from alledge.phantom import parse_phantom_spec, render_field
from alledge.slide.placement import Placement, Sighting
from alledge.types import Call, Cell, FieldResult, ModelIdentity, PixelSize, PixelSizeSource, Quality, Verdict

N_CELLS = 12
PIXEL_UM = 0.15
WALL = WallTime(1_790_000_000.0, ClockTrust.SYNCHRONISED)
GOOD = Quality(Verdict.OK, "Good field.", 0.5, 0.9, 0.0, 0.3)


def made_field(picture_bytes: int) -> FieldRecord:
    """A field of twelve cells, with patches of a rendered smear."""
    pixels = render_field(parse_phantom_spec("seed=5")).pixels
    height, width = pixels.shape[:2]
    places = np.random.default_rng(5).uniform((100, 100), (width - 100, height - 100), (N_CELLS, 2)).tolist()
    patches = cut_patches(pixels, [(x, y) for x, y in places], PIXEL_UM, estimate_illumination(pixels))
    cells = tuple(
        Cell(x, y, (int(x) - 40, int(y) - 40, int(x) + 40, int(y) + 40), 12.1, 75.3, 0.81, 0.93, 0.11, False)
        for x, y in places
    )
    calls = tuple(Call("blast", {"blast": 0.87654, "normal": 0.12346}, review=False) for _ in cells)
    size, model = PixelSize(PIXEL_UM, PixelSizeSource.GIVEN), ModelIdentity("bench", "ab" * 32)
    kept = tuple(
        CellRecord(cell, call, Sighting(n, cell.x, cell.y, True, True, 0.7), patch)
        for n, (cell, call, patch) in enumerate(zip(cells, calls, patches, strict=True))
    )
    return FieldRecord(
        result=FieldResult("bench", width, height, size, GOOD, cells, calls, 2, 5, model),
        sequence=0,
        sensor_timestamp_ns=0,
        wall=WALL,
        placement=Placement(1, 0.0, 0.0, 0.9, is_jump=False, overlap=0.4),
        cells=kept,
        calibration_sha256="cd" * 32,
        software_version="bench",
        health=UNKNOWN_HEALTH,
        picture_jpeg=os.urandom(picture_bytes) if picture_bytes else None,
    )


def numbered(record: FieldRecord, sequence: int) -> FieldRecord:
    """The field as another one: one pixel of each patch differs, so nothing is stored twice over."""
    cells = []
    for cell in record.cells:
        patch = cell.patch.copy()
        patch[0, 0] = (sequence & 255, sequence >> 8 & 255, 7)
        cells.append(replace(cell, patch=patch))
    picture = record.picture_jpeg and sequence.to_bytes(4, "big") + record.picture_jpeg[4:]
    return replace(record, sequence=sequence, cells=tuple(cells), picture_jpeg=picture)


def flushed(path: Path, data: bytes) -> None:
    """A file written and flushed, as a careful program does."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def ms(work: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """(wall time, processor time) of a call in milliseconds: waiting for the disk counts in the first."""
    wall, processor = time.perf_counter(), time.process_time()
    work(*arguments)
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)


def measure(folder: Path, record: FieldRecord, n_fields: int) -> dict[str, list[tuple[float, float]]]:
    """(wall, processor) milliseconds of each field, by way of storing; the ways take turns."""
    journal = open_journal(folder / "journal.sqlite3", SystemClock())
    slide_id = journal.start_slide("bench", WALL)
    log = (folder / "log").open("ab", buffering=0)
    times: dict[str, list[tuple[float, float]]] = {
        "journal": [],
        "encoding alone": [],
        "one write + fsync": [],
        "a file a patch": [],
    }

    def encode(field: FieldRecord) -> None:
        prepare(slide_id, field, "")[0].body()

    def append(data: bytes) -> None:
        log.write(data)
        os.fsync(log.fileno())

    def store_files(pictures: list[Picture], text: bytes) -> None:
        for picture in pictures:
            flushed(folder / f"{picture.sha256}.png", picture.data)
        flushed(folder / "field.json", text)

    for sequence in range(n_fields):
        field = numbered(record, sequence)
        stored, pictures = prepare(slide_id, field, "")
        text = json.dumps(stored.body()).encode()
        whole = b"".join(picture.data for picture in pictures) + text
        times["journal"].append(ms(journal.append_field, slide_id, field))
        times["encoding alone"].append(ms(encode, field))
        times["one write + fsync"].append(ms(append, whole))
        times["a file a patch"].append(ms(store_files, pictures, text))
    journal.close()
    log.close()
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fields", type=int, default=300)
    parser.add_argument("--picture", type=int, default=0, help="bytes of the field's own picture")
    parser.add_argument("--dir", type=Path, default=None, help="a folder on the disk to measure")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        folder = Path(name)
        times = measure(folder, made_field(given.picture), given.fields)
        floor = float(np.median(times["one write + fsync"], axis=0)[0])
        print(f"{given.fields} fields of {N_CELLS} cells, milliseconds a field")
        print(f"{'way':20s} {'p50':>8s} {'p99':>8s} {'CPU':>8s}   beside one write + fsync")
        for way, all_ms in times.items():
            (p50, cpu), (p99, _) = np.percentile(all_ms, (50, 99), axis=0)
            print(f"{way:20s} {p50:8.2f} {p99:8.2f} {cpu:8.2f}   {p50 / floor:.2f} x")
        size = (folder / "journal.sqlite3").stat().st_size
        print(f"{size / given.fields / 1024:.1f} KiB a field in the journal")
        took, _ = ms(verify_journal, folder / "journal.sqlite3")
        print(f"verify-log: {took / given.fields:.2f} ms a field")


if __name__ == "__main__":
    main()
