"""Options that several commands share, told once."""

from pathlib import Path
from typing import Annotated

import typer

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", help="A .tflite from `allconvert quantize`; without it cells are only found."
    ),
]
PixelOption = Annotated[
    float | None,
    typer.Option(
        "--pixel-um", min=0.005, max=5.0, help="Micrometres a pixel. Default: measured on the red cells."
    ),
]
DEFAULT_DATA = Path("/var/lib/allscope")
DataOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="The device's data folder, with its journal.")
]
