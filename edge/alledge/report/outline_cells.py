"""The cells themselves in a report: pictures of each class, and what their cells measure."""

from alledge.likeliest import likeliest, whole_percent
from alledge.report.blocks import Align, Block, CellPicture, Cells, Column, Heading, Paragraph, Row, Table
from alledge.report.contents import ClassCells, ClassMorphology, ShownCell, SlideReport
from alledge.report.tally import MEASURES
from alledge.report.wording import Wording

_DECIMALS = {"diameter_um": 1, "nucleus_area_um2": 0}


def cell_pictures(report: SlideReport, words: Wording) -> list[Block]:
    """Representative cells of each class, and cells that wait for a person."""
    if not report.classes:
        return []
    groups = (_group(group, words) for group in report.classes)
    return [Heading(words("cells.title"), keep_mm=45.0), Paragraph(words("cells.how")), *groups]


def _group(group: ClassCells, words: Wording) -> Cells:
    shown = len(group.shown)
    if group.label is None:
        title = words("cells.waiting", shown=shown, n=group.n)
    else:
        title = words("cells.class", label=words.label(group.label), shown=shown, n=group.n)
    return Cells(title, tuple(_picture(cell, group.label, words) for cell in group.shown))


def _picture(shown: ShownCell, label: str | None, words: Wording) -> CellPicture:
    cell = shown.cell
    lines = []
    if cell.call is not None and label is None:
        guess = likeliest(cell.call)
        lines += [words.label(guess), words("cells.sure", p=whole_percent(cell.call.p.get(guess, 0.0)))]
    elif label is not None:
        sureness = cell.call.p.get(label, 0.0) if cell.call is not None else 0.0
        kind = "sure" if cell.opinion is None else "mark"
        lines.append(words(f"cells.{kind}", p=whole_percent(sureness)))
    lines.append(words("cells.size", diameter=words.number(cell.cell.diameter_um)))
    return CellPicture(shown.png, words("removed"), tuple(lines))


def morphology(report: SlideReport, words: Wording) -> list[Block]:
    """Median and quartiles of what the cells of each class measure."""
    if not report.morphology:
        return []
    columns = (
        Column(words("counts.label"), 1.5),
        Column(words("morphology.n"), 0.7, Align.RIGHT),
        *(Column(words(f"morphology.{name}"), 1.8, Align.RIGHT) for name in MEASURES),
    )
    rows = tuple(_measures(group, words) for group in report.morphology)
    return [Heading(words("morphology.title")), Paragraph(words("morphology.how")), Table(columns, rows)]


def _measures(group: ClassMorphology, words: Wording) -> Row:
    told = []
    for name in MEASURES:
        spread, decimals = group.measures[name], _DECIMALS.get(name, 2)
        low, median, high = (words.number(v, decimals) for v in (spread.low, spread.median, spread.high))
        told.append(words("morphology.value", median=median, low=low, high=high))
    return Row((words.label(group.label), str(group.n), *told))
