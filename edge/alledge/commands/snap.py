"""`alledge snap`: one field, looked at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import ModelOption, PixelOption

if TYPE_CHECKING:
    from alledge.types import FieldResult


def snap(
    camera: Annotated[
        str, typer.Option(help="picamera2:N, v4l2:/dev/videoN, file:PATH or phantom:[seed=..]")
    ] = "picamera2:0",
    model: ModelOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the annotated picture and the JSON; made if missing.")
    ] = None,
    pixel_um: PixelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the field as JSON, nothing else.")] = False,
) -> None:
    """Captures one field, finds its white cells and calls them."""
    from alledge.cameras import open_camera
    from alledge.field_json import field_to_json
    from alledge.pipeline import load_field_model
    from alledge.snap import snap_field

    field_model = load_field_model(model) if model else None
    with open_camera(camera) as source:
        taken = snap_field(source, field_model, pixel_um, out)
    if as_json:
        typer.echo(field_to_json(taken.result))
        return
    _tell_field(taken.result)
    if field_model is not None and field_model.card.phantom:
        typer.echo("  Note: the model was fitted on rendered images: its calls say nothing about any blood.")
    for file in taken.files:
        typer.echo(f"  wrote {file}")
    if not taken.files:
        typer.echo("  Add --out FOLDER for an annotated picture.")


def _tell_field(result: "FieldResult") -> None:
    """Says in words what was seen, for a person at a terminal."""
    from alledge.field_json import field_counts
    from alledge.types import Verdict

    typer.echo(f"{result.source}  {result.width} x {result.height} pixels")
    typer.echo(f"  pixel size {result.pixel_size.pixel_um:.4f} um ({result.pixel_size.source.value})")
    if result.quality.verdict is not Verdict.OK:
        typer.echo(f"  Not judged, {result.quality.verdict.value}: {result.quality.advice}")
    else:
        typer.echo("  " + ", ".join(f"{name} {count}" for name, count in field_counts(result).items()))
    for note in result.notes:
        typer.echo(f"  Note: {note}")
    if result.model:
        typer.echo(f"  model {result.model.name} sha256 {result.model.sha256[:16]}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")
