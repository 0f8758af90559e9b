"""Arguments and options that several commands of `allconvert` share."""

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL.tflite", help="A file from `allconvert quantize`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print figures as JSON, nothing else.")]
PythonsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--python",
        metavar="PYTHON",
        help="Another Python with allscope whose runtimes are asked too, such as one with tflite-runtime; "
        "may be given several times.",
    ),
]
