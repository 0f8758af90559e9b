"""The pages themselves: HTML from templates, filled by the scripts in `static` through the API."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Final, cast

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

from alledge import __version__
from alledge.errors import SlideUnusable
from alledge.page.answers import summary_out
from alledge.page.assets import Assets, load_assets
from alledge.page.people import Person, Room, session_of, sessions_of
from alledge.page.reports import ReportFormat
from alledge.page.sessions import SIGN_IN
from alledge.review import PERSON_LABELS
from alledge.review.desk import LONGEST_NAME, LONGEST_REASON
from alledge.review.labels import LONGEST_LABEL
from alledge.strings import LANGUAGES, Strings

router = APIRouter(include_in_schema=False)
LANGUAGE_COOKIE: Final = "language"
_FOREVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
Slide = Annotated[int, Path(ge=0, le=2**53 - 1)]


@dataclass(frozen=True, slots=True)
class Renderer:
    """Fills templates in a person's language."""

    environment: Environment
    assets: Assets
    language: str

    def page(self, request: Request, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """A whole page."""
        strings = strings_of(request)
        session, sessions = session_of(request), sessions_of(request)
        html = self.environment.get_template(template).render(
            s=strings,
            asset=self.assets.path,
            session=session,
            csrf=sessions.csrf(session) if session else SIGN_IN,
            languages=LANGUAGES,
            version=__version__,
            limits={"name": LONGEST_NAME, "reason": LONGEST_REASON, "label": LONGEST_LABEL},
            **values,
        )
        return HTMLResponse(html, status)


def new_renderer(language: str) -> Renderer:
    """A renderer of our templates; every value is escaped, and one that is missing is an error."""
    folder = files(__package__) / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return Renderer(environment, load_assets(), language)


def renderer_of(request: Request) -> Renderer:
    """The renderer of the application."""
    return cast("Renderer", request.app.state.renderer)


def strings_of(request: Request) -> Strings:
    """The catalogue in the person's language."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return Strings.load(chosen if chosen in LANGUAGES else renderer_of(request).language)


@router.get("/")
def live(request: Request, _: Person) -> Response:
    """The field under the objective, and the differential as it grows."""
    return renderer_of(request).page(request, "live.html")


@router.get("/slides")
def slides(request: Request, _: Person) -> Response:
    """All slides."""
    return renderer_of(request).page(request, "slides.html")


@router.get("/slides/{slide}")
def gallery(request: Request, slide: Slide, _: Person, room: Room) -> Response:
    """The cells of a slide, to be looked at and reviewed."""
    with room.reader() as reader:
        found = reader.slide(slide)
    return renderer_of(request).page(request, "gallery.html", slide=found, kinds=PERSON_LABELS)


@router.get("/slides/{slide}/sign-off")
def sign_off(request: Request, slide: Slide, _: Person, room: Room) -> Response:
    """What a reviewer signs, or why they cannot."""
    card = room.card_of(slide)
    summary = summary_out(room.review(slide), card, room.settings.target_cells)
    is_phantom = card is not None and card.phantom
    return renderer_of(request).page(
        request, "sign.html", slide=summary, formats=list(ReportFormat), is_phantom=is_phantom
    )


@router.get("/enter")
def enter(request: Request) -> Response:
    """Where a person gives their name."""
    asks = sessions_of(request).asks_for_token
    return renderer_of(request).page(request, "enter.html", asks_for_token=asks)


@router.get("/static/{version}/{name}")
def static(request: Request, version: str, name: str) -> Response:
    """A static file, kept forever by browsers because its address changes with it."""
    assets = renderer_of(request).assets
    asset = assets.by_name.get(name)
    if asset is None or version != assets.version:
        raise SlideUnusable("There is no such file.", "Load the page again.")
    return Response(asset.data, media_type=asset.media_type, headers=_FOREVER)


@router.get("/favicon.ico")
def favicon(request: Request) -> Response:
    """The mark in the browser's tab."""
    return RedirectResponse(renderer_of(request).assets.path("mark.svg"))
