"""The shapes of what the page's addresses take and give, from which OpenAPI describes them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from alledge.review.desk import LONGEST_NAME, LONGEST_REASON
from alledge.review.labels import LONGEST_LABEL

Number = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A number of the journal; JavaScript holds it exactly."""

NameText = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
ReasonText = Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)]
LabelText = Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL)]
SlideName = Annotated[str, Field(min_length=1, max_length=200)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(_Shape):
    """What went wrong, for scripts (`code`) and for people."""

    code: str
    what: str
    next: str


class SignIn(_Shape):
    """A person at the page. token: as the console shows it; not needed at the machine itself."""

    name: NameText
    token: Annotated[str, Field(max_length=200)] = ""


class SessionOut(_Shape):
    """Who is signed in. csrf: to be sent with each change."""

    name: str
    role: Literal["operator", "reviewer"]
    csrf: str


class OrderIn(_Shape):
    """A word with the service."""

    order: Literal["pause", "resume", "new-slide", "end-slide", "snap"]
    slide: Annotated[str, Field(max_length=200)] = ""


class OrderOut(_Shape):
    """Whether the service has obeyed already."""

    done: bool


class ShareOut(_Shape):
    """A share from 0 to 1 with its 95 % interval."""

    value: float
    ci95: tuple[float, float]


class SlideOut(_Shape):
    """A slide in the list."""

    slide: Number
    identifier: str
    started: str
    ended: str | None
    is_signed: bool
    fields: int
    cells: int


class SlidesOut(_Shape):
    """Slides, newest first. before: gives the next page; null when there is none."""

    slides: list[SlideOut]
    before: Number | None


class SignOffOut(_Shape):
    """A signature."""

    who: str
    time: str
    event: Number


class EntryOut(_Shape):
    """A withdrawn signature or an amendment."""

    kind: Literal["withdrawal", "amendment"]
    who: str
    time: str
    reason: str
    label: str | None
    index: int | None


class SummaryOut(_Shape):
    """A slide with its differential. refusal: why it cannot be signed now; null when it can or is."""

    slide: Number
    identifier: str
    started: str
    ended: str | None
    fields: int
    cells: int
    open: int
    counted: int
    excluded: int
    overridden: int
    counts: dict[str, int]
    positive_labels: list[str]
    positive_share: ShareOut | None
    if_review_none: ShareOut | None
    if_review_all: ShareOut | None
    target: int
    signed: SignOffOut | None
    entries: list[EntryOut]
    refusal: Problem | None
    as_of: Number


class CellsOut(_Shape):
    """Cells as columns of equal length, for there may be 20,000.

    index: place in the slide. call, word, amended: index into labels; call -1: none, word and amended -2:
    nobody spoke, -1: no cell. p: of the called label. guess, guess_p: the likeliest label, which a threshold
    may not call. review: the model abstained. seen: newest word on it.
    withdrawn: when it changes, so do indices, and all must be asked for again.
    """

    as_of: Number
    withdrawn: int
    labels: list[str]
    index: list[int]
    field: list[int]
    position: list[int]
    patch: list[str]
    call: list[int]
    p: list[float]
    guess: list[int]
    guess_p: list[float]
    review: list[int]
    word: list[int]
    amended: list[int]
    who: list[str]
    seen: list[int | None]


class WordOut(_Shape):
    """A word in a cell's history."""

    label: str | None
    who: str
    time: str
    event: Number
    undoes: Number | None
    stands: bool


class CellOut(_Shape):
    """Everything known of one cell; lengths in micrometres."""

    index: int
    field: Number
    position: int
    label: str | None
    p: dict[str, float]
    review: bool
    review_reason: str | None
    diameter_um: float
    nucleus_area_um2: float
    nucleus_cytoplasm_ratio: float
    roundness: float
    texture: float
    slide_x_um: float | None
    slide_y_um: float | None
    history: list[WordOut]
    amendment: EntryOut | None


class CellSeen(_Shape):
    """A cell that a person speaks of, and the newest word on it that they had seen."""

    field: Number
    position: Annotated[int, Field(ge=0, le=100_000)]
    seen: Number | None


class WordsIn(_Shape):
    """A word on one or several cells. label null: no cell, or none that can be counted."""

    cells: Annotated[list[CellSeen], Field(min_length=1, max_length=1000)]
    label: LabelText | None


class ReasonIn(_Shape):
    """Why."""

    reason: ReasonText


class SignOffIn(_Shape):
    """What the signer had seen: `as_of` of the summary."""

    as_of: Number


class AmendmentIn(_Shape):
    """What was found after the signature."""

    field: Number
    position: Annotated[int, Field(ge=0, le=100_000)]
    label: LabelText | None
    reason: ReasonText


class NeighbourOut(_Shape):
    """A cell in the wider field; centre relative to the chosen cell, in micrometres.

    patch: address of its picture.
    """

    index: int
    dx_um: float
    dy_um: float
    diameter_um: float
    patch: str


class WiderOut(_Shape):
    """What lies around a cell. picture: address of the field's picture where it was kept.

    x, y, width, height: of the chosen cell and the picture, in pixels of the field.
    """

    picture: str | None
    width: int
    height: int
    pixel_um: float
    x: float
    y: float
    patch_um: float
    cells: list[NeighbourOut]
