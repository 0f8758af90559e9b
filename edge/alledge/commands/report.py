"""`alledge report`: a slide's report as PDF or HTML."""

from pathlib import Path
from typing import Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import DEFAULT_DATA, DataOption

CardOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--model", "-m", help="The model file whose card is told. Default: the journal's, or model.tflite."
    ),
]


def report(
    slide: Annotated[str, typer.Argument(help="Name of the slide, or its number in the journal.")],
    out: Annotated[Path, typer.Option(help="The file to write: .pdf or .html.")],
    data: DataOption = DEFAULT_DATA,
    language: Annotated[str, typer.Option(help="en or de.")] = "en",
    model: CardOption = None,
    target: Annotated[int, typer.Option(min=1, help="Cells that make the differential complete.")] = 100,
    noted_by: Annotated[
        str, typer.Option("--noted-by", help="Note in the journal that this report was made, and for whom.")
    ] = "",
) -> None:
    """Writes what was counted on a slide, by whom, and what it rests on; the same data, the same bytes."""
    from alledge.durable import write_whole
    from alledge.errors import PathUnusable
    from alledge.journal.reading import JournalReader
    from alledge.journal.store import JOURNAL_NAME
    from alledge.report.building import slide_report
    from alledge.report.evidence import find_evidence
    from alledge.report.making import make
    from alledge.report.naming import slide_meant
    from alledge.strings import Strings

    form = out.suffix.lower().removeprefix(".")
    if form not in ("pdf", "html"):
        raise PathUnusable(f"{out} names no format of a report.", "Let it end in .pdf or .html.")
    strings = Strings.load(language)
    with JournalReader(data / JOURNAL_NAME) as reader:
        number = slide_meant(reader, slide)
        evidence = find_evidence(reader, data, model or [data / "model.tflite"])
        told = slide_report(reader, number, evidence, target)
    file = make(told, form, strings)
    write_whole(out, file)
    if noted_by:
        _note(data / JOURNAL_NAME, number, {form: file}, noted_by)
    typer.echo(f"Slide {number}, as of event {told.as_of.count} ({told.as_of.hash[:16]}) -> {out}")
    if told.signed is None:
        typer.echo(f"  Not signed off; cells that wait for a person: {told.n_open}.")
    typer.echo(f"  {RESEARCH_USE_ONLY}")


def _note(path: Path, slide: int, files: dict[str, bytes], who: str) -> None:
    from contextlib import closing

    from alledge.clock import SystemClock
    from alledge.journal import open_journal
    from alledge.report.making import note_made

    clock = SystemClock()
    with closing(open_journal(path, clock)) as journal:
        earliest = journal.last_wall()
        if earliest is not None:
            clock.note_stored(earliest)
        note_made(journal, slide, files, who, clock.wall())
