"""`alledge page`: the page where a person looks."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import DEFAULT_DATA, DataOption


def page(
    data: DataOption = DEFAULT_DATA,
    runtime: Annotated[
        Path | None, typer.Option(help="Folder of control.sock and the live view. Default: as the service.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine a token is asked for.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8311,
    language: Annotated[str, typer.Option(help="en or de; each viewer may choose another.")] = "en",
    model: Annotated[
        list[Path] | None, typer.Option("--model", "-m", help="Model file whose card is needed.")
    ] = None,
    config: Annotated[Path, typer.Option(help="TOML file of the service's settings.")] = Path(
        "/etc/allscope/alledge.toml"
    ),
    shows_keys: Annotated[
        bool, typer.Option("--show-keys", help="Show the ways in over the network, and do no more.")
    ] = False,
    openapi: Annotated[
        Path | None, typer.Option(help="Write the description of every address there, and do no more.")
    ] = None,
) -> None:
    """Serves the page: live view, review, sign-off and report, in any browser."""
    from alledge.durable import write_whole
    from alledge.page.app import described
    from alledge.page.server import run_page, show_keys
    from alledge.page.settings import PageSettings
    from alledge.service.config import read_config
    from alledge.strings import Strings

    if openapi is not None:
        write_whole(openapi, described().encode())
        return
    Strings.load(language)
    service, _ = read_config(config, data)
    default_runtime = Path(service.runtime) if data == DEFAULT_DATA else data
    settings = PageSettings(
        data=data,
        runtime=runtime or default_runtime,
        host=host,
        port=port,
        language=language,
        models=(*(model or ()), Path(service.model)),
        target_cells=service.target_cells,
    )
    typer.echo(RESEARCH_USE_ONLY, err=True)
    if shows_keys:
        show_keys(settings, typer.echo)
        return
    run_page(settings, lambda line: typer.echo(line, err=True), is_seen=sys.stderr.isatty())
