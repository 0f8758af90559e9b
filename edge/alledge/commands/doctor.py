"""`alledge doctor`: what is wrong with this machine, and the command that mends it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from alledge.doctor import Examined


def doctor(
    config: Annotated[Path, typer.Option(help="The settings of the service.")] = Path(
        "/etc/allscope/alledge.toml"
    ),
    data: Annotated[Path | None, typer.Option(help="The data folder, when not the settings'.")] = None,
    all_checks: Annotated[bool, typer.Option("--all", help="Tell what is fine as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Looks for what goes wrong on a Raspberry Pi; exit 1 when something must be mended. Best with sudo."""
    from alledge.doctor import examine, probe_of_this_machine
    from alledge.doctor.examination import has_fault

    examined = examine(probe_of_this_machine(config, data.absolute() if data else None))
    if as_json:
        checks = [{"name": one.name, **asdict(one.finding)} for one in examined]
        typer.echo(json.dumps({"is_well": not has_fault(examined), "checks": checks}, ensure_ascii=False))
    else:
        _tell(examined, all_checks=all_checks)
    if has_fault(examined):
        raise typer.Exit(1)


def _tell(examined: "tuple[Examined, ...]", *, all_checks: bool) -> None:
    from alledge.doctor import Level

    shown = (Level.FAULT, Level.WARNING, Level.UNKNOWN, Level.FINE)
    counts = {level: sum(one.finding.level is level for one in examined) for level in shown}
    for level in shown if all_checks else shown[:2]:
        for one in (each for each in examined if each.finding.level is level):
            typer.echo(f"{level.value:9s} {one.name}: {one.finding.what}")
            if one.finding.mend:
                typer.echo(f"{'':9s}   mend: {one.finding.mend}")
    typer.echo(", ".join(f"{count} {level.value}" for level, count in counts.items()))
