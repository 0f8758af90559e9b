"""`allconvert verify`: the golden vectors on each runtime, as a table."""

import json
from typing import TYPE_CHECKING

import typer

from allconvert.commands.options import JsonOption, ModelArgument
from alledge.errors import SelfTestFailed

if TYPE_CHECKING:
    from allconvert.verify import Check


def verify(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Run the golden vectors on each installed runtime and kernel set; exit 1 when one answers wrongly."""
    from allconvert.verify import check_everywhere
    from alledge.model_file import read_model

    checks = check_everywhere(read_model(model))
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
    typer.echo(f"{'runtime':<24}{'kernels':<12}{'differ':>10}{'largest':>9}{'calls':>7}  verdict")
    for check in checks:
        differ = f"{check.n_different}/{check.n}"
        typer.echo(
            f"{check.runtime + ' ' + check.version:<24}{check.kernels:<12}{differ:>10}{check.largest_step:>9}"
            f"{check.n_changed_calls:>7}  {'passed' if check.passed else 'FAILED'}"
        )
