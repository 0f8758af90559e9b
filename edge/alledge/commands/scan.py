"""`alledge scan`: an archive of images through the pixel path of the camera."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import ModelOption, PixelOption

if TYPE_CHECKING:
    from alledge.scan import ScanReport


def scan(
    out: Annotated[Path, typer.Option(help="Results, one field a line (JSON Lines).")],
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Images, or folders of images; with --merge, shards.")
    ] = None,
    model: ModelOption = None,
    pixel_um: PixelOption = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder for annotated pictures as well.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one a core.", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a scan that was interrupted.")] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEDULER", help="Workers of Dask: tcp://host:8786, tls://..., or a file of it."
        ),
    ] = None,
    cluster_wait: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How long to wait for a worker of the cluster.")
    ] = 600.0,
    shard: Annotated[str, typer.Option(metavar="K/N", help="Only the K-th of N slices.")] = "1/1",
    merge: Annotated[
        bool, typer.Option("--merge", help="Join shards, those beside --out by default; scans nothing.")
    ] = False,
) -> None:
    """Runs an archive of images through the same pixel path as the camera, on all cores."""
    from alledge.scan import Scan, find_images, merge_shards, scan_images
    from alledge.scanning.cluster import Cluster
    from alledge.scanning.progress import Progress
    from alledge.scanning.settings import settings_for
    from alledge.scanning.shards import Shard, shards_beside

    if cluster is not None and jobs is not None:
        raise typer.BadParameter(
            "counts processes of this machine; a cluster has its own.", param_hint="--jobs"
        )
    if merge:
        report = merge_shards(paths or shards_beside(out), out)
        _tell(report, out, out)
        if report.n_unreadable:
            raise typer.Exit(2)
        return
    if not paths:
        raise typer.BadParameter("images, or folders of images, are needed.", param_hint="PATHS")
    try:
        this = Shard.parse(shard)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shard") from error
    images, settings = find_images(paths), settings_for(model, pixel_um, pictures)
    workers = None if cluster is None else Cluster(cluster, cluster_wait)
    job = Scan(images, out, settings, this, jobs, workers)
    stderr = typer.get_text_stream("stderr")
    report = scan_images(job, Progress(stderr), resume=resume, say=lambda line: typer.echo(line, err=True))
    _tell(report, out, out if this.is_all else job.working_file)
    if report.n_unreadable and this.is_all:
        raise typer.Exit(2)


def _tell(report: "ScanReport", out: Path, written: Path) -> None:
    """What was done, in words."""
    for answer in report.unreadable:
        typer.echo(f"skipped [{answer.error}]: {answer.message}", err=True)
    if report.n_unreadable:
        typer.echo(f"{report.n_unreadable} images without a field -> {out}.errors", err=True)
    typer.echo(f"{report.n_cells} white cells in {report.n_fields} fields -> {written}")
    if report.n_refused:
        typer.echo(f"{report.n_refused} fields were refused for their quality; each line tells why.")
    typer.echo(RESEARCH_USE_ONLY)
