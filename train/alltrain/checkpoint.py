"""Where a fit stands at the end of an epoch, on disk: enough to go on as if nothing had happened.

One file a model, written whole after every epoch and removed once the model is saved. Weights and
optimiser are kept exactly; what comes next follows from them and from the place in the course alone
(batches.py), so a fit that goes on after a power cut ends in the weights of one that was never cut.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from alledge.durable import write_whole
from alledge.errors import RunUnusable
from alledge.types import F64

Arrays: TypeAlias = tuple[npt.NDArray[np.generic], ...]

_VARIABLE: Final = "variable_{}"
_BEST: Final = "weight_{}"
_MEAN: Final = "mean_{}"


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A fit after some epochs.

    course: (E, 3) float64, a row for each epoch done: training loss, validation loss and accuracy.
    variables: of the training model and of its optimiser, in their order. best: weights of the best epoch.
    mean: the running mean of weights.
    """

    course: F64
    variables: Arrays
    best_epoch: int
    best: Arrays
    mean: Arrays = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file that holds the standing of one fit."""

    path: Path

    def read(self) -> Standing | None:
        """What was written last; None before the end of the first epoch. Raises RunUnusable if damaged."""
        if not self.path.is_file():
            return None
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as stored:
                return Standing(
                    stored["course"].astype(np.float64),
                    _numbered(stored, _VARIABLE),
                    int(stored["best_epoch"]),
                    _numbered(stored, _BEST),
                    _numbered(stored, _MEAN),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunUnusable(
                f"{self.path} cannot be read.", "Remove it; its model is fitted anew."
            ) from error

    def write(self, standing: Standing) -> None:
        """Keep this standing and no earlier one. Raises StorageFailed."""
        buffer = io.BytesIO()
        arrays = _named(_VARIABLE, standing.variables) | _named(_BEST, standing.best)
        arrays |= _named(_MEAN, standing.mean)
        arrays |= {"course": standing.course, "best_epoch": np.array(standing.best_epoch)}
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # the stub fears a name "allow_pickle"
        write_whole(self.path, buffer.getvalue())

    def remove(self) -> None:
        """The model is saved, nobody will go on from here."""
        self.path.unlink(missing_ok=True)


def _named(name: str, arrays: Sequence[npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.generic]]:
    return {name.format(index): array for index, array in enumerate(arrays)}


def _numbered(stored: "np.lib.npyio.NpzFile", name: str) -> Arrays:
    n = sum(found.startswith(name.format("")) for found in stored.files)
    return tuple(stored[name.format(index)] for index in range(n))
