"""The `alltrain` command. Imports Keras, OpenCV and matplotlib only when a command needs them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.command_line import new_app, run_app

if TYPE_CHECKING:
    from alltrain.cells import CellsReport
    from alltrain.fit import Outcome

app = new_app(f"Fits and judges models that call white cells. {RESEARCH_USE_ONLY}")

DataArgument = Annotated[
    Path, typer.Argument(help="Folder of labelled images; its layout is recognised (docs/data.md).")
]
NoGroupsOption = Annotated[
    bool, typer.Option("--no-groups", help="Go on though patients or slides are unknown; figures flatter.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]


@app.callback()
def alltrain() -> None:
    """Keeps `alltrain` a command with subcommands, however few."""


@app.command()
def fit(
    data: DataArgument,
    out: Annotated[Path, typer.Option(help="New folder for the model, its figures and the report.")],
    model: Annotated[str, typer.Option(help="Network: smearnet, or seed to compare.")] = "smearnet",
    folds: Annotated[int, typer.Option(min=2, max=20, help="Folds; fewer when groups are too few.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="At most; stops early by itself.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model.")] = 0,
    rehearse: Annotated[
        bool | None,
        typer.Option(
            "--rehearse/--no-rehearse",
            help="Show rendered cells in training as well. Default: yes for smearnet, no for seed.",
        ),
    ] = None,
    no_groups: NoGroupsOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in --out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fits a model, judges it on cells of patients it never saw, and writes a RUN folder."""
    from alltrain.datasets.loading import load_patches
    from alltrain.fit import fit as fit_model
    from alltrain.plan import Settings
    from alltrain.progress import Bars
    from alltrain.rehearsal import N_FIELDS
    from alltrain.run_folder import refuse_taken
    from alltrain.training import Recipe

    _require_model(model)
    refuse_taken(out, resume)
    rehearses = model == "smearnet" if rehearse is None else rehearse
    recipe = Recipe(model=model, epochs=epochs, seed=seed, rehearsal_fields=N_FIELDS if rehearses else 0)
    settings = Settings(recipe, folds)
    try:
        with Bars() as bars:
            patch_set = load_patches(
                data,
                allow_no_groups=no_groups,
                progress=lambda done, total: bars.tell("reading images", done, total),
            )
            outcome = fit_model(patch_set, out, settings, resume, bars.tell)
    except KeyboardInterrupt:
        if out.exists():
            typer.echo(
                f"Finished models are kept in {out}: go on with the same command and --resume.", err=True
            )
        raise
    if as_json:
        typer.echo(json.dumps(_as_json(outcome)))
    else:
        _tell_outcome(outcome)


@app.command()
def cells(
    data: DataArgument,
    out: Annotated[Path, typer.Argument(help="New folder for the patches; `fit` takes it as DATA.")],
    no_groups: NoGroupsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cuts fields into labelled patches, through the pixel path of the device."""
    from alltrain.cells import FINDER_FILE, write_cells
    from alltrain.progress import Bars

    with Bars() as bars:
        report = write_cells(
            data,
            out,
            allow_no_groups=no_groups,
            progress=lambda done, total: bars.tell("reading images", done, total),
        )
    if as_json:
        typer.echo((out / FINDER_FILE).read_text(encoding="utf-8").strip())
    else:
        _tell_cells(report)


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="New folder for the study.")],
    fields: Annotated[int, typer.Option(min=1, help="Fields to render.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="The same seed renders the same study.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Renders a synthetic study with known truth; says nothing about clinical performance."""
    from alltrain.phantom_study import write_study
    from alltrain.progress import Bars

    with Bars() as bars:
        n_cells = write_study(
            out, fields, seed, lambda done, total: bars.tell("rendering fields", done, total)
        )
    if as_json:
        typer.echo(json.dumps({"out": str(out), "fields": fields, "cells": n_cells, "is_phantom": True}))
        return
    typer.echo(f"{fields} rendered fields with {n_cells} labelled cells -> {out}")
    typer.echo("Phantom: says nothing about clinical performance.")


def _tell_cells(report: "CellsReport") -> None:
    """Says in words what was cut, and how well the device's finder did where the truth is known."""
    counts = ", ".join(f"{n} {label}" for label, n in report.label_counts.items())
    typer.echo(f"{counts} patches of {report.n_images} images ({report.layout}) -> {report.out}")
    for name, share in (("recall", report.recall), ("precision", report.precision)):
        if share.n:
            typer.echo(f"  finder {name:<10} {share.successes} of {share.n}")
    for note in report.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")


def _require_model(name: str) -> None:
    from alltrain.models import MODELS

    if name not in MODELS:
        raise typer.BadParameter(
            f"{name} is no network; known are {', '.join(MODELS)}.", param_hint="--model"
        )


def _as_json(outcome: "Outcome") -> dict[str, object]:
    return {
        "out": str(outcome.out),
        "figures": {name: figure.as_json() for name, figure in outcome.figures.items()},
        "n_folds": outcome.n_folds,
        "notes": list(outcome.notes),
        "research_use_only": True,
    }


_TOLD = ("accuracy", "baseline_accuracy", "balanced_accuracy", "sensitivity", "specificity", "auroc")


def _tell_outcome(outcome: "Outcome") -> None:
    """Says in words how good the model is, on what, and where to read more."""
    accuracy = outcome.figures["accuracy"]
    typer.echo(f"{accuracy.n} cells of {accuracy.n_groups} groups, each judged by a model that never saw it")
    for name in _TOLD:
        typer.echo(f"  {name.replace('_', ' '):<18} {outcome.figures[name].in_words()}")
    for note in outcome.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(f"  report {outcome.out / 'report.html'}")
    typer.echo(f"  model  {outcome.out / 'model.keras'}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")


def main() -> None:
    """Entry point of `alltrain`."""
    run_app(app)
