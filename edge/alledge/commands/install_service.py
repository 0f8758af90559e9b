"""`alledge install-service` and `alledge uninstall-service`: the appliance, and its undo."""

import sys
from pathlib import Path
from typing import Annotated

import typer

RootOption = Annotated[
    Path, typer.Option("--root", metavar="DIR", help="Another system than this one, such as a mounted card.")
]


def install_service(
    root: RootOption = Path("/"),
    program: Annotated[
        Path | None, typer.Option(help="The `alledge` to start; this one where not given.")
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Serve the page as well, to this machine only.")
    ] = False,
    start: Annotated[bool, typer.Option("--start", help="Start the service at once.")] = False,
) -> None:
    """Makes this machine an appliance: `alledge run` starts at boot and is watched. Needs sudo."""
    from alledge.install import install_service as install
    from alledge.install.service import Target

    target = Target(root=root.resolve(), tell=typer.echo)
    written = install(target, program or _this_program(), page=page, start=start)
    typer.echo(f"{written} files written." if written else "Everything was in place already.")
    if not start:
        units = "alledge alledge-page" if page else "alledge"
        typer.echo(f"Start it with `sudo systemctl start {units}`; `alledge doctor` says what is missing.")


def uninstall_service(root: RootOption = Path("/")) -> None:
    """Stops the service and takes its files away; data and settings stay. Needs sudo."""
    from alledge.install import uninstall_service as uninstall
    from alledge.install.service import Target

    removed = uninstall(Target(root=root.resolve(), tell=typer.echo))
    typer.echo(f"{removed} files removed." if removed else "Nothing was installed.")
    typer.echo("Kept: /var/lib/allscope with its journal, /etc/allscope, and the user allscope.")


def _this_program() -> Path:
    """`alledge` of the environment that we run in."""
    return Path(sys.executable).parent / "alledge"
