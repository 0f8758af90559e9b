"""The differential in a report: three large numbers, a table, a chart, and what stands behind them."""

from typing import Final

from alledge.differential import Share
from alledge.differential.count import NO_CELL, NO_GAIN, NO_POSITIVE_LABEL, NO_RATES
from alledge.report.blocks import (
    Align,
    Bar,
    Bars,
    Block,
    Column,
    Figure,
    Figures,
    Heading,
    Paragraph,
    Row,
    Table,
)
from alledge.report.contents import LabelCount, SlideReport
from alledge.report.wording import Wording

_WHY_NOT: Final = {
    NO_POSITIVE_LABEL: "no-positive-label",
    NO_RATES: "no-rates",
    NO_GAIN: "no-gain",
    NO_CELL: "no-cell",
}
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


def figures(report: SlideReport, words: Wording) -> list[Block]:
    """The share of blasts, the same corrected, and how many cells it rests on."""
    told, shown = report.told, []
    if told is not None and told.blast_share is not None:
        found = sum(count.n for count in report.counts if count.is_positive)
        detail = words("figure.blasts-detail", found=found, n=told.n_called,
                       interval=words.interval(told.blast_share))  # fmt: skip
        shown.append(_figure(words, "blasts", told.blast_share, detail))
    if told is not None and told.corrected is not None:
        detail = words("figure.corrected-detail", interval=words.interval(told.corrected))
        shown.append(_figure(words, "corrected", told.corrected, detail))
    missing = report.target - report.n_called
    enough = words("figure.cells-enough", target=report.target)
    lacking = words("figure.cells-missing", n=missing, target=report.target)
    rest = enough if missing <= 0 else lacking
    shown.append(Figure(words("figure.cells"), str(report.n_called), rest))
    return [Figures(tuple(shown))]


def _figure(words: Wording, name: str, share: Share, detail: str) -> Figure:
    return Figure(words(f"figure.{name}"), f"{words.percent(share.value)} %", detail)


def counts(report: SlideReport, words: Wording) -> list[Block]:
    """Cells by class with their shares and intervals, model and persons apart."""
    shown: list[Block] = [
        Heading(words("counts.title")),
        Table(_columns(words), (*(_row(count, words) for count in report.counts), _total(report, words))),
    ]
    bars = tuple(_bar(count, words) for count in report.counts if count.share is not None)
    if bars:
        ticks = tuple((tick, f"{100 * tick:.0f} %") for tick in _TICKS)
        shown.append(Bars(bars, ticks, words("counts.bars")))
    shown.append(Paragraph(" ".join(_left_over(report, words))))
    shown.append(Paragraph(" ".join(_grounds(report, words))))
    return shown


def _columns(words: Wording) -> tuple[Column, ...]:
    numbers = (("n", 1.0), ("share", 1.2), ("interval", 2.0), ("by-model", 1.2), ("by-person", 1.2),
               ("likeliest", 1.3))  # fmt: skip
    return (
        Column(words("counts.label"), 2.4),
        *(Column(words(f"counts.{name}"), weight, Align.RIGHT) for name, weight in numbers),
    )


def _row(count: LabelCount, words: Wording) -> Row:
    share = count.share
    return Row(
        (
            _name(count, words),
            str(count.n),
            "-" if share is None else words.percent(share.value),
            "-" if share is None else words.ends(share),
            str(count.n_by_model),
            str(count.n_by_person),
            str(count.n_likeliest),
        )
    )


def _total(report: SlideReport, words: Wording) -> Row:
    by_model = sum(count.n_by_model for count in report.counts)
    by_person = sum(count.n_by_person for count in report.counts)
    likeliest = sum(count.n_likeliest for count in report.counts)
    whole = words.percent(1.0) if report.n_called else "-"
    cells = (words("counts.total"), str(report.n_called), whole, "", str(by_model), str(by_person))
    return Row((*cells, str(likeliest)), is_total=True)


def _bar(count: LabelCount, words: Wording) -> Bar:
    assert count.share is not None
    low, high = count.share.ci95
    text = f"{words.percent(count.share.value)} %"
    return Bar(_name(count, words), count.share.value, low, high, text, count.is_positive)


def _name(count: LabelCount, words: Wording) -> str:
    label = words.label(count.label)
    return words("counts.finding", label=label) if count.is_positive else label


def _left_over(report: SlideReport, words: Wording) -> list[str]:
    """What is not in the table, and how far it could move the share of blasts."""
    told, sentences = report.told, [words("counts.waiting", n=report.n_open)]
    if report.n_excluded:
        sentences.append(words("counts.excluded", n=report.n_excluded))
    if told is not None and told.n_review and told.if_review_none and told.if_review_all:
        none, every = words.whole(told.if_review_none), words.whole(told.if_review_all)
        sentences.append(words("counts.bounds", none=none, all=every))
    return sentences


def _grounds(report: SlideReport, words: Wording) -> list[str]:
    told, sentences = report.told, [words("counts.columns"), words("counts.exact")]
    if told is None:
        return sentences
    if told.corrected is not None:
        sentences.append(words("counts.correction"))
    elif told.not_corrected in _WHY_NOT:
        sentences.append(words(f"not-corrected.{_WHY_NOT[told.not_corrected]}"))
    return sentences
