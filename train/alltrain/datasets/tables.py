"""Small CSV tables from strangers: comma, semicolon or tab, any case, extra columns, a byte-order mark.

Spreadsheet programs write all of these, so none of them is the user's mistake.
"""

import csv
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from alledge.errors import DatasetUnrecognised
from alltrain.datasets.folder import DataFolder

Aliases: TypeAlias = Mapping[str, tuple[str, ...]]
Row: TypeAlias = dict[str, str]


def table_has(folder: DataFolder, file: PurePosixPath, columns: Aliases) -> bool:
    """Whether the first line of a text file names all `columns` (see `read_table`)."""
    return _places(_split_header(folder.first_line(file)), columns) is not None


def read_table(folder: DataFolder, file: PurePosixPath, columns: Aliases) -> list[Row] | None:
    """Rows of a table, each a dict with the keys of `columns`; None when a column is missing.

    columns: our name of each column -> the headers, lower case, that may stand above it, best first.
    Empty lines are passed over and short rows are filled with "".

    Raises DatasetUnrecognised when the file is no text or no table.
    """
    text = folder.read_text(file)
    first_line = text.partition("\n")[0]
    places = _places(_split_header(first_line), columns)
    if places is None:
        return None
    try:
        lines = list(csv.reader(text.splitlines(), delimiter=_delimiter(first_line)))[1:]
    except csv.Error as error:
        raise DatasetUnrecognised(f"{folder.path(file)} is no table ({error}).", "Save it again.") from error
    return [
        {key: cells[at].strip() if at < len(cells) else "" for key, at in places.items()}
        for cells in lines
        if any(cell.strip() for cell in cells)
    ]


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _split_header(line: str) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in line.strip().split(_delimiter(line))]


def _places(header: list[str], columns: Aliases) -> dict[str, int] | None:
    """Index of each wanted column, None when one is missing."""
    places: dict[str, int] = {}
    for key, names in columns.items():
        at = next((header.index(name) for name in names if name in header), None)
        if at is None:
            return None
        places[key] = at
    return places
