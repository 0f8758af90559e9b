"""Slides to look at: the list, a slide's summary, its cells, their patches, and what lies around them."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from alledge.errors import SlideUnusable
from alledge.journal.chain import picture_hash
from alledge.journal.records import FIELD_PICTURE
from alledge.page.answers import (
    cell_out,
    cells_json,
    changed_since,
    neighbours,
    patch_um,
    slide_out,
    summary_out,
)
from alledge.page.gate import Refusal
from alledge.page.people import PROBLEMS, Person, Room
from alledge.page.shapes import CellOut, CellsOut, SlidesOut, SummaryOut, WiderOut
from alledge.review import ReviewedCell, SlideReview

router = APIRouter(tags=["slides"], responses=PROBLEMS)

SLIDES_A_PAGE = 50
MOST_PATCHES = 128
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
Slide = Annotated[int, Path(ge=0, le=2**53 - 1)]
Place = Annotated[int, Path(ge=0, le=10**6)]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Places = Annotated[
    str, Query(max_length=1900, pattern=r"^[0-9]{1,12}\.[0-9]{1,6}(,[0-9]{1,12}\.[0-9]{1,6})*$")
]
Event = Annotated[int, Query(ge=0, le=2**53 - 1)]


@router.get("/api/slides")
def slides(_: Person, room: Room, before: Event | None = None) -> SlidesOut:
    """Slides, newest first."""
    with room.reader() as reader:
        found = reader.slides(before, SLIDES_A_PAGE)
    more = found[-1].slide_id if len(found) == SLIDES_A_PAGE else None
    return SlidesOut(slides=[slide_out(slide) for slide in found], before=more)


@router.get("/api/slides/{slide}")
def summary(slide: Slide, _: Person, room: Room) -> SummaryOut:
    """A slide with its differential, and whether it can be signed."""
    return summary_out(room.review(slide), room.card_of(slide), room.settings.target_cells)


@router.get("/api/slides/{slide}/cells", response_model=CellsOut)
def cells(slide: Slide, _: Person, room: Room, since: Event = 0) -> Response:
    """All cells of a slide as columns, or those that changed after event `since`."""
    review = room.review(slide)
    chosen = changed_since(review, since) if since else None
    return Response(cells_json(review, chosen), media_type="application/json")


@router.get("/api/slides/{slide}/cells/{index}")
def cell(slide: Slide, index: Place, _: Person, room: Room) -> CellOut:
    """Everything known of one cell: the call, the morphology, who said what and when."""
    review = room.review(slide)
    _require_cell(review, index)
    return cell_out(review, index)


@router.get("/api/slides/{slide}/cells/{index}/wider")
def wider(slide: Slide, index: Place, _: Person, room: Room) -> WiderOut:
    """What lies around a cell."""
    review = room.review(slide)
    chosen = _require_cell(review, index)
    with room.reader() as reader:
        ((_field, stored),) = reader.fields(slide, chosen.field_id - 1, limit=1)
        kept = stored.picture_sha256 and reader.picture(chosen.field_id) is not None
    pixel_um = stored.result.pixel_size.pixel_um
    return WiderOut(
        picture=f"/fields/{chosen.field_id}/{stored.picture_sha256}.jpg" if kept else None,
        width=stored.result.width,
        height=stored.result.height,
        pixel_um=pixel_um,
        x=chosen.cell.x,
        y=chosen.cell.y,
        patch_um=patch_um(),
        cells=neighbours(review, chosen, pixel_um),
    )


@router.get(
    "/patches",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "Patches one after another."}
    },
)
def patches(at: Places, _: Person, room: Room) -> Response:
    """Several patches at once, `at=field.position,...`: each a length (4 bytes, big end first) and a PNG.

    A patch that is there no more has length 0. What lies at a place never changes, so it may be kept.
    """
    places = at.split(",")
    if len(places) > MOST_PATCHES:
        raise Refusal(422, "too-many-patches", f"At most {MOST_PATCHES} at once.", "Ask for fewer.")
    parts = []
    with room.reader() as reader:
        for place in places:
            field, _dot, position = place.partition(".")
            png = reader.picture(int(field), int(position)) or b""
            parts += [len(png).to_bytes(4, "big"), png]
    return Response(b"".join(parts), media_type="application/octet-stream", headers=FOREVER)


@router.get("/patches/{field}/{position}/{sha256}.png", response_class=Response)
def patch(field: Slide, position: Place, sha256: Sha256, _: Person, room: Room) -> Response:
    """The patch of a cell as a PNG file."""
    return _picture(room, field, position, sha256, "image/png")


@router.get("/fields/{field}/{sha256}.jpg", response_class=Response)
def field_picture(field: Slide, sha256: Sha256, _: Person, room: Room) -> Response:
    """The picture of a field, where the service keeps them."""
    return _picture(room, field, FIELD_PICTURE, sha256, "image/jpeg")


def _picture(room: Room, field: int, position: int, sha256: str, media_type: str) -> Response:
    with room.reader() as reader:
        data = reader.picture(field, position)
    if data is None or picture_hash(data) != sha256:
        raise SlideUnusable("There is no such picture any more.", "Load the page again.")
    return Response(data, media_type=media_type, headers=FOREVER)


def _require_cell(review: SlideReview, index: int) -> ReviewedCell:
    if index >= len(review.cells):
        raise SlideUnusable(f"Slide {review.slide.identifier} has no cell {index}.", "Load the page again.")
    return review.cells[index]
