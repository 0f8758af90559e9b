"""fidelity.csv: what float and int8 said about every patch that judged them, a row a patch.

Every share, change, flip and interval of fidelity.json follows from this table alone. The rows of the
validation patches can be got again from the two models; those of the test folds from the RUN folder's fold
models, quantised again: the same RUN gives the same bytes.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from allconvert.fidelity import PairedCalls
from allconvert.quantise import Proof
from alltrain.run_folder import Run

Cell: TypeAlias = str | int | float
_CALLED: Final = ("float_call", "int8_call", "float_review", "int8_review")


def paired_table(proof: Proof) -> str:
    """The table as CSV, test folds first, each in the order of splits.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_header(proof.run.card.labels))
    writer.writerows(_rows("test", proof.pairs, proof.run))
    writer.writerows(_rows("validation", proof.pairs_on_validation, proof.run))
    return text.getvalue()


def _header(labels: Sequence[str]) -> list[str]:
    kinds = [f"{network}_{figure}" for figure in ("logit", "p") for network in ("float", "int8")]
    told = [f"{kind} {label}" for kind in kinds for label in labels]
    return ["set", "fold", "patch_id", "group", "label", *told, *_CALLED]


def _rows(name: str, pairs: PairedCalls, run: Run) -> Iterator[list[Cell]]:
    """Rows of one set. fold: the fold that held the patch out, empty for the shipped network."""
    for at in pairs.rows.argsort(kind="stable"):
        row = int(pairs.rows[at])
        figures = (pairs.float_logits, pairs.int8_logits, pairs.float_p, pairs.int8_p)
        yield [
            name,
            int(run.splits.fold[row]) if name == "test" else "",
            run.patch_ids[row],
            run.groups[row],
            pairs.label_names[pairs.labels[at]],
            *(float(value) for array in figures for value in array[at]),
            pairs.label_names[pairs.float_called[at]],
            pairs.label_names[pairs.int8_called[at]],
            int(pairs.float_review[at]),
            int(pairs.int8_review[at]),
        ]
