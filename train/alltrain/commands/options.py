"""Options that several commands share, so that they read and behave alike."""

from pathlib import Path
from typing import Annotated

import typer

DataArgument = Annotated[
    Path, typer.Argument(help="Folder of labelled images; its layout is recognised (docs/data.md).")
]
NoGroupsOption = Annotated[
    bool, typer.Option("--no-groups", help="Go on though patients or slides are unknown; figures flatter.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
