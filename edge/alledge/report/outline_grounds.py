"""What a report rests on: the fields and their quality, the model's card, calibration, software, journal."""

from collections.abc import Mapping
from typing import Final

from alledge.card import Card
from alledge.report.blocks import (
    Align,
    Block,
    Column,
    Facts,
    FieldPicture,
    Fields,
    Heading,
    Paragraph,
    Row,
    Table,
)
from alledge.report.contents import CalibrationUse, Origin, ShownField, SlideReport
from alledge.report.latin import visible
from alledge.report.wording import Wording
from alledge.strict_json import Json

SHOWN_METRICS: Final = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "auroc", "macro_f1")


def fields(report: SlideReport, words: Wording) -> list[Block]:
    """How many fields were judged, why others were not, and the least sharp ones."""
    ledger, strings = report.ledger, words.strings
    sentences = [words("fields.judged", judged=ledger.n_judged, n=ledger.n_fields)]
    if ledger.troubles:
        told = words.listed(
            words("fields.trouble", code=_trouble(code, words), n=n) for code, n in ledger.troubles.items()
        )
        sentences.append(words("fields.troubles", told=told))
    blocks: list[Block] = [Heading(words("fields.title")), Paragraph(" ".join(sentences))]
    if ledger.refused:
        columns = (Column(words("fields.verdict"), 5.0), Column(words("fields.n"), 1.0, Align.RIGHT))
        rows = (
            Row((strings.one_of("verdict", verdict.value), str(n))) for verdict, n in ledger.refused.items()
        )
        blocks.append(Table(columns, tuple(rows)))
    if report.worst_fields:
        blocks.append(Paragraph(words("fields.worst")))
        blocks.append(Fields(tuple(_field(shown, report.origin, words) for shown in report.worst_fields)))
    return blocks


def _trouble(code: str, words: Wording) -> str:
    """A trouble by its name in the reader's language; that of a field is its verdict."""
    verdict = code.removeprefix("field-")
    return words.strings.one_of("trouble" if verdict == code else "verdict", verdict)


def _field(shown: ShownField, origin: Origin, words: Wording) -> FieldPicture:
    result = shown.stored.result
    quality = result.quality
    lines = [
        words("fields.field", field=shown.field_id),
        words("fields.focus", focus=words.number(quality.focus, 3)),
        words("fields.brightness", brightness=words.percent(quality.brightness)),
        words("fields.cells", n=len(result.cells)),
    ]
    best = [use.facts.focus for use in origin.calibrations if use.facts is not None and use.facts.focus]
    if best:
        lines.append(words("fields.best-focus", focus=words.number(best[0], 3)))
    boxes = tuple(cell.box for cell in result.cells)
    return FieldPicture(shown.jpeg, words("no-picture"), tuple(lines), result.width, result.height, boxes)


def model(report: SlideReport, words: Wording) -> list[Block]:
    """The models that called the cells, and what the card says of the only one."""
    if not report.origin.models:
        return []
    blocks: list[Block] = [Heading(words("model.title"))]
    for use in report.origin.models:
        rows = [
            (words("model.name"), visible(use.name)),
            (words("model.hash"), use.sha256),
            (words("model.fields"), str(use.n_fields)),
        ]
        blocks.append(Facts((*rows, *(_card_facts(use.card, words) if use.card is not None else ()))))
        if use.card is not None:
            blocks += _card_figures(use.card, words)
    return blocks


def _card_facts(card: Card, words: Wording) -> list[tuple[str, str]]:
    data = words(
        "model.data-text", layout=visible(card.layout), fingerprint=words.short(card.data_fingerprint)
    )
    grouped = words("model.grouped" if card.grouped else "model.ungrouped")
    rows = [
        (words("model.labels"), words.listed(words.label(label) for label in card.labels)),
        (words("model.positive"), words.listed(words.label(label) for label in card.positive_labels)),
        (words("model.data"), f"{data}; {grouped}"),
        (words("model.use"), visible(card.intended_use)),
    ]
    if card.threshold is not None and card.review_band is not None:
        low, high = (words.number(end, 3) for end in card.review_band)
        threshold = words(
            "model.threshold-text", threshold=words.number(card.threshold, 3), low=low, high=high
        )
        rows.insert(2, (words("model.threshold"), threshold))
    return rows


def _card_figures(card: Card, words: Wording) -> list[Block]:
    """What the model was measured to do, each figure with its interval, and its maker's notes."""
    names = (("figure", 3.0), ("value", 1.0), ("interval", 2.0), ("n", 1.0), ("groups", 1.0))
    columns = tuple(
        Column(words(f"model.{name}"), weight, Align.LEFT if name == "figure" else Align.RIGHT)
        for name, weight in names
    )
    rows = tuple(
        _figure(name, entry, words)
        for name in SHOWN_METRICS
        if isinstance(entry := card.metrics.get(name), dict) and _number(entry, "value") is not None
    )
    notes = [Paragraph(words("model.notes", note=" ".join(map(visible, card.notes))))] if card.notes else []
    return [Table(columns, rows), *notes] if rows else [*notes]


def _figure(name: str, entry: Mapping[str, Json], words: Wording) -> Row:
    ci95 = entry.get("ci95")
    ends = [end for end in ci95 if isinstance(end, int | float)] if isinstance(ci95, list) else []
    told = (
        words("range", low=words.number(ends[0], 3), high=words.number(ends[1], 3)) if len(ends) == 2 else "-"
    )
    return Row(
        (
            words(f"metric.{name.replace('_', '-')}"),
            words.number(_number(entry, "value"), 3),
            told,
            words.number(_number(entry, "n"), 0),
            words.number(_number(entry, "n_groups"), 0),
        )
    )


def _number(entry: Mapping[str, Json], name: str) -> float | None:
    value = entry.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def origin(report: SlideReport, words: Wording) -> list[Block]:
    """Calibration, pixel size, software and the machine."""
    known = report.origin
    rows = [
        (words("origin.calibration"), "; ".join(_calibration(use, words) for use in known.calibrations)),
        (words("origin.pixel"), _pixel_sizes(known, words)),
        (
            words("origin.software"),
            words.listed(words("origin.software-text", version=v, n=n) for v, n in known.software.items()),
        ),
        (words("origin.machine"), _machine(known, words)),
    ]
    blocks: list[Block] = [Heading(words("origin.title")), Facts(tuple(rows))]
    if known.notes:
        blocks.append(Paragraph(words("origin.notes", told=" ".join(visible(note) for note in known.notes))))
    return blocks


def _calibration(use: CalibrationUse, words: Wording) -> str:
    if use.sha256 is None:
        return words("origin.calibration-none", n=use.n_fields)
    facts = use.facts
    if facts is None:
        return words("origin.calibration-hash", hash=use.sha256, n=use.n_fields)
    source = words.strings.one_of("report.scale-source", facts.measured_on.value)
    return words(
        "origin.calibration-text",
        hash=use.sha256,
        made=words.when(facts.made),
        objective=visible(facts.objective) or words("unknown"),
        pixel=words.number(facts.pixel_um, 5),
        error=words.number(facts.standard_error_um, 5),
        source=source,
        n=use.n_fields,
    )


def _pixel_sizes(known: Origin, words: Wording) -> str:
    sizes = known.pixel_sizes
    if sizes is None:
        return words("unknown")
    sources = words.listed(words.strings.one_of("report.pixel-source", s.value) for s in sizes.sources)
    low, high = words.number(sizes.low_um, 4), words.number(sizes.high_um, 4)
    return words("origin.pixel-text", low=low, high=high, sources=sources)


def _machine(known: Origin, words: Wording) -> str:
    told = []
    if known.hottest_c is not None:
        told.append(words("origin.hottest", celsius=words.number(known.hottest_c, 0)))
    if known.had_under_voltage:
        told.append(words("origin.under-voltage"))
    if known.was_throttled:
        told.append(words("origin.throttled"))
    return ", ".join(told) or words("origin.machine-well")


def journal(report: SlideReport, words: Wording) -> list[Block]:
    """Where the report can be held against the journal."""
    head = report.as_of
    rows = (
        (words("journal-part.id"), report.journal_id or words("unknown")),
        (words("journal-part.number"), str(head.count)),
        (words("journal-part.when"), words.when(report.as_of_wall)),
        (words("journal-part.hash"), head.hash),
    )
    return [
        Heading(words("journal-part.title")),
        Paragraph(words("journal-part.text", number=head.count)),
        Facts(rows),
        Paragraph(words("journal-part.command", hash=head.hash)),
    ]
