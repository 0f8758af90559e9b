"""Up to which event a report speaks: the last one that concerns its slide, named by number and hash.

A report must be the same bytes whenever it is built again from the same data, also after other slides were
counted, and after it was noted in the journal that somebody viewed it. So it does not quote the newest head
of the journal, but the head as it was after the last event that can change what the report says: the slide's
start, fields and end, words on its cells, signatures, amendments, counts withdrawn, pictures removed, and
troubles while it lay there. Its hash vouches for every event before it, and `alledge verify-log --head HASH`
holds it against the journal. `report-viewed` and `report-made` say who looked; they change nothing that is
reported.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from alledge.clock import WallTime
from alledge.journal import Event, Head
from alledge.journal.plain import from_plain
from alledge.journal.projection import (
    PICTURES_REMOVED,
    REVIEW,
    SIGN_OFF,
    SIGN_OFF_WITHDRAWN,
    SLIDE_ENDED,
    WITHDRAWN,
)
from alledge.journal.reading import JournalReader
from alledge.strict_json import Json

AMENDMENT: Final = "amendment"
TROUBLE: Final = "trouble"
_AT_ONCE: Final = 1000
_BY_SLIDE: Final = (SLIDE_ENDED, SIGN_OFF, SIGN_OFF_WITHDRAWN, AMENDMENT, WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Moment:
    """The last event that concerns a slide, and when it was; `troubles` while it lay on the stage."""

    head: Head
    wall: WallTime
    troubles: tuple[Event, ...]


def moment_of(reader: JournalReader, slide_id: int, field_ids: Sequence[int]) -> Moment:
    """Up to which event a report of the slide speaks. field_ids: of all its fields."""
    fields = frozenset(field_ids)
    numbers = [slide_id, *field_ids]
    of_slide = [event for kind in _BY_SLIDE for event in all_events(reader, kind, slide_id)]
    of_slide = [event for event in of_slide if event.fields().get("slide_id") == slide_id]
    ended = next((event.number for event in of_slide if event.kind == SLIDE_ENDED), None)
    troubles = tuple(
        event for event in all_events(reader, TROUBLE, slide_id) if ended is None or event.number < ended
    )
    reviews = (e for e in all_events(reader, REVIEW, slide_id) if e.fields().get("field_id") in fields)
    removals = (
        e for e in all_events(reader, PICTURES_REMOVED, slide_id) if _removes_from(e.fields(), fields)
    )
    numbers += [event.number for event in chain(of_slide, troubles, reviews, removals)]
    (last,) = reader.events(max(numbers) - 1, limit=1)
    return Moment(Head(last.number, last.hash), from_plain(WallTime, last.fields()["wall"]), troubles)


def all_events(reader: JournalReader, kind: str, after: int = 0) -> Iterator[Event]:
    """Every event of a kind with a larger number than `after`, in order."""
    while page := reader.events(after, _AT_ONCE, kind):
        yield from page
        after = page[-1].number


def _removes_from(body: dict[str, Json], fields: Container[int]) -> bool:
    pictures = body.get("pictures")
    return isinstance(pictures, list) and any(
        isinstance(picture, list) and picture and picture[0] in fields for picture in pictures
    )
