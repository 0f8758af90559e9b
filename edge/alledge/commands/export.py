"""`alledge export`: a slide of the journal for scripts, other programs, other systems, and for fitting."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import DEFAULT_DATA, DataOption
from alledge.commands.report import CardOption


class ExportFormat(StrEnum):
    """What a slide can be written as."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    FHIR = "fhir"
    PATCHES = "patches"


def export(
    slide: Annotated[
        list[str],
        typer.Argument(help="Name of the slide, or its number in the journal; several for patches."),
    ],
    out: Annotated[Path, typer.Option(help="The file to write; the folder for patches.")],
    data: DataOption = DEFAULT_DATA,
    form: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="jsonl: every field. json: the report. csv: every cell. fhir: an R4 Bundle. "
            "patches: cells that persons judged, for `alltrain fit`.",
        ),
    ] = ExportFormat.JSONL,
    model: CardOption = None,
    every: Annotated[bool, typer.Option("--all", help="Patches: the model's own calls as well.")] = False,
) -> None:
    """Writes a slide as the journal has it, or as its report tells it."""
    if len(slide) > 1 and form is not ExportFormat.PATCHES:
        raise typer.BadParameter("one slide at a time, but for patches", param_hint="SLIDE")
    numbers = _numbers(slide, data)
    if form is ExportFormat.PATCHES:
        told = _patches(numbers, out, data, model, every=every)
    elif form is ExportFormat.JSONL:
        told = _fields(numbers[0], out, data)
    else:
        told = _report(numbers[0], out, data, model, form)
    typer.echo(f"{told} -> {out}")
    typer.echo(RESEARCH_USE_ONLY)


def _numbers(slides: list[str], data: Path) -> list[int]:
    from alledge.journal.reading import JournalReader
    from alledge.journal.store import JOURNAL_NAME
    from alledge.report.naming import slide_meant

    with JournalReader(data / JOURNAL_NAME) as reader:
        return [slide_meant(reader, slide) for slide in slides]


def _fields(slide: int, out: Path, data: Path) -> str:
    """Every field of a slide, one a line, as the journal has it."""
    from alledge.durable import write_whole
    from alledge.journal.export import slide_lines
    from alledge.journal.reading import JournalReader
    from alledge.journal.store import JOURNAL_NAME

    with JournalReader(data / JOURNAL_NAME) as reader:
        lines = [f"{line}\n" for line in slide_lines(reader, slide)]
    write_whole(out, "".join(lines).encode())
    return f"{len(lines)} fields of slide {slide}"


def _report(slide: int, out: Path, data: Path, model: list[Path] | None, form: ExportFormat) -> str:
    from alledge.durable import write_whole
    from alledge.journal.reading import JournalReader
    from alledge.journal.store import JOURNAL_NAME
    from alledge.report.building import slide_report
    from alledge.report.evidence import find_evidence
    from alledge.report.making import make
    from alledge.strings import Strings

    with JournalReader(data / JOURNAL_NAME) as reader:
        evidence = find_evidence(reader, data, model or [data / "model.tflite"])
        told = slide_report(reader, slide, evidence)
    write_whole(out, make(told, form.value, Strings.load("en")))
    return f"{told.n_cells} cells of slide {slide}"


def _patches(slides: list[int], out: Path, data: Path, model: list[Path] | None, *, every: bool) -> str:
    """A folder that `alltrain fit` reads; the group of each patch is its slide."""
    from alledge.durable import write_folder_whole
    from alledge.journal.reading import JournalReader
    from alledge.journal.store import JOURNAL_NAME
    from alledge.report.evidence import find_evidence
    from alledge.report.patch_folder import MARKER, judged_patches, write_patch_folder

    with JournalReader(data / JOURNAL_NAME) as reader:
        cards = find_evidence(reader, data, model or [data / "model.tflite"]).cards.values()
        patches = list(judged_patches(reader, dict.fromkeys(slides), judged_only=not every))
    positive = {label for card in cards for label in card.positive_labels}
    with write_folder_whole(out, MARKER) as folder:
        write_patch_folder(folder, patches, positive, judged_only=not every)
    return f"{len(patches)} patches of {len(set(slides))} slides"
