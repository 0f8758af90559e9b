"""`alledge model`: signed models on the device, from the trusted root to the one that serves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge.command_line import new_app
from alledge.commands.options import DEFAULT_DATA, DataOption

if TYPE_CHECKING:
    from alledge.models.state import Installed

model_app = new_app("Signed models: trust a root, install, list, verify, roll back, pin.")

_NEXT_START = "It serves from the next start on: sudo systemctl restart alledge"


@model_app.command()
def trust(
    root: Annotated[Path, typer.Argument(metavar="ROOT.json", help="The ceremony's 1.root.json.")],
    data: DataOption = DEFAULT_DATA,
    replace: Annotated[bool, typer.Option("--replace", help="Though another root is trusted.")] = False,
) -> None:
    """Trusts the keys of a root from now on; its file comes from hand to hand, not from the repository."""
    _require_fleet()
    from alledge.models.owner import become_owner
    from alledge.models.store import Store
    from alledge.models.trust import read_root, trust_root

    given = read_root(root)
    become_owner(data)
    trusted = trust_root(Store(data), given, replace)
    typer.echo(f"trusted: root v{trusted.version}; {trusted.roles}")
    typer.echo(f"  sha256 {trusted.sha256}  (compare with the paper of the ceremony)")


@model_app.command()
def install(
    source: Annotated[str, typer.Argument(help="http(s)://HOST/FOLDER, or a folder such as a USB stick.")],
    data: DataOption = DEFAULT_DATA,
    name: Annotated[str | None, typer.Option(help="Default: the name that serves.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Default: the newest.")] = None,
    accept_labels: Annotated[
        bool, typer.Option("--accept-labels", help="Though it calls cells by other labels than what serves.")
    ] = False,
    older: Annotated[bool, typer.Option("--older", help="Though a newer version serves.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Though it failed on this device.")] = False,
) -> None:
    """Fetches, verifies and examines a model, and switches to it; a refusal leaves what served."""
    _require_fleet()
    from alledge.models.fetching import fetcher_for
    from alledge.models.installing import Wish
    from alledge.models.installing import install as install_model
    from alledge.models.owner import become_owner
    from alledge.models.store import Store

    wish = Wish(name, version, accept_labels, older, again)
    fetcher = fetcher_for(source)
    become_owner(data)
    model, changed = install_model(Store(data), fetcher, wish)
    typer.echo(f"{'installed' if changed else 'serves already:'} {_told(model)}")
    if changed:
        typer.echo(f"  {_NEXT_START}")


@model_app.command("list")
def list_models(data: DataOption = DEFAULT_DATA) -> None:
    """Tells which model serves, which one is kept to go back to, and what the device is held to."""
    from alledge.models.owner import become_owner
    from alledge.models.store import Store

    become_owner(data)
    state = Store(data).load()
    trial = " (on trial)" if state.on_trial else ""
    nothing = "nothing that was installed; a model that `model` in alledge.toml names is not listed"
    typer.echo(f"serves    {_told(state.serving) + trial if state.serving else nothing}")
    if state.good:
        typer.echo(f"last good {_told(state.good)}")
    if state.pinned:
        typer.echo(f"held to   {state.pinned[0]} v{state.pinned[1]}")
    if state.fell_back:
        typer.echo(f"fell back {state.fell_back}")


@model_app.command()
def verify(data: DataOption = DEFAULT_DATA) -> None:
    """Proves anew what is installed: bytes, signatures from the trusted root on, golden vectors."""
    _require_fleet()
    from alledge.models.installing import verify as verify_store
    from alledge.models.owner import become_owner
    from alledge.models.store import Store

    become_owner(data)
    for model in verify_store(Store(data)):
        typer.echo(f"as signed, and answers as it must: {_told(model)}")


@model_app.command()
def rollback(data: DataOption = DEFAULT_DATA) -> None:
    """Goes back to the last good model."""
    from alledge.models.owner import become_owner
    from alledge.models.state import roll_back
    from alledge.models.store import Store

    become_owner(data)
    store = Store(data)
    before = store.load()
    if before.good is not None:
        store.checked_path(before.good)
    after = store.change(roll_back) if store.folder.is_dir() else roll_back(before)
    if after.serving is not None:
        typer.echo(f"back to {_told(after.serving)}")
        typer.echo(f"  {_NEXT_START}")


@model_app.command()
def pin(
    name: Annotated[str | None, typer.Argument(help="Default: the one that serves.")] = None,
    version: Annotated[int | None, typer.Argument(min=1)] = None,
    data: DataOption = DEFAULT_DATA,
    off: Annotated[bool, typer.Option("--off", help="Let the device take the newest again.")] = False,
) -> None:
    """Holds the device to one model: installing any other is refused until it is let go."""
    from alledge.models.owner import become_owner
    from alledge.models.refusals import StoreEmpty
    from alledge.models.release import TARGET, target_name
    from alledge.models.state import pin as pin_to
    from alledge.models.state import unpin
    from alledge.models.store import Store

    become_owner(data)
    store = Store(data)
    serving = store.load().serving
    if off:
        if store.folder.is_dir():
            store.change(unpin)
        typer.echo("held to no model")
        return
    if (name is None) != (version is None):
        raise typer.BadParameter("name and version, or neither", param_hint="NAME VERSION")
    if name is None or version is None:
        if serving is None:
            raise StoreEmpty("No model is installed.", "Name one: `alledge model pin NAME VERSION`.")
        name, version = serving.name, serving.version
    if TARGET.fullmatch(target_name(name, version)) is None:
        raise typer.BadParameter("no model is called so", param_hint="NAME VERSION")
    store.make()
    held = name, version
    store.change(lambda state: pin_to(state, *held))
    typer.echo(f"held to {name} v{version}")


def _require_fleet() -> None:
    """Raise FleetExtraMissing where python-tuf is not installed."""
    from importlib.util import find_spec

    from alledge.models.refusals import FleetExtraMissing

    if find_spec("tuf") is None or find_spec("securesystemslib") is None:
        raise FleetExtraMissing(
            "Signed models need python-tuf.", "Install it: `pip install allscope[fleet]`."
        )


def _told(model: "Installed") -> str:
    return f"{model.name} v{model.version}, {', '.join(model.labels)}, sha256 {model.sha256[:12]}"
