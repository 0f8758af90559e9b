"""`allconvert quantize`: quantise a run, write the model and its proof, or refuse and say why."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allconvert.commands.options import JsonOption
from alledge import RESEARCH_USE_ONLY
from alledge.errors import FidelityRefused

if TYPE_CHECKING:
    from allconvert.delivery import Destination
    from allconvert.fidelity import Change, Comparison, Margins
    from allconvert.quantise import Proof


def quantize(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder from `alltrain fit`.")],
    out: Annotated[Path, typer.Option(help="The model file to write, NAME.tflite.")],
    margin: Annotated[
        float,
        typer.Option(min=0.0001, max=0.5, help="Greatest loss of sensitivity or specificity, as a share."),
    ] = 0.01,
    margin_flips: Annotated[
        float,
        typer.Option(min=0.0001, max=0.5, help="Greatest share of positive calls that int8 may lose."),
    ] = 0.005,
    require_support: Annotated[
        bool,
        typer.Option("--require-support", help="Refuse also where patches are too few to show a margin."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an older file; it is kept as NAME.old.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Quantise a run to int8 and prove it as good as the float model, or refuse (exit 1, no file)."""
    from hashlib import sha256

    from allconvert.delivery import Reports, deliver, deliver_refusal, plan_destination, set_aside
    from allconvert.fidelity import Margins

    destination = plan_destination(out, force)
    proof, data = _prove(run, destination, Margins(margin, margin_flips))
    if require_support:
        proof, data = hold_to_support(proof, data)

    from allconvert.paired_table import paired_table
    from allconvert.record import proof_as_json
    from allconvert.report import render_report

    digest = None if data is None else sha256(data).hexdigest()
    record = proof_as_json(proof, digest)
    reports = Reports(render_report(proof, digest), record, paired_table(proof))
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False))
    if data is None:
        report = deliver_refusal(run, reports)
        set_aside(destination)
        raise FidelityRefused(f"The int8 model is refused: {'; '.join(proof.objections)}.", f"See {report}.")
    deliver(destination, data, reports)
    if not as_json:
        _tell_proof(proof, destination, len(data))


def _prove(run: Path, destination: "Destination", margins: "Margins") -> tuple["Proof", bytes | None]:
    """Read the run and quantise it under a progress bar; an older model steps aside on refusal."""
    from allconvert.delivery import set_aside
    from alltrain.backend import load_keras
    from alltrain.progress import Bars
    from alltrain.run_folder import read_run

    finished_run = read_run(run)
    load_keras()
    from allconvert.quantise import quantise_run

    try:
        with Bars() as bars:
            return quantise_run(finished_run, destination.model.stem, margins, bars.tell)
    except FidelityRefused:
        set_aside(destination)
        raise


def hold_to_support(proof: "Proof", data: bytes | None) -> tuple["Proof", bytes | None]:
    """Turn margins that so few patches cannot show into objections. No rung of the ladder helps there."""
    missing = tuple(sentence for comparison in proof.comparisons for sentence in comparison.unsupported)
    if not missing:
        return proof, data
    return replace(proof, objections=proof.objections + missing), None


def _tell_proof(proof: "Proof", destination: "Destination", n_bytes: int) -> None:
    """The verdict in a few lines."""
    for comparison in proof.comparisons:
        _tell_comparison(comparison)
    for note in proof.int8_model.card.notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"wrote {destination.model} ({n_bytes} bytes), int8 all through")
    typer.echo(f"wrote {destination.report}\nwrote {destination.record}\nwrote {destination.table}")
    typer.echo(RESEARCH_USE_ONLY)


def _tell_comparison(comparison: "Comparison") -> None:
    typer.echo(f"On {comparison.what} ({comparison.n_groups} groups):")
    agreement = comparison.agreement.value or 0.0
    flips = ", ".join(f"{count} {direction}" for direction, count in comparison.flip_counts.items())
    typer.echo(f"  {agreement:.1%} of calls agree; flips: {flips or 'none'}")
    lost = comparison.lost_positives
    if lost is not None:
        typer.echo(
            f"  positive calls lost: {lost.n_lost} of {lost.n}, at most {lost.upper95:.2%} (95 % upper bound)"
        )
    for change in comparison.changes:
        _tell_change(change)
    for sentence in comparison.unsupported:
        typer.echo(f"  not shown: {sentence}")


def _tell_change(change: "Change") -> None:
    low, high = change.ci95
    typer.echo(
        f"  {change.name}: float {change.float_value:.3f}, int8 {change.int8_value:.3f}, "
        f"change {change.change:+.3f} (95 % {low:+.3f} to {high:+.3f}, {change.n} patches)"
    )
