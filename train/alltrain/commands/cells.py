"""`alltrain cells`: the patches of a dataset as files, and what the finder missed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alltrain.commands.options import DataArgument, JsonOption, NoGroupsOption

if TYPE_CHECKING:
    from alltrain.cells import CellsReport


def cells(
    data: DataArgument,
    out: Annotated[Path, typer.Argument(help="New folder for the patches; `fit` takes it as DATA.")],
    no_groups: NoGroupsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cuts fields into labelled patches, through the pixel path of the device."""
    from alltrain.cells import FINDER_FILE, write_cells
    from alltrain.progress import Bars

    with Bars() as bars:
        report = write_cells(
            data,
            out,
            allow_no_groups=no_groups,
            progress=lambda done, total: bars.tell("reading images", done, total),
        )
    if as_json:
        typer.echo((out / FINDER_FILE).read_text(encoding="utf-8").strip())
    else:
        _tell_cells(report)


def _tell_cells(report: "CellsReport") -> None:
    """Says in words what was cut, and how well the device's finder did where the truth is known."""
    counts = ", ".join(f"{n} {label}" for label, n in report.label_counts.items())
    typer.echo(f"{counts} patches of {report.n_images} images ({report.layout}) -> {report.out}")
    for name, share in (("recall", report.recall), ("precision", report.precision)):
        if share.n:
            typer.echo(f"  finder {name:<10} {share.successes} of {share.n}")
    for note in report.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")
