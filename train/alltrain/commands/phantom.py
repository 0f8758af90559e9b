"""`alltrain phantom`: a rendered study with known truth, to try everything on."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alltrain.commands.options import JsonOption


class Labels(StrEnum):
    """What the label of a rendered cell tells."""

    SIDE = "side"
    KIND = "kind"


def phantom(
    out: Annotated[Path, typer.Argument(help="New folder for the study.")],
    fields: Annotated[int, typer.Option(min=1, help="Fields to render.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="The same seed renders the same study.")] = 0,
    labels: Annotated[
        Labels, typer.Option(help="What a label tells: blast or not (side), or which kind of cell (kind).")
    ] = Labels.SIDE,
    as_json: JsonOption = False,
) -> None:
    """Renders a synthetic study with known truth; says nothing about clinical performance."""
    from alltrain.phantom_study import write_study
    from alltrain.progress import Bars

    with Bars() as bars:
        n_cells = write_study(
            out,
            fields,
            seed,
            lambda done, total: bars.tell("rendering fields", done, total),
            by_kind=labels is Labels.KIND,
        )
    if as_json:
        typer.echo(json.dumps({"out": str(out), "fields": fields, "cells": n_cells, "is_phantom": True}))
        return
    typer.echo(f"{fields} rendered fields with {n_cells} labelled cells -> {out}")
    typer.echo("Phantom: says nothing about clinical performance.")
