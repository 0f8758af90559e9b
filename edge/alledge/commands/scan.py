"""`alledge scan`: an archive of images through the pixel path of the camera."""

from pathlib import Path
from typing import Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import ModelOption, PixelOption


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
