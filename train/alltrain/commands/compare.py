"""`alltrain compare`: the systems of the literature on the same folds as ours."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alltrain.commands.options import DataArgument, JsonOption, NoGroupsOption

if TYPE_CHECKING:
    from alltrain.literature.comparison import Comparison
    from alltrain.literature.system import System


def compare(
    data: DataArgument,
    out: Annotated[Path, typer.Option(help="New folder for the table, its page and every call.")],
    folds: Annotated[int, typer.Option(min=2, max=20, help="Folds; fewer when groups are too few.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same table.")] = 0,
    systems: Annotated[
        str, typer.Option(help="Systems by key, parted by commas (docs/literature.md). Default: all.")
    ] = "",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Of every network. Default: each its own number."),
    ] = None,
    no_groups: NoGroupsOption = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the comparison in --out, or add systems to it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fits every system of the literature table on the same folds and judges them on the same cells."""
    from alltrain.datasets.loading import load_patches
    from alltrain.literature.harness import compare as compare_systems
    from alltrain.literature.output import FIGURES
    from alltrain.literature.registry import SHORTCUTS
    from alltrain.literature.shortcuts import shortcut_systems
    from alltrain.progress import Bars
    from alltrain.run_folder import refuse_taken

    keys = [key.strip() for key in systems.split(",") if key.strip()]
    chosen = _choose(keys)
    refuse_taken(out, resume)
    try:
        with Bars() as bars:
            patch_set = load_patches(
                data,
                allow_no_groups=no_groups,
                progress=lambda done, total: bars.tell("reading images", done, total),
            )
            if not keys or SHORTCUTS in keys:
                chosen += shortcut_systems(
                    data, patch_set, lambda done, total: bars.tell("reading shortcuts", done, total)
                )
            comparison = compare_systems(
                patch_set, chosen, folds, seed, out, bars.tell, epochs=epochs, resume=resume
            )
    except KeyboardInterrupt:
        if out.exists():
            typer.echo(
                f"Finished systems are kept in {out}: go on with the same command and --resume.", err=True
            )
        raise
    if as_json:
        typer.echo((out / FIGURES).read_text(encoding="utf-8").strip())
    else:
        _tell(comparison, out)


def _choose(keys: list[str]) -> "tuple[System, ...]":
    from alltrain.literature.registry import choose_systems

    try:
        return choose_systems(keys)
    except KeyError as error:
        raise typer.BadParameter(f"{error.args[0]}.", param_hint="--systems") from error


def _tell(comparison: "Comparison", out: Path) -> None:
    """Says in words how the systems rank, and where to read what each of them is."""
    from alltrain.literature.output import PAGE
    from alltrain.literature.page import summary

    n_cells = sum(comparison.label_counts.values())
    units = "groups" if comparison.grouped else "images"
    typer.echo(f"{n_cells} cells of {comparison.n_groups} {units}, {comparison.n_folds} folds, ranked")
    for row in comparison.rows:
        words = row.figures[comparison.headline].in_words()
        typer.echo(f"  {row.system.key:<14} {words}  {row.verdict(comparison.headline)}".rstrip())
    if comparison.reference is not None:
        typer.echo(f"  {summary(comparison)}")
    for note in comparison.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(f"  page   {out / PAGE}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")
