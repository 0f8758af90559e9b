"""`alledge metrics`: the service's figures for Prometheus."""

from pathlib import Path
from typing import Annotated

import typer


def metrics(
    config: Annotated[Path, typer.Option(help="TOML file of the service's settings.")] = Path(
        "/etc/allscope/alledge.toml"
    ),
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: `metrics_port` of the settings.")
    ] = None,
    runtime: Annotated[Path | None, typer.Option(help="The service's runtime folder.")] = None,
) -> None:
    """Serves the service's figures for Prometheus, to this machine alone."""
    from alledge.service.config import read_config
    from alledge.telemetry.endpoint import HOST, MetricsPortUnusable, metrics_server
    from alledge.telemetry.names import METRICS_FILE

    settings, _ = read_config(config)
    listened = port or settings.metrics_port
    if not listened:
        raise MetricsPortUnusable("The metrics have no port.", "Set `metrics_port`, or give --port.")
    with metrics_server((runtime or Path(settings.runtime)) / METRICS_FILE, listened) as server:
        typer.echo(f"http://{HOST}:{listened}/metrics", err=True)
        server.serve_forever()
