"""From a review to what the page is given: summaries, and cells as columns."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from alledge.card import Card
from alledge.differential import Share, differential
from alledge.errors import AllscopeError
from alledge.journal.reading import SlideSummary
from alledge.likeliest import likeliest
from alledge.page.shapes import (
    CellOut,
    EntryOut,
    NeighbourOut,
    Problem,
    ShareOut,
    SignOffOut,
    SlideOut,
    SummaryOut,
    WordOut,
)
from alledge.patches import PATCH_UM
from alledge.review import PERSON_LABELS, Amendment, ReviewedCell, SlideReview, Withdrawal
from alledge.review.desk import require_signable
from alledge.review.opinions import in_force

NOBODY: Final = -2
NO_CELL: Final = -1
WIDER_UM: Final = 60.0
"""Half the side of the wider field: three to four cells to each side."""


def slide_out(slide: SlideSummary) -> SlideOut:
    """A slide for the list."""
    return SlideOut(
        slide=slide.slide_id,
        identifier=slide.identifier,
        started=slide.started.iso,
        ended=slide.ended.iso if slide.ended else None,
        is_signed=slide.signed_off_by is not None,
        fields=slide.n_fields,
        cells=slide.n_cells,
    )


def labels_of(review: SlideReview) -> list[str]:
    """Every label that the page may show: the model's in its order, then what persons may say or said."""
    model = dict.fromkeys(label for cell in review.cells[:1] if cell.call for label in cell.call.p)
    called = dict.fromkeys(cell.call.label for cell in review.cells if cell.call)
    person = dict.fromkeys(kind.label for kind in PERSON_LABELS)
    said = {cell.label for cell in review.cells} | {cell.amended_label for cell in review.cells}
    rest = dict.fromkeys(sorted(label for label in said if label is not None))
    return [*(model | called | person | rest)]


def summary_out(review: SlideReview, card: Card | None, target: int) -> SummaryOut:
    """A slide with its differential, and whether it can be signed."""
    counted = review.counted_cells()
    told = differential(counted, card, target) if card else None
    plain = Counter(cell.label for cell in counted if cell.label is not None)
    slide = review.slide
    return SummaryOut(
        slide=slide.slide_id,
        identifier=slide.identifier,
        started=slide.started.iso,
        ended=slide.ended.iso if slide.ended else None,
        fields=slide.n_fields,
        cells=len(review.cells),
        open=review.n_open,
        counted=sum(plain.values()),
        excluded=len(review.cells) - len(counted),
        overridden=sum(cell.is_overridden for cell in review.cells),
        counts=dict(told.counts) if told else dict(plain),
        positive_labels=list(card.positive_labels) if card else [],
        positive_share=_share(told.blast_share) if told else None,
        if_review_none=_share(told.if_review_none) if told else None,
        if_review_all=_share(told.if_review_all) if told else None,
        target=target,
        signed=_signed(review),
        entries=_entries(review),
        refusal=refusal_of(review),
        as_of=review.as_of,
    )


def refusal_of(review: SlideReview) -> Problem | None:
    """Why the slide cannot be signed now; None when it can."""
    try:
        require_signable(review)
    except AllscopeError as error:
        return Problem(code=error.code, what=error.what_happened, next=error.next_step)
    return None


def cells_json(review: SlideReview, indices: Iterable[int] | None = None) -> bytes:
    """`CellsOut` as JSON, of all cells or of some; made without models, for there may be 20,000."""
    labels = labels_of(review)
    number = {label: index for index, label in enumerate(labels)}
    chosen = list(range(len(review.cells)) if indices is None else indices)
    cells = [review.cells[index] for index in chosen]
    columns = {
        "index": chosen,
        "field": [cell.field_id for cell in cells],
        "position": [cell.position for cell in cells],
        "patch": [cell.patch_sha256 for cell in cells],
        "call": [number[cell.call.label] if cell.call else -1 for cell in cells],
        "p": [round(1.0 - cell.doubt, 4) for cell in cells],
        "guess": [number.get(likeliest(cell.call), -1) if cell.call else -1 for cell in cells],
        "guess_p": [round(max(cell.call.p.values()), 4) if cell.call else 0.0 for cell in cells],
        "review": [int(cell.call is None or cell.call.review) for cell in cells],
        "word": [_spoken(cell.opinion is not None, cell.label, number) for cell in cells],
        "amended": [_spoken(cell.amendment is not None, cell.amended_label, number) for cell in cells],
        "who": [cell.opinion.who if cell.opinion else "" for cell in cells],
        "seen": [cell.last_event for cell in cells],
    }
    head = {"as_of": review.as_of, "withdrawn": review.n_withdrawn, "labels": labels}
    return json.dumps(head | columns).encode()


def changed_since(review: SlideReview, as_of: int) -> list[int]:
    """Places of the cells that came, got a sharper sighting, or were spoken of after event `as_of`."""
    return [
        index
        for index, cell in enumerate(review.cells)
        if cell.field_id > as_of
        or (cell.last_event or 0) > as_of
        or (cell.amendment is not None and cell.amendment.event > as_of)
    ]


def cell_out(review: SlideReview, index: int) -> CellOut:
    """Everything known of a cell."""
    cell = review.cells[index]
    call, seen = cell.call, cell.sighting
    force = {word.event for word in in_force(cell.history)}
    return CellOut(
        index=index,
        field=cell.field_id,
        position=cell.position,
        label=call.label if call else None,
        p={label: round(p, 4) for label, p in call.p.items()} if call else {},
        review=call is None or call.review,
        review_reason=call.reason if call else None,
        diameter_um=round(cell.cell.diameter_um, 1),
        nucleus_area_um2=round(cell.cell.nucleus_area_um2, 1),
        nucleus_cytoplasm_ratio=round(cell.cell.nucleus_cytoplasm_ratio, 2),
        roundness=round(cell.cell.roundness, 2),
        texture=round(cell.cell.texture, 3),
        slide_x_um=round(seen.x_um, 1) if seen else None,
        slide_y_um=round(seen.y_um, 1) if seen else None,
        history=[
            WordOut(
                label=word.label,
                who=word.who,
                time=word.wall.iso,
                event=word.event,
                undoes=word.undoes,
                stands=word.event in force,
            )
            for word in cell.history
        ],
        amendment=_amendment(cell.amendment, index) if cell.amendment else None,
    )


def neighbours(review: SlideReview, chosen: ReviewedCell, pixel_um: float) -> list[NeighbourOut]:
    """Cells around a cell, itself too: on the slide where it was tracked, else in its field."""
    found = []
    for index, cell in enumerate(review.cells):
        apart = _apart_um(chosen, cell, pixel_um)
        if apart is not None and max(map(abs, apart)) < WIDER_UM:
            found.append(
                NeighbourOut(
                    index=index,
                    dx_um=round(apart[0], 2),
                    dy_um=round(apart[1], 2),
                    diameter_um=round(cell.cell.diameter_um, 1),
                    patch=patch_path(cell),
                )
            )
    return found


def patch_path(cell: ReviewedCell) -> str:
    """Where a browser finds a cell's patch; named by its SHA-256, so it may be kept forever."""
    return f"/patches/{cell.field_id}/{cell.position}/{cell.patch_sha256}.png"


def patch_um() -> float:
    """Side of a patch in micrometres."""
    return PATCH_UM


def _apart_um(a: ReviewedCell, b: ReviewedCell, pixel_um: float) -> tuple[float, float] | None:
    if a.region is not None and a.region == b.region and a.sighting and b.sighting:
        return b.sighting.x_um - a.sighting.x_um, b.sighting.y_um - a.sighting.y_um
    if a.field_id != b.field_id:
        return None
    return (b.cell.x - a.cell.x) * pixel_um, (b.cell.y - a.cell.y) * pixel_um


def _spoken(has_spoken: bool, label: str | None, number: dict[str, int]) -> int:
    if not has_spoken:
        return NOBODY
    return NO_CELL if label is None else number[label]


def _share(share: Share | None) -> ShareOut | None:
    return None if share is None else ShareOut(value=share.value, ci95=share.ci95)


def _signed(review: SlideReview) -> SignOffOut | None:
    signed = review.signed
    return SignOffOut(who=signed.who, time=signed.wall.iso, event=signed.event) if signed else None


def _entries(review: SlideReview) -> list[EntryOut]:
    """Amendments and withdrawals in the order written."""
    index_of = {(cell.field_id, cell.position): index for index, cell in enumerate(review.cells)}
    entries: Sequence[Amendment | Withdrawal] = (*review.amendments, *review.withdrawals)
    return [
        _amendment(entry, index_of.get((entry.field_id, entry.position)))
        if isinstance(entry, Amendment)
        else EntryOut(
            kind="withdrawal",
            who=entry.who,
            time=entry.wall.iso,
            reason=entry.reason,
            label=None,
            index=None,
        )
        for entry in sorted(entries, key=lambda entry: entry.event)
    ]


def _amendment(entry: Amendment, index: int | None) -> EntryOut:
    return EntryOut(
        kind="amendment",
        who=entry.who,
        time=entry.wall.iso,
        reason=entry.reason,
        label=entry.label,
        index=index,
    )
