"""`allconvert verify`: the golden vectors on each runtime, as a table."""

import json
from typing import TYPE_CHECKING

import typer

from allconvert.commands.options import JsonOption, ModelArgument, PythonsOption
from alledge.errors import SelfTestFailed

if TYPE_CHECKING:
    from allconvert.verify import Check


def verify(model: ModelArgument, python: PythonsOption = None, as_json: JsonOption = False) -> None:
    """Run the golden vectors on each runtime and kernel set there is; exit 1 when one answers wrongly."""
    from allconvert.verify import check_everywhere
    from alledge.model_file import read_model
    from alltrain.progress import Bars

    read = read_model(model)
    with Bars() as bars:
        checks = check_everywhere(read, python or (), bars.tell)
    if as_json:
        typer.echo(json.dumps([check.as_json() for check in checks]))
    else:
        _tell_checks(checks)
    failed = [f"{check.runtime} {check.version} ({check.kernels})" for check in checks if not check.passed]
    if failed:
        raise SelfTestFailed(
            f"{model} answers its golden vectors wrongly on {', '.join(failed)}.",
            "Do not use it there; install another version of the runtime.",
        )


def _tell_checks(checks: tuple["Check", ...]) -> None:
    heads = f"{'runtime':<24}{'Python':<9}{'machine':<9}{'kernels':<11}"
    typer.echo(f"{heads}{'differ':>8}{'largest':>9}{'calls':>7}  verdict")
    for check in checks:
        row = (
            f"{f'{check.runtime} {check.version}':<24}{check.python:<9}{check.machine:<9}{check.kernels:<11}"
        )
        if check.breakdown is not None:
            typer.echo(f"{row}{'-':>8}{'-':>9}{'-':>7}  FAILED: {check.breakdown}")
            continue
        differ, verdict = f"{check.n_different}/{check.n}", "passed" if check.passed else "FAILED"
        typer.echo(f"{row}{differ:>8}{check.largest_step:>9}{check.n_changed_calls:>7}  {verdict}")
