"""Arguments and options that several commands of `allconvert` share."""

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL.tflite", help="A file from `allconvert quantize`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print figures as JSON, nothing else.")]
