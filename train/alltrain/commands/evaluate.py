"""`alltrain evaluate`: a finished model on data that it never saw."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alltrain.commands.options import DataArgument, JsonOption, NoGroupsOption

if TYPE_CHECKING:
    from alltrain.evaluation.judging import Evaluation

_TOLD = ("auroc", "sensitivity", "specificity", "accuracy", "balanced_accuracy", "macro_auroc")


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder that `alltrain fit --out` made.")],
    data: DataArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder for figures and report. Default: RUN/evaluations/NAME.")
    ] = None,
    no_groups: NoGroupsOption = False,
    allow_seen: Annotated[
        bool,
        typer.Option(
            "--allow-seen", help="Go on though the model was fitted on cells of DATA; outputs say so."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judges the model of a RUN on another dataset; nothing is fitted on it."""
    from alltrain.datasets.loading import load_patches
    from alltrain.evaluation.judging import evaluate as judge_run
    from alltrain.evaluation.output import folder_for, metrics_as_json, refuse_taken, write_evaluation
    from alltrain.progress import Bars
    from alltrain.run_folder import read_run

    finished = read_run(run)
    if out is not None:
        refuse_taken(out)
    with Bars() as bars:
        patch_set = load_patches(
            data,
            allow_no_groups=no_groups,
            progress=lambda done, total: bars.tell("reading images", done, total),
        )
        evaluation = judge_run(finished, data, patch_set, allow_seen=allow_seen, progress=bars.tell)
        folder = out or folder_for(run, data, evaluation.data_fingerprint)
        write_evaluation(folder, evaluation)
    if as_json:
        typer.echo(json.dumps({"out": str(folder), **metrics_as_json(evaluation)}))
    else:
        _tell(evaluation, folder)


def _tell(evaluation: "Evaluation", folder: Path) -> None:
    """Says in words how good the model is on these data, and what casts doubt on it."""
    from alltrain.slide_tables import in_words

    truth = evaluation.truth
    counts = ", ".join(f"{n} {label}" for label, n in truth.label_counts.items())
    typer.echo(
        f"{evaluation.run.card.name} on {evaluation.data}: {counts} cells of {len(set(truth.groups))} groups"
    )
    for name in _TOLD:
        typer.echo(f"  {name.replace('_', ' '):<18} {evaluation.figures[name].in_words()}")
    for slide in evaluation.slides.slides if evaluation.slides else ():
        typer.echo(f"  {in_words(slide)}")
    for note in evaluation.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(f"  report {folder / 'report.html'}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")
