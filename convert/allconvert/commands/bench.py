"""`allconvert bench`: how long one patch takes, as a table."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from allconvert.commands.options import JsonOption, ModelArgument

if TYPE_CHECKING:
    from allconvert.bench import Latency


def bench(
    model: ModelArgument,
    n: Annotated[int, typer.Option(min=20, max=100_000, help="Patches to time in each row.")] = 500,
    as_json: JsonOption = False,
) -> None:
    """Time one patch on each runtime, kernel set and number of threads of this machine."""
    from allconvert.bench import measure_everywhere
    from alledge.model_file import read_model

    rows = []
    if not as_json:
        typer.echo(_bench_header())
    for row in measure_everywhere(read_model(model), n):
        rows.append(row.as_json())
        if not as_json:
            typer.echo(_bench_line(row))
    if as_json:
        typer.echo(json.dumps(rows))


def _bench_header() -> str:
    return f"{'runtime':<24}{'kernels':<26}{'threads':>7}{'p50 ms':>10}{'p99 ms':>10}{'times faster':>14}"


def _bench_line(row: "Latency") -> str:
    return (
        f"{row.runtime + ' ' + row.version:<24}{row.kernels:<26}{row.n_threads:>7}"
        f"{row.p50_ms:>10.3f}{row.p99_ms:>10.3f}{row.times_faster:>14.1f}"
    )
