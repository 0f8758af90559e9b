"""What a comparison leaves behind: the table for a script, for a spreadsheet and for eyes, and every call.

compare.json is written last: it marks the folder as finished.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from alledge.durable import make_folder
from alledge.strict_json import Json
from alltrain import run_folder
from alltrain.datasets.dataset import PatchSet
from alltrain.literature.comparison import Comparison, Row, comparison_as_json, comparison_as_table
from alltrain.run_folder import Splits

PAGE: Final = "compare.html"
FIGURES: Final = "compare.json"
TABLE: Final = "compare.csv"


def write_comparison(
    out: Path, patch_set: PatchSet, splits: Splits, comparison: Comparison, config: Mapping[str, Json]
) -> None:
    """Write predictions, compare.csv, compare.html and compare.json. Raises StorageFailed."""
    from alltrain.literature.page import render_page  # matplotlib takes a second to load

    make_folder(out / "predictions")
    for row in comparison.rows:
        _write_predictions(out, patch_set, splits, row)
    run_folder.write_csv(out / TABLE, *comparison_as_table(comparison))
    run_folder.write_text(out / PAGE, render_page(comparison))
    run_folder.write_json(out / FIGURES, {**comparison_as_json(comparison), "config": dict(config)})


def _write_predictions(out: Path, patch_set: PatchSet, splits: Splits, row: Row) -> None:
    """predictions/KEY.csv: one row a cell, judged by the part that held it out."""
    made = row.predictions
    names = patch_set.label_names
    header = ["patch_id", "group", "label", "fold", *(f"p_{name}" for name in names), "call", "review"]
    header += ["reason"] if row.reasons else []
    rows = []
    for index in range(len(patch_set)):
        cells: list[str | int | float] = [patch_set.patch_ids[index], patch_set.groups[index]]
        cells += [names[made.labels[index]], int(splits.fold[index])]
        cells += [f"{value:.9g}" for value in made.p[index]]
        cells += [names[made.called[index]], int(made.review[index])]
        cells += [row.reasons[index]] if row.reasons else []
        rows.append(cells)
    run_folder.write_csv(out / "predictions" / f"{row.system.key}.csv", header, rows)
