"""`allconvert inspect`: what a model file holds, for a reader; exit 1 when it is not what it should be."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from allconvert.commands.options import JsonOption
from alledge import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from allconvert.inspection import Inspection, Network
    from alledge.card import Card, Quantisation

REFUSED: Final = 1
WIDTH: Final = 32


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="Any .tflite file.")],
    as_json: JsonOption = False,
) -> None:
    """Show card, golden vectors, operations, tensors and memory of a .tflite; exit 1 unless it is sound."""
    from allconvert.inspection import inspect_file, inspection_as_json

    inspection = inspect_file(model)
    if as_json:
        typer.echo(json.dumps(inspection_as_json(inspection), ensure_ascii=False))
    else:
        _tell(inspection)
    problem = inspection.problem
    if problem is not None:
        typer.echo(f"error[{problem.code}]: {' '.join(str(problem).split())}", err=True)
        raise typer.Exit(REFUSED)


def _tell(inspection: "Inspection") -> None:
    _line("file", f"{inspection.path} ({inspection.n_bytes} bytes)")
    _line("SHA-256", inspection.sha256)
    if inspection.problem is not None:
        _line("verdict", f"NOT a sound model file ({inspection.problem.code})")
        _line("", inspection.problem.what_happened)
    else:
        _line("verdict", "sound: sealed, int8 as its card says, golden vectors inside")
    if inspection.card is None:
        _line("card", "none that could be trusted")
    else:
        _tell_card(inspection.card)
    golden = inspection.golden
    if golden is not None:
        calls = ", ".join(f"{label} {count}" for label, count in golden.calls.items())
        _heading("Golden vectors")
        _line("number", f"{golden.n} (called {calls})")
        _line("SHA-256", golden.sha256)
    if inspection.network is not None:
        _tell_network(inspection.network)
    typer.echo(RESEARCH_USE_ONLY)


def _tell_card(card: "Card") -> None:
    _heading("Card")
    _line("name", card.name)
    _line("labels", ", ".join(card.labels))
    _line("positive labels", ", ".join(card.positive_labels) or "none")
    patch = card.patch
    _line(
        "patch", f"{patch.um:g} um, {patch.px} px, {patch.colour_order}, light {patch.illumination_version}"
    )
    _line("temperature", f"{card.temperature:.6g}")
    if card.threshold is not None and card.review_band is not None:
        _line("threshold", f"{card.threshold:.6g}")
        _line("for review between", f"{card.review_band[0]:.6g} and {card.review_band[1]:.6g}")
    if card.familiarity is not None:
        names = card.familiarity.names
        _line("familiarity", f"limit {card.familiarity.limit:.6g} over {len(names)} features")
        _line("", ", ".join(names))
    if card.quantisation is not None:
        _tell_quantisation(card.quantisation)
    _line("fitted on", f"{card.layout}{', rendered images' if card.phantom else ''}")
    _line("groups known", "yes" if card.grouped else "no")
    _line("data fingerprint", card.data_fingerprint)
    for name, number in card.versions.items():
        _line(f"version of {name}", number)
    _line("intended use", card.intended_use)
    for note in card.notes:
        _line("note", note)
    _tell_metrics(card)


def _tell_quantisation(quantisation: "Quantisation") -> None:
    _line("quantised by", quantisation.method)
    source = f"{quantisation.input_scale:g} x (integer {-quantisation.input_zero_point:+d})"
    sink = f"{quantisation.output_scale:.6g} x (integer {-quantisation.output_zero_point:+d})"
    _line("input, output", f"{source}, {sink}")
    _line("ranges set by", f"{quantisation.n_representative} training patches")
    _line("their SHA-256", quantisation.representative_sha256)
    if not quantisation.exceptions:
        _line("not int8", "nothing")
    for exception in quantisation.exceptions:
        _line("NOT INT8", f"{exception.layer} in {exception.precision}: {len(exception.tensors)} tensors")
        for name in exception.tensors:
            _line("", name.split(";")[0])


def _tell_metrics(card: "Card") -> None:
    _heading("What it scored")
    for name, figure in card.metrics.items():
        match figure:
            case {"value": float(value), "ci95": [float(low), float(high)], "n": int(n), **rest}:
                groups = f", {rest['n_groups']} groups" if "n_groups" in rest else ""
                _line(name, f"{value:.3f} ({low:.3f} to {high:.3f}, {n} patches{groups})")
            case _:
                _line(name, json.dumps(figure, ensure_ascii=False))


def _tell_network(network: "Network") -> None:
    from allconvert.arena import tensor_bytes

    _heading("Network, as read from the file")
    _line("precision", network.precision)
    _line("weights", f"{network.n_weight_bytes} bytes")
    arena = network.arena
    estimate = f"about {arena.n_bytes} bytes, {arena.least_bytes} at least (estimated, without scratch)"
    _line("arena", estimate)
    _heading("Operations, in order")
    for number, one in enumerate(network.operations):
        typer.echo(f"{number:>4}  {one.name:<20}{', '.join(one.inputs)} -> {', '.join(one.outputs)}")
    _heading("Tensors")
    typer.echo(f"{'bytes':>9}  {'kind':<11}{'type':<9}{'scales':>6}  {'shape':<18}name")
    for tensor in network.graph.tensors:
        kind = "weights" if tensor.n_bytes else "activation"
        shape = " x ".join(str(side) for side in tensor.shape)
        typer.echo(
            f"{tensor.n_bytes or tensor_bytes(tensor):>9}  {kind:<11}{tensor.type:<9}"
            f"{len(tensor.scales):>6}  "
            f"{shape:<18}{tensor.name.split(';')[0]}"
        )


def _heading(text: str) -> None:
    typer.echo(f"\n{text}")


def _line(name: str, text: str) -> None:
    typer.echo(f"{name:<{WIDTH}}{text}")
