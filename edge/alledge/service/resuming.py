"""What a start finds: a journal to go on with, perhaps a damaged one, and the slide that lies on the stage.

A service is killed, updated or loses its power in the middle of a slide, and the slide is still there. So an
open slide is resumed with its cells, its map and its differential; a slide ends when a person says so. A
journal that is damaged is set aside whole, and a new one begun: counting is worth more than a tidy folder,
and nothing is deleted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alledge.clock import SystemClock
from alledge.errors import AllscopeError, JournalDamaged, JournalForeign, SlideUnusable
from alledge.journal import JOURNAL_NAME, SqliteJournal, open_journal
from alledge.journal.reading import JournalReader
from alledge.journal.setting_aside import set_aside, was_ours
from alledge.service.slide_session import SlideSession
from alledge.service.slide_views import SlideViews
from alledge.service.troubles import Trouble


@dataclass(frozen=True, slots=True)
class Found:
    """The journal, the slide to go on with (None: begin one), and what was wrong, by part of the service."""

    journal: SqliteJournal
    session: SlideSession | None
    troubles: tuple[tuple[str, Trouble], ...] = ()


def open_and_resume(data: Path, clock: SystemClock, views: SlideViews, asked: str | None) -> Found:
    """Open the journal of a data folder, and go on with its open slide.

    Args:
        data: the folder.
        clock: learns of the last stored time.
        views: of the fields of the slide.
        asked: name of the slide that a person says lies on the stage; None goes on with any.

    Raises:
        JournalUnavailable: the medium refuses; trying again later is right.
        JournalForeign, JournalTooNew: the file is not ours to write.
        StorageFailed: a damaged journal cannot be set aside.
    """
    path = data / JOURNAL_NAME
    try:
        return _open(path, clock, views, asked)
    except (JournalDamaged, JournalForeign) as error:
        if isinstance(error, JournalForeign) and not was_ours(path):
            raise
        trouble = _damaged(error, set_aside(path))
    found = _open(path, clock, views, asked)
    return Found(found.journal, found.session, (("journal", trouble), *found.troubles))


def _open(path: Path, clock: SystemClock, views: SlideViews, asked: str | None) -> Found:
    journal = open_journal(path, clock)
    try:
        earliest = journal.last_wall()
        if earliest is not None:
            clock.note_stored(earliest)
        with JournalReader(path) as reader:
            session, trouble = _resume(reader, views, asked)
            resumed = session.number if session else None
            over = [slide_id for slide_id in reader.open_slides() if slide_id != resumed]
        for slide_id in over:
            journal.end_slide(slide_id, clock.wall())
    except BaseException:
        journal.close()
        raise
    return Found(journal, session, (("slide", trouble),) if trouble else ())


def _resume(
    reader: JournalReader, views: SlideViews, asked: str | None
) -> tuple[SlideSession | None, Trouble | None]:
    """The session of the open slide, and why there is none though there should be."""
    slide_id = reader.open_slide()
    if slide_id is None or (asked is not None and reader.slide(slide_id).identifier != asked):
        return None, None
    try:
        return SlideSession.resume(reader, slide_id, views.read(slide_id)), None
    except (ValueError, SlideUnusable) as error:
        what = f"The slide that was open cannot be gone on with ({error}). It was ended, and a new one begun."
        return None, Trouble("slide-not-resumed", what, "Its results are kept; count it again if need be.")


def set_aside_if_damaged(data: Path, error: AllscopeError, say: Callable[[str], None]) -> None:
    """Make way for the next start where a journal turned out to be damaged while it was in use."""
    if isinstance(error, JournalDamaged):
        say(_damaged(error, set_aside(data / JOURNAL_NAME)).what)


def _damaged(error: AllscopeError, aside: Path) -> Trouble:
    return Trouble(
        "journal-damaged",
        f"The journal was damaged and set aside as {aside.name}; a new one was begun. {error.what_happened}",
        f"Keep {aside.name} and what lies beside it; `alledge verify-log` tells how far it is whole.",
    )
