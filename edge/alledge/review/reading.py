"""A slide's review read from the journal, at once or a bit at a time as the slide grows.

Fields are read in small steps first, for they are many and never change; what came meanwhile and all
persons' words are then read in one moment, so that no word speaks of a field that was not seen.
"""

from typing import Final

from alledge.journal.chain import Event
from alledge.journal.reading import JournalReader
from alledge.review.history import WORDS, SlideHistory
from alledge.review.reviewed import SlideReview

_WORDS_AT_ONCE: Final = 1000


def read_review(reader: JournalReader, slide_id: int) -> SlideReview:
    """The slide with every counted cell once. Raises SlideUnusable when there is no such slide."""
    return ReviewFollower(slide_id).catch_up(reader)


class ReviewFollower:
    """Keeps a slide's review up to date; each call reads only what is new. Not for two threads at once."""

    def __init__(self, slide_id: int) -> None:
        self._history = SlideHistory(slide_id)
        self._seen = slide_id
        self._last: SlideReview | None = None

    def catch_up(self, reader: JournalReader) -> SlideReview:
        """The slide as the journal has it now. Raises SlideUnusable when there is no such slide."""
        slide_id = self._history.slide_id
        if self._last is not None and reader.head().count == self._last.as_of:
            return self._last
        if self._last is None:
            reader.slide(slide_id)
            self._take_fields(reader)
        with reader.one_moment():
            head = reader.head().count
            self._take_fields(reader)
            self._take_words(reader)
            slide = reader.slide(slide_id)
        self._seen = head
        self._last = self._history.review(slide, head)
        return self._last

    def _take_fields(self, reader: JournalReader) -> None:
        while page := reader.fields(self._history.slide_id, self._history.last_field):
            for field_id, stored in page:
                self._history.take_field(field_id, stored)

    def _take_words(self, reader: JournalReader) -> None:
        events: list[Event] = []
        for kind in WORDS:
            after = self._seen
            while page := reader.events(after, _WORDS_AT_ONCE, kind):
                events += page
                after = page[-1].number
        for event in sorted(events, key=lambda event: event.number):
            self._history.take_event(event)
