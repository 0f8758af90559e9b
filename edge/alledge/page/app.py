"""The application: everything put together, and our errors in HTTP's words."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from alledge import RESEARCH_USE_ONLY, __version__
from alledge.errors import (
    AllscopeError,
    ControlRefused,
    InputError,
    JournalUnavailable,
    PathUnusable,
    ServiceUnreachable,
    SlideUnusable,
)
from alledge.page import api_reports, api_review, api_service, api_sessions, api_slides, views
from alledge.page.gate import Gate, Refusal, names_of
from alledge.page.keys import Keys, fresh_keys
from alledge.page.live import LiveHub, Viewfinder
from alledge.page.sessions import Sessions
from alledge.page.settings import PageSettings
from alledge.page.workroom import Workroom
from alledge.review import ReviewConflict, SignOffRefused, SlideSigned
from alledge.service.live_view import LiveViewReader

_STATUS: Final[dict[type[AllscopeError], int]] = {
    ReviewConflict: 409,
    SlideSigned: 409,
    SignOffRefused: 409,
    ControlRefused: 409,
    SlideUnusable: 404,
    PathUnusable: 503,
    ServiceUnreachable: 503,
    JournalUnavailable: 503,
    InputError: 422,
}
_FOR_PROGRAMS: Final = ("/api/", "/patches", "/fields/", "/live/", "/static/", "/openapi")


def create_app(settings: PageSettings, keys: Keys, finder: Viewfinder) -> FastAPI:
    """The page as an ASGI application.

    Args:
        settings: where it finds its data and where it listens.
        keys: tokens, and what signs sessions.
        finder: where live pictures come from.
    """
    sessions = Sessions(keys, asks_for_token=not settings.is_loopback)
    room = Workroom(settings)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.hub = LiveHub(finder, room.status)
        yield
        room.close()

    app = FastAPI(
        title="allscope",
        version=__version__,
        description=f"What `alledge page` answers. {RESEARCH_USE_ONLY}",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    app.state.workroom, app.state.sessions = room, sessions
    app.state.renderer = views.new_renderer(settings.language)
    for router in (api_sessions, api_service, api_slides, api_review, api_reports, views):
        app.include_router(router.router)
    _translate_errors(app)
    names = names_of(settings.host, settings.port, is_loopback=settings.is_loopback)
    app.add_middleware(Gate, sessions=sessions, names=names)
    return app


def described() -> str:
    """What /openapi.json tells, as text with a line end; the version is the device's to tell."""
    settings = PageSettings(data=Path(), runtime=Path())
    app = create_app(settings, fresh_keys(), LiveViewReader(Path("live-view")))
    app.version = "as installed"
    return json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _translate_errors(app: FastAPI) -> None:
    """Answer our errors in HTTP's words, as JSON to programs and as a page to people."""

    @app.exception_handler(AllscopeError)
    def ours(request: Request, error: AllscopeError) -> Response:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
        return _answer(request, status, error.code, error.what_happened, error.next_step)

    @app.exception_handler(Refusal)
    def refused(request: Request, refusal: Refusal) -> Response:
        return _answer(request, refusal.status, refusal.code, refusal.what, refusal.next_step)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _answer(request, 422, "malformed", f"{place}: {first['msg']}.", "See /openapi.json.")

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> Response:
        answer = _answer(
            request, error.status_code, "unknown", f"{error.detail}.", "Start at the first page."
        )
        answer.headers.update(error.headers or {})
        return answer


def _answer(request: Request, status: int, code: str, what: str, next_step: str) -> Response:
    if request.url.path.startswith(_FOR_PROGRAMS) or request.method != "GET":
        told = {"code": code, "what": what, "next": next_step}
        return JSONResponse(told, status, media_type="application/problem+json")
    if status == 401:
        return RedirectResponse("/enter", 303)
    strings = views.strings_of(request)
    if strings.language != "en" and f"problem.{code}" in strings:  # our own sentence tells more, in English
        what, next_step = strings[f"problem.{code}"], ""
    return views.renderer_of(request).page(request, "error.html", status, what=what, next_step=next_step)
