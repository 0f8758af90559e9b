"""One system fitted in one fold, as a file: what a comparison that was cut short need not do again.

    DIR/config.json             what was asked for     DIR/compare.json, compare.csv, compare.html
    DIR/folds/KEY/fold_K.npz    one finished part      DIR/predictions/KEY.csv

Only probabilities and times are kept, not the fitted system: they are all that the table rests on.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alledge.durable import make_folder, write_whole
from alledge.errors import RunUnusable
from alledge.types import F64
from alltrain.literature.timing import Speed


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one system said in one fold.

    p_validation: (V, L) and p_test: (T, L) float64, in the order of the study. train_s: seconds of
    fitting. n_parameters, macs: None where the notion does not fit. reasons: T sentences of a system
    that explains itself, else empty.
    """

    p_validation: F64
    p_test: F64
    train_s: float
    speed: Speed
    n_parameters: int | None
    macs: int | None
    reasons: tuple[str, ...] = ()


def part_path(out: Path, key: str, fold: int) -> Path:
    """Where the part of a system in a fold lies."""
    return out / "folds" / key / f"fold_{fold}.npz"


def write_part(path: Path, part: Part) -> None:
    """Write a part whole. Raises PathUnusable, StorageFailed."""
    make_folder(path.parent)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        p_validation=part.p_validation,
        p_test=part.p_test,
        times=np.array([part.train_s, part.speed.single_ms, part.speed.batched_ms], dtype=np.float64),
        sizes=np.array([-1 if size is None else size for size in (part.n_parameters, part.macs)]),
        reasons=np.array(part.reasons, dtype=np.str_),
    )
    write_whole(path, buffer.getvalue())


def read_part(path: Path) -> Part:
    """Read a part back. Raises RunUnusable when the file is damaged."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            train_s, single_ms, batched_ms = (float(value) for value in stored["times"])
            n_parameters, macs = (None if size < 0 else int(size) for size in stored["sizes"])
            return Part(
                p_validation=stored["p_validation"],
                p_test=stored["p_test"],
                train_s=train_s,
                speed=Speed(single_ms, batched_ms),
                n_parameters=n_parameters,
                macs=macs,
                reasons=tuple(str(reason) for reason in stored["reasons"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunUnusable(
            f"{path} is damaged.", "Delete it, and go on with the same command and --resume."
        ) from error
