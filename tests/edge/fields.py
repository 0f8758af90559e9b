"""Made field results for tests of what is done with them."""

from alledge.types import (
    Call,
    Cell,
    FieldResult,
    ModelIdentity,
    PixelSize,
    PixelSizeSource,
    Quality,
    Verdict,
)

OK = Quality(Verdict.OK, "Good field.", focus=0.5, brightness=0.9, saturated_fraction=0.0, smear_fraction=0.3)
DARK = Quality(Verdict.TOO_DARK, "Raise the lamp.", 0.1, 0.05, 0.0, 0.0)


def cell(x: float = 50.0, y: float = 40.0, half: int = 15) -> Cell:
    box = (int(x) - half, int(y) - half, int(x) + half, int(y) + half)
    return Cell(x, y, box, 11.5, 70.0, 0.8, 0.92, 0.11, touches_border=False)


def call(label: str = "blast", p: float = 0.9, *, review: bool = False) -> Call:
    other = {"blast": "normal", "normal": "blast"}[label]
    return Call(label, {label: p, other: 1 - p}, review, "close to the threshold" if review else None)


def field(
    cells: tuple[Cell, ...] = (),
    calls: tuple[Call, ...] = (),
    quality: Quality = OK,
    model: ModelIdentity | None = None,
) -> FieldResult:
    size = PixelSize(0.1, PixelSizeSource.RED_CELLS, 40)
    return FieldResult("a/field.jpg", 200, 120, size, quality, cells, calls, 2, 5, model)
