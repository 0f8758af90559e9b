"""`alledge export`: a slide of the journal as JSON Lines, for scripts and other programs."""

from pathlib import Path
from typing import Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import DEFAULT_DATA, DataOption


def export(
    slide: Annotated[int, typer.Argument(help="Number of the slide.", min=1)],
    out: Annotated[Path, typer.Option(help="The file to write, one field a line (JSON Lines).")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Writes every field of a slide, as the journal has it."""
    from alledge.durable import write_whole
    from alledge.journal.export import slide_lines
    from alledge.journal.reading import JournalReader
    from alledge.journal.store import JOURNAL_NAME

    with JournalReader(data / JOURNAL_NAME) as reader:
        lines = [f"{line}\n" for line in slide_lines(reader, slide)]
    write_whole(out, "".join(lines).encode())
    typer.echo(f"{len(lines)} fields of slide {slide} -> {out}")
    typer.echo(RESEARCH_USE_ONLY)
