"""Reports of a slide, each view of which is noted in the journal before it is given out."""

import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import Response

from alledge.page.api_slides import Slide
from alledge.page.people import PROBLEM_PAGES, Person, Room
from alledge.page.reports import FORMATS, ReportFormat, make, report_policy
from alledge.page.views import strings_of
from alledge.review.history import REPORT_VIEWED
from alledge.strict_json import Json

router = APIRouter(tags=["reports"], responses=PROBLEM_PAGES)


@router.get(
    "/slides/{slide}/report.{wanted}",
    response_class=Response,
    responses={200: {"content": {kind.media_type: {} for kind in FORMATS.values()}}},
)
def report(request: Request, slide: Slide, wanted: ReportFormat, person: Person, room: Room) -> Response:
    """The report of a slide."""
    data = make(room, slide, wanted, strings_of(request))
    viewed: dict[str, Json] = {
        "slide_id": slide,
        "who": person.who,
        "format": wanted.value,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    room.desk().note(REPORT_VIEWED, viewed)
    kind = FORMATS[wanted]
    place = "inline" if kind.is_shown else "attachment"
    headers = {
        "content-disposition": f'{place}; filename="slide-{slide}.{kind.ending}"',
        "content-security-policy": report_policy(),
    }
    return Response(data, media_type=kind.media_type, headers=headers)
