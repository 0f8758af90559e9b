"""What a fit keeps in RUN/folds only while it is unfinished, so that --resume repeats next to nothing.

    fold_K.checkpoint, shipped.checkpoint   where the fit of a model stands (checkpoint.py)
    rehearsal.checkpoint                    the same for learning rendered cells
    rehearsal.npz                           the rendered cells; afterwards only their labels

A process that is killed while it writes leaves a partial file behind. Nothing reads those; they are swept
away when the run is taken up.
"""

import io
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

import numpy as np

from alledge.durable import write_whole
from alledge.errors import RunUnusable, StorageFailed
from alltrain.checkpoint import Checkpoint
from alltrain.rehearsal import Rehearsal

FOLDS: Final = "folds"
SAVING: Final = ".saving.keras"
_REHEARSAL: Final = "rehearsal.npz"
_DEBRIS: Final = (".*.partial", SAVING)


def checkpoint_of(out: Path, fold: int | None) -> Checkpoint:
    """Where the fit of a fold model stands, or of the shipped one (None)."""
    name = "shipped" if fold is None else f"fold_{fold}"
    return Checkpoint(out / FOLDS / f"{name}.checkpoint")


def rehearsal_checkpoint(out: Path) -> Checkpoint:
    """Where learning rendered cells stands."""
    return Checkpoint(out / FOLDS / "rehearsal.checkpoint")


def write_rehearsal(out: Path, rehearsal: Rehearsal) -> None:
    """Keep rendered cells, which take longer to render than to read. Raises StorageFailed."""
    buffer = io.BytesIO()
    arrays = {field.name: getattr(rehearsal, field.name) for field in fields(rehearsal)}
    np.savez(buffer, **arrays)
    write_whole(out / FOLDS / _REHEARSAL, buffer.getvalue())


def read_rehearsal(out: Path) -> Rehearsal | None:
    """Rendered cells of the run, None before they were rendered; of a finished run their labels alone.

    Raises:
        RunUnusable: the file is damaged.
    """
    file = out / FOLDS / _REHEARSAL
    if not file.is_file():
        return None
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            return Rehearsal(**{field.name: stored[field.name] for field in fields(Rehearsal)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunUnusable(f"{file} cannot be read.", "Remove it; the cells are rendered anew.") from error


def holds_only_debris(out: Path) -> bool:
    """Whether a folder holds nothing but what a start that was cut short leaves behind."""
    found = [*out.iterdir(), *(out / FOLDS).glob("*")]
    return all(path == out / FOLDS or any(path.match(pattern) for pattern in _DEBRIS) for path in found)


def sweep(out: Path) -> None:
    """Remove what a killed process left half written. Raises StorageFailed."""
    for folder in (out, out / FOLDS):
        for pattern in _DEBRIS:
            for debris in folder.glob(pattern):
                _remove(debris)


def tidy(out: Path) -> None:
    """The run is finished: drop checkpoints and rendered patches. Raises StorageFailed."""
    for checkpoint in (out / FOLDS).glob("*.checkpoint"):
        _remove(checkpoint)
    rehearsal = read_rehearsal(out)
    if rehearsal is not None and len(rehearsal.patches):
        write_rehearsal(out, replace(rehearsal, patches=rehearsal.patches[:0]))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be removed ({error.strerror}).", "Remove it by hand.") from error
