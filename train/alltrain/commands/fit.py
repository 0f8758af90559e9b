"""`alltrain fit`: fit, judge, and say in words how good the model is."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alltrain.commands.options import DataArgument, JsonOption, NoGroupsOption

if TYPE_CHECKING:
    from alltrain.fit import Outcome


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
    join_twins: Annotated[
        bool, typer.Option("--join-twins", help="Put groups that share a picture or cell into one.")
    ] = False,
    allow_leaks: Annotated[
        bool, typer.Option("--allow-leaks", help="Go on after a proven leak; every output carries the mark.")
    ] = False,
    precision: Annotated[
        str, typer.Option(help="Arithmetic: float32, or mixed: 16 bits where a GPU is fast at it.")
    ] = "float32",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write losses to RUN/tensorboard as they come.")
    ] = False,
    repeats: Annotated[
        int, typer.Option(min=1, max=50, help="Seeds to judge the folds under; their spread is reported.")
    ] = 1,
    inflation: Annotated[
        bool, typer.Option("--show-inflation", help="Judge on random folds too, and show how they flatter.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in --out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fits a model, judges it on cells of patients it never saw, and writes a RUN folder."""
    from alltrain.admission import admit
    from alltrain.datasets.loading import load_patches
    from alltrain.distribution import join, working_folder
    from alltrain.fit import fit as fit_model
    from alltrain.judged_again import Asked
    from alltrain.models import MODELS
    from alltrain.plan import Settings
    from alltrain.precision import PRECISIONS, settle_precision
    from alltrain.progress import Bars
    from alltrain.rehearsal import N_FIELDS
    from alltrain.run_folder import refuse_taken
    from alltrain.training import Recipe
    from alltrain.variety import n_groups_of, suited

    _require_known("--model", model, MODELS)
    _require_known("--precision", precision, PRECISIONS)
    distribution = join(tell=lambda words: typer.echo(words, err=True))
    rehearses = model == "smearnet" if rehearse is None else rehearse
    recipe = Recipe(
        model=model,
        epochs=epochs,
        seed=seed,
        rehearsal_fields=N_FIELDS if rehearses else 0,
        precision=settle_precision(precision, distribution),
    )
    working = working_folder(distribution, out, lambda: refuse_taken(out, resume))
    with _kept_when_interrupted(out), working as folder, Bars() as bars:
        patch_set = load_patches(
            data,
            allow_no_groups=no_groups,
            progress=lambda done, total: bars.tell("reading images", done, total),
        )
        settings = Settings(suited(recipe, n_groups_of(patch_set)), folds)
        admission = admit(data, patch_set, settings, bars.tell, join=join_twins, allow_leaks=allow_leaks)
        outcome = fit_model(
            admission.patch_set,
            folder,
            settings,
            resume,
            bars.tell,
            admission.audit,
            distribution,
            tensorboard,
            Asked(repeats, inflation),
        )
        if not distribution.is_chief:
            _tell_weights(folder)
    if not distribution.is_chief:
        return
    if as_json:
        typer.echo(json.dumps(_as_json(outcome)))
    else:
        _tell_outcome(outcome)


@contextmanager
def _kept_when_interrupted(out: Path) -> Iterator[None]:
    """Says how to go on when somebody presses Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        if out.exists():
            typer.echo(
                f"Finished models and epochs are kept in {out}: go on with the same command and --resume.",
                err=True,
            )
        raise


def _tell_weights(folder: Path) -> None:
    """Says that a worker is done, and by its weights that it learnt what the chief learnt."""
    from alltrain.run_folder import load_model

    weights = load_model(folder).get_weights()
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest()
    typer.echo(f"Done. The chief has the results; here the model's weights have SHA-256 {digest}.", err=True)


def _require_known(option: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise typer.BadParameter(f"{name} is not known; there are {', '.join(known)}.", param_hint=option)


def _as_json(outcome: "Outcome") -> dict[str, object]:
    return {
        "out": str(outcome.out),
        "figures": {name: figure.as_json() for name, figure in outcome.figures.items()},
        "n_folds": outcome.n_folds,
        **outcome.again.as_json(),
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
    for line in outcome.again.lines:
        typer.echo(f"  {line}")
    for note in outcome.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(f"  report {outcome.out / 'report.html'}")
    typer.echo(f"  model  {outcome.out / 'model.keras'}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")
