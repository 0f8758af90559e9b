"""Words with the service: its state, its orders, and the live stream."""

from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from alledge.page.gate import Refusal
from alledge.page.live import MOST_VIEWERS, LiveHub, LiveStream
from alledge.page.people import PROBLEMS, Person, Room
from alledge.page.shapes import OrderIn, OrderOut
from alledge.review.desk import check_name
from alledge.service.control import Order

router = APIRouter(tags=["service"], responses=PROBLEMS)
ORDER_GIVEN = "order-given"


@router.get("/api/status", response_model=dict[str, object])
def status(_: Person, room: Room) -> JSONResponse:
    """The state of the service, as `alledge tell status` says it."""
    return JSONResponse(room.status())


@router.post("/api/orders")
def give_order(asked: OrderIn, person: Person, room: Room) -> OrderOut:
    """Pause, go on, begin a new slide, end the one on the stage, or look at the field again."""
    slide = " ".join(asked.slide.split())
    if asked.order == Order.NEW_SLIDE.value and not (slide and slide.isprintable()):
        raise Refusal(422, "slide-unnamed", "A slide needs a name.", "Scan or type its identifier.")
    answer = room.order(Order(asked.order), slide)
    room.desk().note(ORDER_GIVEN, {"order": asked.order, "slide": slide, "who": check_name(person.who)})
    return OrderOut(done=bool(answer.get("done")))


@router.get(
    "/live/stream",
    response_model=None,
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "Parts as they come."}},
)
def live_stream(request: Request, _: Person) -> LiveStream:
    """The field under the objective as a stream of parts; see `alledge.page.live`."""
    hub = cast("LiveHub", request.app.state.hub)
    if hub.n_viewers >= MOST_VIEWERS:
        raise Refusal(503, "too-many-viewers", "Too many watch already.", "Close another page.")
    return LiveStream(hub)
