"""What a rebuilt system of the literature is, whatever it is made of.

A paper's claim and what was rebuilt from it stand side by side in one record, together with every choice
that its description left to us: a row of the table that hides its choices cannot be argued with. A system
is fitted on one training side and then answers in probabilities; it never sees a test cell before that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from alledge.types import F64, I64, U8

Kind: TypeAlias = Literal["network", "classical", "shortcut"]

NOT_TOLD = "not told"
"""What `Claim.split` says when the paper does not tell how it parted training from test images."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the authors report. None of it was verified here; it is quoted to stand beside our figure.

    figure: in words ("92.8 % accuracy"). accuracy: the same as a share of 1, None where the paper gives
    no accuracy; drawn as a mark. data: what it was measured on. split: how training and test images were
    parted, `NOT_TOLD` where the paper does not say. doi: empty where there is none.
    """

    authors: str
    year: int
    title: str
    data: str
    figure: str
    split: str
    doi: str
    accuracy: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSide:
    """Everything that a system may learn from in one fold; the test cells are not in it.

    patches: (N, 50, 50, 3) uint8 RGB. labels: (N,) int64. is_validation: (N,) bool, for stopping and
    for choosing between settings. morphology: (N, M) float64, NaN where no cell was found.
    positive: indices of the labels that mean leukaemia, empty where unknown. seed: the only source of
    chance, the same for all folds of a comparison; fold: which one this is. epochs: of a network, None for
    its own number. on_epoch: told epochs done (or generations, or settings tried) and how many there are
    at most. is_phantom: the cells are rendered. n_groups: of the whole study.
    """

    patches: U8
    labels: I64
    is_validation: npt.NDArray[np.bool_]
    morphology: F64
    label_names: tuple[str, ...]
    positive: tuple[int, ...]
    seed: int
    epochs: int | None = None
    on_epoch: Callable[[int, int], None] | None = None
    fold: int = 0
    is_phantom: bool = False
    n_groups: int = 1

    @property
    def n_labels(self) -> int:
        """Classes to tell apart; some may be missing from this side."""
        return len(self.label_names)

    def tell(self, done: int, of: int) -> None:
        """Tell whoever watches how far the fit is."""
        if self.on_epoch is not None:
            self.on_epoch(done, of)


class FittedSystem(Protocol):
    """A system that has learnt. Sizes are None where the notion does not fit (a table of neighbours)."""

    @property
    def n_parameters(self) -> int | None:
        """Numbers that were learnt."""

    @property
    def macs(self) -> int | None:
        """Multiply-accumulate operations of one cell."""

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        """(N, L) float64, rows sum to one. patches: (N, 50, 50, 3) uint8 RGB; morphology: (N, M)."""


@runtime_checkable
class ExplainingSystem(FittedSystem, Protocol):
    """A system that can also say why, in words."""

    def explain(self, patches: U8, morphology: F64) -> tuple[str, ...]:
        """One sentence a cell."""


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """One row of the table.

    key: for the command line and file names. claim: None for our own and for shortcuts.
    description: sentences on how it works. choices: what the paper leaves open, or needs and cannot be
    had here, and what was done instead; one sentence each. told: (N, K) float64, numbers of every patch of
    the study that stand in for its morphology; a shortcut is told of the image instead of the cell.
    """

    key: str
    title: str
    kind: Kind
    claim: Claim | None
    description: str
    choices: tuple[str, ...]
    fit: Callable[[TrainingSide], FittedSystem]
    told: F64 | None = None
