"""`alledge run` and `alledge tell`: the service, and a word with it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import PixelOption

_RUNTIME = Path("/run/allscope")


def run(
    config: Annotated[
        Path, typer.Option(help="TOML file with the settings; the options below stand above it.")
    ] = Path("/etc/allscope/alledge.toml"),
    camera: Annotated[str | None, typer.Option(help="As for `alledge snap`.")] = None,
    model: Annotated[Path | None, typer.Option("--model", "-m", help="The model file.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the journal and the calibration.")] = None,
    runtime: Annotated[Path | None, typer.Option(help="Folder of control.sock and status.json.")] = None,
    pixel_um: PixelOption = None,
    slide: Annotated[
        str | None, typer.Option(help="Name of the slide on the stage; without it an open slide goes on.")
    ] = None,
) -> None:
    """Watches the microscope: finds, calls, counts and stores the white cells of every field."""
    from dataclasses import replace

    from alledge.service.config import read_config
    from alledge.service.control import plain_name
    from alledge.service.run import run_service

    slide = None if slide is None else plain_name(slide)
    settings, trouble = read_config(config, data)
    given = {
        "camera": camera,
        "model": str(model) if model else None,
        "data": str(data) if data else None,
        "runtime": str(runtime or data) if runtime or data else None,
        "pixel_um": pixel_um,
    }
    settings = replace(settings, **{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
    if trouble is not None:
        typer.echo(f"warning[{trouble.code}]: {trouble.what} The last good settings are used.", err=True)
    typer.echo(RESEARCH_USE_ONLY, err=True)
    report = run_service(settings, trouble, config, lambda line: typer.echo(line, err=True), slide)
    ledger = report.ledger
    dropped = ", ".join(f"{n} {reason.value}" for reason, n in ledger.dropped.items())
    typer.echo(
        f"captured {ledger.captured} = analysed {ledger.analysed} ({ledger.refused} refused)"
        f" + dropped {sum(ledger.dropped.values())}{f' ({dropped})' if dropped else ''}"
        f" + in flight {ledger.in_flight}"
    )
    if report.n_lost:
        typer.echo(f"{report.n_lost} results were never acknowledged: the disk did not take them.", err=True)


def tell(
    order: Annotated[str, typer.Argument(help="status, pause, resume, new-slide, end-slide, snap or stop")],
    slide: Annotated[str, typer.Argument(help="Name of the new slide, after new-slide.")] = "",
    runtime: Annotated[Path, typer.Option(help="Folder of control.sock.")] = _RUNTIME,
) -> None:
    """Says a word to the running service."""
    from alledge.errors import ControlRefused
    from alledge.service.control import Order, ask

    if order not in {known.value for known in Order}:
        raise ControlRefused(f"'{order}' is no order.", f"Use {', '.join(known.value for known in Order)}.")
    answer = ask(runtime / "control.sock", Order(order), slide)
    typer.echo(json.dumps(answer.get("status", answer), indent=2, ensure_ascii=False))
