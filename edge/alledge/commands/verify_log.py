"""`alledge verify-log`: whether the journal still holds what was written into it."""

import json
import re
from typing import Annotated

import typer

from alledge.commands.options import DEFAULT_DATA, DataOption


def verify_log(
    data: DataOption = DEFAULT_DATA,
    head: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="A head told earlier; shows that nothing up to it was cut off."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON, nothing else.")] = False,
) -> None:
    """Checks that no stored result was changed, deleted, inserted, reordered or cut off."""
    from alledge.errors import LogBroken
    from alledge.journal.store import JOURNAL_NAME
    from alledge.journal.verification import verify_journal

    if head is not None and not re.fullmatch("[0-9a-fA-F]{64}", head):
        raise typer.BadParameter("a head is a SHA-256, 64 hexadecimal digits", param_hint="--head")
    path = data / JOURNAL_NAME
    found = verify_journal(path, head)
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    if found.broken is not None:
        raise LogBroken(
            f"{path} is not as it was written. First broken: {found.broken}.",
            "Keep this file as evidence and compare it with a backup.",
        )
    if not as_json:
        typer.echo(f"{path}: {found.head.count} events, {found.n_fields} fields with {found.n_cells} cells")
        typer.echo(f"  {found.n_pictures} pictures; {found.n_removed} more were removed by the quota")
        typer.echo(f"  head {found.head.hash}")
        typer.echo("  Everything is as it was written. Keep the head elsewhere, to show it again later.")
