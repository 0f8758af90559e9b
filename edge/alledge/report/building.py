"""From the journal to the data of a report: read at one moment, counted, and the pictures fetched."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from alledge.card import Card
from alledge.clock import WallTime
from alledge.journal import StoredField
from alledge.journal.chain import picture_hash
from alledge.journal.projection import STARTED
from alledge.journal.reading import JournalReader, SlideSummary
from alledge.journal.records import FIELD_PICTURE
from alledge.report.as_of import Moment, all_events, moment_of
from alledge.report.choosing import WAITING_CELLS, is_judged, representative, worst_judged
from alledge.report.contents import (
    CalibrationUse,
    ClassCells,
    FieldLedger,
    ModelUse,
    Origin,
    PixelSizes,
    ShownCell,
    ShownField,
    SlideReport,
    Words,
)
from alledge.report.evidence import Evidence
from alledge.report.tally import count_labels, counted_label, morphology_by_label, tell
from alledge.review import ReviewedCell, SlideReview
from alledge.review.history import WORDS, SlideHistory
from alledge.review.opinions import in_force

TARGET_CELLS: Final = 100
"""Cells of a differential unless told: what haematologists count."""

_PHANTOM: Final = "phantom"
_T = TypeVar("_T")

Fields = Sequence[tuple[int, StoredField]]


def slide_report(
    reader: JournalReader, slide_id: int, evidence: Evidence | None = None, target: int = TARGET_CELLS
) -> SlideReport:
    """Everything that a report of one slide says, as the journal is at one moment.

    Args:
        reader: of the journal.
        slide_id: number of the slide.
        evidence: cards and calibrations at hand; what is missing is named as missing.
        target: cells that make the differential complete.

    Raises:
        SlideUnusable: there is no such slide. JournalUnavailable, JournalDamaged: it cannot be read.
    """
    with reader.one_moment():
        fields = tuple(reader.all_fields(slide_id))
        reviewed = _review(reader, reader.slide(slide_id), fields)
        moment = moment_of(reader, slide_id, [number for number, _ in fields])
        return _report(reader, reviewed, fields, moment, evidence or Evidence(), target)


def _review(reader: JournalReader, slide: SlideSummary, fields: Fields) -> SlideReview:
    """The slide as model and persons see it; as `read_review`, from fields that were read already."""
    history = SlideHistory(slide.slide_id)
    for field_id, stored in fields:
        history.take_field(field_id, stored)
    words = [event for kind in WORDS for event in all_events(reader, kind, slide.slide_id)]
    for event in sorted(words, key=lambda event: event.number):
        history.take_event(event)
    return history.review(slide, reader.head().count)


def _report(
    reader: JournalReader,
    reviewed: SlideReview,
    fields: Fields,
    moment: Moment,
    evidence: Evidence,
    target: int,
) -> SlideReport:
    origin = _origin(fields, evidence)
    card = the_card(origin)
    counts = count_labels(reviewed.cells, card)
    labels = [count.label for count in counts]
    return SlideReport(
        slide=reviewed.slide,
        journal_id=_journal_id(reader),
        as_of=moment.head,
        as_of_wall=moment.wall,
        counts=counts,
        cells=reviewed.cells,
        told=tell(reviewed.counted_cells(), card, target),
        amended=tell(reviewed.counted_cells(amended=True), card, target) if reviewed.amendments else None,
        n_excluded=sum(cell.opinion is not None and cell.label is None for cell in reviewed.cells),
        n_open=reviewed.n_open,
        classes=_classes(reader, reviewed.cells, labels),
        morphology=morphology_by_label(reviewed.cells, labels),
        words=_words(reader, reviewed.cells),
        amended_cells=_shown(reader, [cell for cell in reviewed.cells if cell.amendment is not None]),
        worst_fields=tuple(_shown_field(reader, *pair) for pair in worst_judged(fields)),
        ledger=_ledger(fields, moment),
        origin=origin,
        card=card,
        signed=reviewed.signed,
        withdrawals=reviewed.withdrawals,
        amendments=reviewed.amendments,
        target=target,
    )


def the_card(origin: Origin) -> Card | None:
    """The card that the slide's calls rest on; None where it is not at hand, or where models changed."""
    return origin.models[0].card if len(origin.models) == 1 else None


def _journal_id(reader: JournalReader) -> str:
    (first,) = reader.events(0, limit=1)
    return str(first.fields().get("journal_id", "")) if first.kind == STARTED else ""


def _classes(
    reader: JournalReader, cells: Sequence[ReviewedCell], labels: Sequence[str]
) -> tuple[ClassCells, ...]:
    """Representative cells of each label that has any, and last of those that wait for a person."""
    groups: list[ClassCells] = []
    for label in labels:
        group = [cell for cell in cells if counted_label(cell) == label]
        groups.append(ClassCells(label, len(group), _shown(reader, representative(group, label))))
    waiting = [cell for cell in cells if cell.is_open]
    chosen = representative(waiting, None, WAITING_CELLS)
    groups.append(ClassCells(None, len(waiting), _shown(reader, chosen)))
    return tuple(group for group in groups if group.n)


def _words(reader: JournalReader, cells: Sequence[ReviewedCell]) -> Words:
    overridden = [cell for cell in cells if cell.is_overridden]
    agreed = [cell.opinion.who for cell in cells if cell.opinion is not None and not cell.is_overridden]
    return Words(
        overridden=_shown(
            reader, sorted(overridden, key=lambda cell: cell.opinion.event if cell.opinion else 0)
        ),
        confirmed=_sorted_by_name(Counter(agreed)),
        n_taken_back=sum(
            sum(word.undoes is None for word in cell.history)
            - sum(word.undoes is None for word in in_force(cell.history))
            for cell in cells
        ),
    )


def _shown(reader: JournalReader, cells: Iterable[ReviewedCell]) -> tuple[ShownCell, ...]:
    return tuple(
        ShownCell(cell, _whole(reader.picture(cell.field_id, cell.position), cell.patch_sha256))
        for cell in cells
    )


def _shown_field(reader: JournalReader, field_id: int, stored: StoredField) -> ShownField:
    return ShownField(
        field_id, stored, _whole(reader.picture(field_id, FIELD_PICTURE), stored.picture_sha256)
    )


def _whole(picture: bytes | None, sha256: str | None) -> bytes | None:
    """A picture, if it is the one that was stored; one that was altered is not shown."""
    return picture if picture is not None and picture_hash(picture) == sha256 else None


def _ledger(fields: Fields, moment: Moment) -> FieldLedger:
    verdicts = Counter(stored.result.quality.verdict for _, stored in fields if not is_judged(stored))
    began = (event.fields() for event in moment.troubles)
    troubles = Counter(str(body.get("code")) for body in began if body.get("state") == "began")
    return FieldLedger(
        n_fields=len(fields),
        n_judged=sum(is_judged(stored) for _, stored in fields),
        refused=dict(sorted(verdicts.items(), key=lambda pair: (-pair[1], pair[0]))),
        troubles=_sorted_by_name(troubles),
        first=_wall_of(fields[:1]),
        last=_wall_of(fields[-1:]),
    )


def _wall_of(fields: Fields) -> WallTime | None:
    return fields[0][1].wall if fields else None


def _origin(fields: Fields, evidence: Evidence) -> Origin:
    stored = [field for _, field in fields]
    models = Counter((f.result.model.name, f.result.model.sha256) for f in stored if f.result.model)
    calibrations = Counter(field.calibration_sha256 for field in stored)
    model_uses = tuple(
        ModelUse(name, sha256, n, evidence.cards.get(sha256)) for (name, sha256), n in models.items()
    )
    temperatures = [f.health.temperature_c for f in stored if f.health.temperature_c is not None]
    return Origin(
        models=model_uses,
        calibrations=tuple(
            CalibrationUse(sha256, n, evidence.calibrations.get(sha256) if sha256 else None)
            for sha256, n in calibrations.items()
        ),
        software=dict(Counter(field.software_version for field in stored)),
        clock=dict(Counter(field.wall.trust for field in stored)),
        pixel_sizes=_pixel_sizes(stored),
        hottest_c=max(temperatures, default=None),
        had_under_voltage=any(field.health.under_voltage for field in stored),
        was_throttled=any(field.health.throttled for field in stored),
        notes=_once(note for field in stored for note in field.result.notes),
        is_phantom=any(field.result.source.startswith(_PHANTOM) for field in stored)
        or any(use.card is not None and use.card.phantom for use in model_uses),
    )


def _pixel_sizes(stored: Sequence[StoredField]) -> PixelSizes | None:
    sizes = [field.result.pixel_size for field in stored if is_judged(field)]
    if not sizes:
        return None
    values = [size.pixel_um for size in sizes]
    return PixelSizes(min(values), max(values), _once(size.source for size in sizes))


def _once(values: Iterable[_T]) -> tuple[_T, ...]:
    """Each value once, in the order met."""
    return tuple(dict.fromkeys(values))


def _sorted_by_name(counter: Mapping[str, int]) -> dict[str, int]:
    return {name: counter[name] for name in sorted(counter)}
