"""A reviewer's words: confirm, reclassify, undo, sign, withdraw, amend. Each answer brings what changed."""

from fastapi import APIRouter
from fastapi.responses import Response

from alledge.errors import SlideUnusable
from alledge.page.answers import cells_json, changed_since, summary_out
from alledge.page.api_slides import Slide
from alledge.page.people import PROBLEMS, Reviewer, Room
from alledge.page.shapes import AmendmentIn, CellsOut, ReasonIn, SignOffIn, SummaryOut, WordsIn
from alledge.page.workroom import Workroom
from alledge.review import ReviewConflict, Word, undo_of

router = APIRouter(prefix="/api/slides/{slide}", tags=["review"], responses=PROBLEMS)


@router.post("/words", response_model=CellsOut)
def say(slide: Slide, asked: WordsIn, person: Reviewer, room: Room) -> Response:
    """Say what cells are; all of them, or none when somebody spoke of one meanwhile."""
    words = [Word(cell.field, cell.position, asked.label, cell.seen) for cell in asked.cells]
    numbers = room.desk().say(slide, words, person.who)
    return _changed(room, slide, min(numbers) - 1)


@router.post("/undo", response_model=CellsOut)
def undo(slide: Slide, person: Reviewer, room: Room) -> Response:
    """Take back this person's newest words that stand."""
    words = undo_of(room.review(slide), person.who)
    if not words:
        raise SlideUnusable("There is nothing of yours to undo.", "Go on.")
    numbers = room.desk().say(slide, words, person.who)
    return _changed(room, slide, min(numbers) - 1)


@router.post("/sign-off")
def sign(slide: Slide, asked: SignOffIn, person: Reviewer, room: Room) -> SummaryOut:
    """Sign a slide; refused with the reason while cells wait or the slide is still being counted."""
    review = room.review(slide)
    if changed_since(review, asked.as_of) or asked.as_of > review.as_of:
        raise ReviewConflict("The slide has changed meanwhile.", "Look at it again, then sign.")
    room.desk().sign(review, person.who)
    return _summary(room, slide)


@router.post("/sign-off/withdrawal")
def withdraw(slide: Slide, asked: ReasonIn, person: Reviewer, room: Room) -> SummaryOut:
    """Take a signature back, with a reason."""
    room.desk().withdraw(slide, person.who, asked.reason)
    return _summary(room, slide)


@router.post("/amendments")
def amend(slide: Slide, asked: AmendmentIn, person: Reviewer, room: Room) -> SummaryOut:
    """Add what was found after the signature."""
    room.desk().amend(slide, (asked.field, asked.position), asked.label, person.who, asked.reason)
    return _summary(room, slide)


def _summary(room: Workroom, slide: int) -> SummaryOut:
    return summary_out(room.review(slide), room.card_of(slide), room.settings.target_cells)


def _changed(room: Workroom, slide: int, as_of: int) -> Response:
    review = room.review(slide)
    return Response(cells_json(review, changed_since(review, as_of)), media_type="application/json")
