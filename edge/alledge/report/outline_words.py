"""What persons said in a report: every cell on which one disagreed with the model, and every amendment."""

from alledge.report.blocks import Block, Column, Heading, Paragraph, Row, Table
from alledge.report.contents import ShownCell, SlideReport
from alledge.report.latin import visible
from alledge.report.wording import Wording
from alledge.review import Amendment, ReviewedCell, Withdrawal


def overrides(report: SlideReport, words: Wording) -> list[Block]:
    """Where a person said otherwise than the model: who, when, from what to what."""
    said, shown = report.words, [Heading(words("words.title"))]
    blocks: list[Block] = list(shown)
    if said.overridden:
        names = (("place", 1.0), ("when", 2.2), ("who", 1.6), ("from", 2.6), ("to", 1.8))
        columns = tuple(Column(words(f"words.{name}"), weight) for name, weight in names)
        rows = tuple(_override(cell, words) for cell in said.overridden)
        blocks.append(Table(columns, rows, words("words.picture")))
    else:
        blocks.append(Paragraph(words("words.none")))
    sentences = []
    if said.confirmed:
        told = (words("words.confirmed-by", n=n, who=visible(who)) for who, n in said.confirmed.items())
        sentences.append(words("words.confirmed", told=words.listed(told)))
    if said.n_taken_back:
        sentences.append(words("words.taken-back", n=said.n_taken_back))
    return [*blocks, Paragraph(" ".join(sentences))] if sentences else blocks


def _override(shown: ShownCell, words: Wording) -> Row:
    cell = shown.cell
    assert cell.opinion is not None
    return Row(
        (
            _place(cell, words),
            words.when(cell.opinion.wall),
            visible(cell.opinion.who),
            _call(cell, words),
            words.label(cell.opinion.label),
        ),
        shown.png,
    )


def _place(cell: ReviewedCell | Amendment, words: Wording) -> str:
    """Fields by their number in the journal, cells counted from 1 as a person counts."""
    return words("words.place-text", field=cell.field_id, cell=cell.position + 1)


def _call(cell: ReviewedCell, words: Wording) -> str:
    if cell.call is None:
        return "-"
    kind = "open" if cell.call.review else "sure"
    p = words.number(100 * cell.call.p.get(cell.call.label, 0.0), 0)
    return words(f"words.{kind}-call", label=words.label(cell.call.label), p=p)


def amendments(report: SlideReport, words: Wording) -> list[Block]:
    """What was found after the signature, and signatures that were taken back."""
    if not (report.amendments or report.withdrawals):
        return []
    blocks: list[Block] = [Heading(words("amendments.title"))]
    blocks += [Paragraph(_withdrawn(withdrawal, words)) for withdrawal in report.withdrawals]
    if report.amendments:
        share = report.amended.blast_share if report.amended is not None else None
        effect = words("amendments.how", share=words.whole(share)) if share is not None else None
        blocks.append(Paragraph(effect or words("amendments.how-no-share")))
        blocks.append(_amendment_table(report, words))
    return blocks


def _withdrawn(withdrawal: Withdrawal, words: Wording) -> str:
    who, reason = visible(withdrawal.who), visible(withdrawal.reason)
    return words("amendments.withdrawn", who=who, when=words.when(withdrawal.wall), reason=reason or "-")


def _amendment_table(report: SlideReport, words: Wording) -> Table:
    cells = {(shown.cell.field_id, shown.cell.position): shown for shown in report.amended_cells}
    names = (("words.place", 1.0), ("words.when", 2.2), ("words.who", 1.5), ("amendments.from", 1.6),
             ("amendments.to", 1.6), ("words.reason", 2.6))  # fmt: skip
    rows = []
    for entry in report.amendments:
        shown = cells.get((entry.field_id, entry.position))
        told = (
            _place(entry, words),
            words.when(entry.wall),
            visible(entry.who),
            words.label(shown.cell.label) if shown is not None else "-",
            words.label(entry.label),
            visible(entry.reason),
        )
        rows.append(Row(told, None if shown is None else shown.png))
    columns = tuple(Column(words(name), weight) for name, weight in names)
    return Table(columns, tuple(rows), words("words.picture"))
