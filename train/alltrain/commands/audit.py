"""`alltrain audit`: what a study gives away besides its cells, before any training."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alltrain.commands.options import DataArgument, JsonOption, NoGroupsOption

if TYPE_CHECKING:
    from alltrain.audit.audit import Audit
    from alltrain.audit.probes import Judged


def audit(
    data: DataArgument,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Folds, dealt as `fit` deals them.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the fit to come.")] = 0,
    out: Annotated[Path | None, typer.Option(help="New folder for audit.html and audit.json.")] = None,
    no_groups: NoGroupsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Looks for twins, leaks and shortcuts in a study; exit status 1 when a leak is proven."""
    from alltrain.audit.audit import audit_study
    from alltrain.audit.page import write_audit
    from alltrain.datasets.loading import load_patches
    from alltrain.folds import assign_folds
    from alltrain.progress import Bars

    with Bars() as bars:
        patch_set = load_patches(
            data,
            allow_no_groups=no_groups,
            progress=lambda done, total: bars.tell("reading images", done, total),
        )
        dealt = assign_folds(patch_set.labels, patch_set.groups, folds, seed)
        found = audit_study(data, patch_set, dealt, seed, bars.tell)
    if out is not None:
        write_audit(out, found)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        _tell(found, out)
    found.require_clean()


def _tell(found: "Audit", out: Path | None) -> None:
    """Says in words what was found: proven leaks, then suspicions, then what the shortcuts reach."""
    images = f"{found.n_images} images, " if found.n_images else ""
    unit = "groups" if found.grouped else "images as groups"
    typer.echo(f"{images}{found.n_patches} cells, {found.n_groups} {unit}, {found.n_folds} folds")
    for level, what in (("image", "images"), ("patch", "cells")):
        pairs = found.twins_at(level)
        typer.echo(f"  {what} with a twin: {found.n_twinned(level)} ({len(pairs)} pairs)")
    for leak in found.leaks:
        typer.echo(f"  {'PROVEN LEAK' if leak.proven else 'Suspicion'} [{leak.code}]: {leak.sentence}")
    if not found.leaks:
        typer.echo("  No leak and no shortcut was found.")
    for probe in found.probes:
        beside = "" if probe.random is None else f"; folds that split groups {_area(probe.random)}"
        typer.echo(f"  by {probe.name}, {probe.level}: AUROC {_area(probe.grouped)}{beside}")
    for note in found.notes:
        typer.echo(f"  Note: {note}")
    if out is not None:
        typer.echo(f"  report {out / 'audit.html'}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")


def _area(judged: "Judged") -> str:
    return judged.figures["macro_auroc"].in_words()
