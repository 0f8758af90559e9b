"""The `alledge` command. Imports numpy, OpenCV and the runtime only when a command needs them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.command_line import new_app, run_app

if TYPE_CHECKING:
    from alledge.types import FieldResult

app = new_app(f"Finds and classifies white cells under the microscope. {RESEARCH_USE_ONLY}")

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", help="A .tflite from `allconvert quantize`; without it cells are only found."
    ),
]
PixelOption = Annotated[
    float | None,
    typer.Option(
        "--pixel-um", min=0.005, max=5.0, help="Micrometres a pixel. Default: measured on the red cells."
    ),
]


@app.callback()
def alledge() -> None:
    """Keeps `alledge` a command with subcommands, however few."""


@app.command()
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
    for file in taken.files:
        typer.echo(f"  wrote {file}")
    if not taken.files:
        typer.echo("  Add --out FOLDER for an annotated picture.")


@app.command()
def scan(
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option(help="Results, one field a line (JSON Lines).")],
    model: ModelOption = None,
    pixel_um: PixelOption = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder for annotated pictures as well.")] = None,
) -> None:
    """Runs an archive of images through the same pixel path as the camera."""
    from alledge.pipeline import load_field_model
    from alledge.scan import find_images, scan_images

    field_model = load_field_model(model) if model else None
    images = find_images(paths)
    with typer.progressbar(length=len(images), label="Fields", file=typer.get_text_stream("stderr")) as bar:
        report = scan_images(images, out, field_model, pixel_um, pictures, lambda: bar.update(1))
    for error in report.unreadable:
        typer.echo(f"skipped [{error.code}]: {error}", err=True)
    typer.echo(f"{report.n_cells} white cells in {report.n_fields} fields -> {out}")
    if report.n_refused:
        typer.echo(f"{report.n_refused} fields were refused for their quality; each line tells why.")
    typer.echo(RESEARCH_USE_ONLY)
    if report.unreadable:
        raise typer.Exit(2)


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


def main() -> None:
    """Entry point of `alledge`."""
    run_app(app)
