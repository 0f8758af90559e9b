"""The answer that comes with every phantom field: what each cell is, where it lies, where it ends."""

from dataclasses import dataclass
from enum import StrEnum

from alledge.phantom.parameters import PhantomParameters
from alledge.types import F32, U8


class CellKind(StrEnum):
    """What a thing on the smear is. Blasts carry their FAB type (Bennett et al., Br J Haematol 1976)."""

    RED_CELL = "red_cell"
    LYMPHOCYTE = "lymphocyte"
    NEUTROPHIL = "neutrophil"
    MONOCYTE = "monocyte"
    BLAST_L1 = "blast_l1"
    BLAST_L2 = "blast_l2"
    BLAST_L3 = "blast_l3"
    PLATELET = "platelet"
    SMUDGE = "smudge"


NORMAL_KINDS = (CellKind.LYMPHOCYTE, CellKind.NEUTROPHIL, CellKind.MONOCYTE)
BLAST_KINDS = (CellKind.BLAST_L1, CellKind.BLAST_L2, CellKind.BLAST_L3)
NUCLEATED_KINDS = NORMAL_KINDS + BLAST_KINDS


@dataclass(frozen=True, slots=True, eq=False)
class TrueCell:
    """One thing on the smear, as it was drawn.

    x, y: centre, in pixels of the frame. outline: (K, 2) float32, closed, in pixels, may leave the frame.
    nucleus_outline: (K, 2) float32, or None for what has no nucleus.
    diameter_um: diameter of the disc of the same area as `outline`.
    nucleus_cytoplasm_ratio: nucleus area over whole-cell area, 0 without a nucleus.
    touches_border: the outline is cut by the edge of the frame.
    """

    kind: CellKind
    x: float
    y: float
    outline: F32
    nucleus_outline: F32 | None
    diameter_um: float
    nucleus_cytoplasm_ratio: float
    touches_border: bool

    @property
    def label(self) -> str | None:
        """`blast` or `normal` for a nucleated cell, None for everything else."""
        if self.kind in BLAST_KINDS:
            return "blast"
        return "normal" if self.kind in NORMAL_KINDS else None


@dataclass(frozen=True, slots=True, eq=False)
class PhantomField:
    """A rendered field with its truth.

    pixels: (H, W, 3) uint8, BGR. jpeg: the file that the pixels were decoded from.
    cells: nucleated cells, platelets and smudges.
    red_cells: the red cells, apart because few ask for them. parameters: what the field was made from.
    """

    pixels: U8
    jpeg: bytes
    cells: tuple[TrueCell, ...]
    red_cells: tuple[TrueCell, ...]
    parameters: PhantomParameters
