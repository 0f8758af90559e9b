"""Where the results go, and what becomes of older ones: a file at --out is always of this very run.

Accepted: MODEL.tflite, with MODEL.fidelity.html, .json and .csv beside it. Refused: only these reports,
in RUN/quantisation/. An older model at --out is never overwritten by accident, and after
a refusal it does not stay where a script would take it for the new one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alledge.durable import make_folder, write_whole
from alledge.errors import PathUnusable, StorageFailed
from alledge.strict_json import Json

REFUSED_FOLDER: Final = "quantisation"


@dataclass(frozen=True, slots=True)
class Destination:
    """The files of one conversion: the model and its reports."""

    model: Path

    @property
    def report(self) -> Path:
        """The page for a person."""
        return self.model.with_name(f"{self.model.stem}.fidelity.html")

    @property
    def record(self) -> Path:
        """The figures for a program."""
        return self.model.with_name(f"{self.model.stem}.fidelity.json")

    @property
    def table(self) -> Path:
        """What both networks said, a row a patch."""
        return self.model.with_name(f"{self.model.stem}.fidelity.csv")

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.model, self.report, self.record, self.table


@dataclass(frozen=True, slots=True)
class Reports:
    """The proof in three forms: a page for a person, figures for a program, a table with a row a patch."""

    page: str
    record: Mapping[str, Json]
    table: str


def plan_destination(out: Path, force: bool) -> Destination:
    """Check --out before minutes are spent.

    Raises:
        PathUnusable: --out does not end in .tflite, lies in no folder, is a folder, or exists and
            `force` is off.
    """
    if out.suffix != ".tflite":
        raise PathUnusable(f"{out} does not end in .tflite.", "Give --out a name such as model.tflite.")
    if not out.parent.is_dir():
        raise PathUnusable(f"There is no folder {out.parent}.", "Make it, or give --out another place.")
    if out.is_dir():
        raise PathUnusable(f"{out} is a folder.", "Give --out the name of a file.")
    if out.exists() and not force:
        raise PathUnusable(f"{out} exists.", "Give another name, or --force to replace it.")
    return Destination(out)


def deliver(destination: Destination, model: bytes, reports: Reports) -> None:
    """Write the model and its proof, each whole, the model last. Raises StorageFailed."""
    set_aside(destination)
    written: list[Path] = []
    try:
        for path, data in (
            (destination.report, reports.page.encode()),
            (destination.record, record_bytes(reports.record)),
            (destination.table, reports.table.encode()),
            (destination.model, model),
        ):
            write_whole(path, data)
            written.append(path)
    except StorageFailed:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def deliver_refusal(run: Path, reports: Reports) -> Path:
    """Write the reasons into the RUN folder and return the page's path. Raises StorageFailed."""
    folder = run / REFUSED_FOLDER
    make_folder(folder)
    write_whole(folder / "fidelity.json", record_bytes(reports.record))
    write_whole(folder / "fidelity.csv", reports.table.encode())
    write_whole(folder / "fidelity.html", reports.page.encode())
    return folder / "fidelity.html"


def set_aside(destination: Destination) -> tuple[Path, ...]:
    """Rename what an older conversion left at the destination to NAME.old; the new names."""
    moved = []
    for path in destination.files:
        if path.exists():
            aside = path.with_name(path.name + ".old")
            try:
                path.replace(aside)
            except OSError as error:
                raise StorageFailed(
                    f"{path} cannot be renamed ({error.strerror}).", "Move it yourself."
                ) from error
            moved.append(aside)
    return tuple(moved)


def record_bytes(record: Mapping[str, Json]) -> bytes:
    """JSON text, one field a line."""
    return (json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
