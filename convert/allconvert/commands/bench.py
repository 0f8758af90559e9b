"""`allconvert bench`: how long one patch takes, as a table."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allconvert.commands.options import JsonOption, ModelArgument, PythonsOption
from alledge.errors import RunUnusable

if TYPE_CHECKING:
    from allconvert.bench import Aim, Latency
    from alledge.model_file import ModelFile

RunOption = Annotated[
    Path | None, typer.Option(metavar="RUN", help="The run the model is of, to time its float form too.")
]


def bench(
    model: ModelArgument,
    run: RunOption = None,
    python: PythonsOption = None,
    n: Annotated[int, typer.Option(min=20, max=100_000, help="Calls to time in each row, at most.")] = 500,
    as_json: JsonOption = False,
) -> None:
    """Time a patch on each runtime, by kernels, threads and batch, beside MobileNetV2-224 int8."""
    from allconvert.bench import BASELINE, aims_of, measure_everywhere, networks_to_time
    from allconvert.machine import this_machine
    from allconvert.other_networks import mobilenet_flatbuffer
    from alledge.model_file import read_model
    from alltrain.progress import Bars

    read, before = read_model(model), this_machine()
    with Bars() as bars:
        bars.tell("networks", 0, 1)
        networks = networks_to_time(read, _float_form(run, read), mobilenet_flatbuffer())
        bars.tell("networks", 1, 1)
        rows = list(measure_everywhere(networks, n, python or (), bars.tell))
    aims, after = aims_of(rows, networks[0].name), this_machine()
    if as_json:
        record = {
            "model_sha256": read.sha256,
            "machine": before.as_json(),
            "load_after": list(after.load),
            "baseline": BASELINE,
            "rows": [row.as_json() for row in rows],
            "aims": [aim.as_json() for aim in aims],
        }
        typer.echo(json.dumps(record))
        return
    typer.echo(f"{before}; load after {' '.join(f'{value:.1f}' for value in after.load)}")
    _tell_rows(rows)
    typer.echo(f"p10: a call that nobody interrupted. times faster, by p10: than {BASELINE}.")
    _tell_aims(aims)


def _float_form(run: Path | None, model: "ModelFile") -> bytes | None:
    """The float network of a run, as a flatbuffer. Raises RunUnusable when the model is of another run."""
    if run is None:
        return None
    from allconvert.other_networks import float_flatbuffer
    from alltrain.run_folder import read_run

    finished = read_run(run)
    if (finished.card.data_fingerprint, finished.card.labels) != (
        model.card.data_fingerprint,
        model.card.labels,
    ):
        raise RunUnusable(
            f"{model.name} was not made from {run}.", "Give the run that it was quantised from."
        )
    return float_flatbuffer(finished.load_model())


def _tell_rows(rows: list["Latency"]) -> None:
    """A table for each runtime."""
    previous = ""
    for row in rows:
        if (runtime := f"{row.runtime} {row.version}, Python {row.python}") != previous:
            typer.echo(f"\n{runtime}")
            typer.echo(
                f"{'network':<24}{'kernels':<11}{'threads':>7}  {'way':<12}"
                f"{'p10 ms':>9}{'p50 ms':>9}{'p99 ms':>9}"
                f"{'times faster':>14}{'peak MiB':>10}{'its own':>9}"
            )
            previous = runtime
        typer.echo(_line(row))


def _line(row: "Latency") -> str:
    head = f"{row.network[:23]:<24}{row.kernels:<11}{row.n_threads:>7}  {row.way:<12}"
    if row.failure is not None:
        return f"{head}  cannot: {row.failure[:60]}"
    return (
        f"{head}{row.p10_ms:>9.3f}{row.p50_ms:>9.3f}{row.p99_ms:>9.3f}{_number(row.times_faster):>14}"
        f"{_number(row.peak_mib):>10}{_number(row.network_mib):>9}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _tell_aims(aims: tuple["Aim", ...]) -> None:
    for aim in aims:
        typer.echo(f"{aim.what} {aim.limit:g}: {aim.value:.3g}, {'met' if aim.met else 'MISSED'}")
