"""The desk where persons' words enter the journal: all of a batch in one transaction, or none.

Two reviewers may look at one slide. Each word therefore says what its speaker had seen of the cell (the
number of the newest word on it). When somebody spoke since, the batch is refused with `review-conflict`: the
page shows the new state, and the person decides again. The question is asked under the journal's write
lock, so there is no moment between asking and writing.

A signed slide takes no word; it takes amendments, with a reason.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alledge.clock import Clock
from alledge.errors import InputError, RefusedError, SlideUnusable
from alledge.journal import SqliteJournal
from alledge.journal.plain import to_plain
from alledge.journal.projection import REVIEW, SIGN_OFF, SIGN_OFF_WITHDRAWN
from alledge.journal.store import append, read_last
from alledge.review.history import AMENDMENT
from alledge.review.labels import check_label
from alledge.review.reviewed import SlideReview
from alledge.strict_json import Json

LONGEST_REASON = 500
LONGEST_NAME = 60


class ReviewConflict(RefusedError):
    """Somebody else spoke of a cell, or changed a slide, since this person looked."""

    code = "review-conflict"


class SlideSigned(RefusedError):
    """A signed slide is read-only; amendments are new entries."""

    code = "slide-signed"


class SignOffRefused(RefusedError):
    """A slide cannot be signed yet; the error says why."""

    code = "sign-off-refused"


class WordsMissing(InputError):
    """A name or a reason is needed and was not given, or is too long."""

    code = "words-missing"


@dataclass(frozen=True, slots=True)
class Word:
    """What a person says of one cell.

    label: None for no cell. seen: number of the newest word on the cell that the person had seen, None when
    there was none. undoes: the word that is taken back; the label then means nothing.
    """

    field_id: int
    position: int
    label: str | None
    seen: int | None
    undoes: int | None = None


class Desk:
    """Writes persons' words into a journal. Safe between threads, as the journal is.

    Every method raises JournalUnavailable when the medium refuses; then nothing was written.
    """

    def __init__(self, journal: SqliteJournal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def say(self, slide_id: int, words: Sequence[Word], who: str) -> tuple[int, ...]:
        """Write a batch of words on cells of one slide; numbers of their events.

        Raises:
            ReviewConflict: somebody spoke of one of the cells since; nothing is written.
            SlideSigned: the slide is read-only. SlideUnusable: no such slide or cell.
            LabelUnusable, WordsMissing: a label or the name cannot be kept.
        """
        name = check_name(who)
        labels = [check_label(word.label) for word in words]
        with self._journal.transaction() as connection:
            _require_unsigned(connection, slide_id)
            for word in words:
                _require_unchanged(connection, slide_id, word)
            batch = read_last(connection).count + 1
            numbers = []
            for word, label in zip(words, labels, strict=True):
                body: dict[str, Json] = {
                    "field_id": word.field_id,
                    "position": word.position,
                    "label": label,
                    "who": name,
                    "batch": batch,
                }
                if word.undoes is not None:
                    body["undoes"] = word.undoes
                numbers.append(self._append(connection, REVIEW, body))
        return tuple(numbers)

    def sign(self, review: SlideReview, who: str) -> int:
        """Sign a slide as `review` shows it; number of the event.

        Raises SignOffRefused while the slide is open or cells wait, SlideSigned when it is signed, and
        ReviewConflict when a person spoke of one of its cells since the review was read.
        """
        name = check_name(who)
        require_signable(review)
        with self._journal.transaction() as connection:
            _require_unsigned(connection, review.slide.slide_id)
            _require_no_words_since(connection, review.slide.slide_id, review.as_of)
            body: dict[str, Json] = {
                "slide_id": review.slide.slide_id,
                "who": name,
                "cells": len(review.cells),
            }
            return self._append(connection, SIGN_OFF, body)

    def withdraw(self, slide_id: int, who: str, reason: str) -> int:
        """Take a signature back, with a reason; number of the event. Raises SlideUnusable without one."""
        name, why = check_name(who), check_reason(reason)
        with self._journal.transaction() as connection:
            if _signed_by(connection, slide_id) is None:
                raise SlideUnusable(f"Slide {slide_id} is not signed.", "There is nothing to withdraw.")
            body: dict[str, Json] = {"slide_id": slide_id, "who": name, "reason": why}
            return self._append(connection, SIGN_OFF_WITHDRAWN, body)

    def amend(self, slide_id: int, place: tuple[int, int], label: str | None, who: str, reason: str) -> int:
        """Add what was found after the signature, with a reason; number of the event.

        place: (field_id, position) of the cell. Raises SlideUnusable when the slide is not signed, for then
        a plain word is right, or has no such cell.
        """
        name, why, kept = check_name(who), check_reason(reason), check_label(label)
        with self._journal.transaction() as connection:
            if _signed_by(connection, slide_id) is None:
                raise SlideUnusable(f"Slide {slide_id} is not signed.", "Reclassify the cell instead.")
            _newest_word(connection, slide_id, place)
            body: dict[str, Json] = {
                "slide_id": slide_id,
                "field_id": place[0],
                "position": place[1],
                "label": kept,
                "who": name,
                "reason": why,
            }
            return self._append(connection, AMENDMENT, body)

    def note(self, kind: str, body: Mapping[str, Json]) -> int:
        """Write an event that changes nothing, such as that a report was viewed; its number."""
        return self._journal.append_event(kind, body, self._clock.wall())

    def _append(self, connection: sqlite3.Connection, kind: str, body: dict[str, Json]) -> int:
        return append(connection, kind, {**body, "wall": to_plain(self._clock.wall())}).number


def undo_of(review: SlideReview, who: str) -> list[Word]:
    """The words that take back this person's newest batch that stands; none when there is nothing left.

    What somebody else said of the cell since stays, so a batch is taken back as far as its words still stand.
    """
    own = [
        cell.opinion
        for cell in review.cells
        if cell.opinion is not None and cell.opinion.who == who and cell.opinion.undoes is None
    ]
    newest = max((word.batch for word in own), default=None)
    return [
        Word(cell.field_id, cell.position, None, cell.last_event, undoes=cell.opinion.event)
        for cell in review.cells
        if cell.opinion is not None and cell.opinion.who == who and cell.opinion.batch == newest
    ]


def require_signable(review: SlideReview) -> None:
    """Raise SignOffRefused or SlideSigned with the reason why a slide cannot be signed now."""
    name = review.slide.identifier
    if review.signed is not None:
        raise SlideSigned(f"Slide {name} is signed by {review.signed.who}.", "Amend it instead.")
    if review.slide.ended is None:
        raise SignOffRefused(f"Slide {name} is still being counted.", "End it first.")
    if review.n_open:
        cells = "1 cell waits" if review.n_open == 1 else f"{review.n_open} cells wait"
        raise SignOffRefused(f"{cells} for a person.", "Confirm or reclassify each.")
    if not review.cells:
        raise SignOffRefused(f"Slide {name} has no cell.", "There is nothing to sign.")


def check_name(who: str) -> str:
    """A person's name as it is kept. Raises WordsMissing for none, or one too long or with odd signs."""
    name = " ".join(who.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise WordsMissing("A name is needed.", f"Give at most {LONGEST_NAME} letters.")
    return name


def check_reason(reason: str) -> str:
    """A reason as it is kept, on one line. Raises WordsMissing for none or one too long."""
    why = " ".join(reason.split())
    if not why or len(why) > LONGEST_REASON or not why.isprintable():
        raise WordsMissing("A reason is needed.", f"Give at most {LONGEST_REASON} letters.")
    return why


def _signed_by(connection: sqlite3.Connection, slide_id: int) -> int | None:
    row = connection.execute("SELECT signed_off_by FROM slides WHERE slide_id = ?", (slide_id,)).fetchone()
    if row is None:
        raise SlideUnusable(f"The journal has no slide {slide_id}.", "Look at its slides.")
    return None if row[0] is None else int(row[0])


def _require_unsigned(connection: sqlite3.Connection, slide_id: int) -> None:
    if _signed_by(connection, slide_id) is not None:
        raise SlideSigned(f"Slide {slide_id} is signed and read-only.", "Amend it, with a reason.")


def _require_unchanged(connection: sqlite3.Connection, slide_id: int, word: Word) -> None:
    newest = _newest_word(connection, slide_id, (word.field_id, word.position))
    if newest != word.seen:
        raise ReviewConflict(
            f"Somebody spoke of the cell {word.position} of field {word.field_id} meanwhile.",
            "Look at it again, then decide.",
        )


def _newest_word(connection: sqlite3.Connection, slide_id: int, place: tuple[int, int]) -> int | None:
    """Number of the newest word on the cell, by whichever of its sightings it was said."""
    row = connection.execute(
        "SELECT cell_id, overridden_by FROM cells WHERE slide_id = ? AND field_id = ? AND position = ?",
        (slide_id, *place),
    ).fetchone()
    if row is None:
        raise SlideUnusable(
            f"Slide {slide_id} has no cell {place[1]} in a field {place[0]}.", "Look at its cells."
        )
    if not row[0]:
        return None if row[1] is None else int(row[1])
    sql = "SELECT max(overridden_by) FROM cells WHERE slide_id = ? AND cell_id = ?"
    newest = connection.execute(sql, (slide_id, row[0])).fetchone()[0]
    return None if newest is None else int(newest)


def _require_no_words_since(connection: sqlite3.Connection, slide_id: int, as_of: int) -> None:
    sql = "SELECT 1 FROM cells WHERE slide_id = ? AND overridden_by > ?"
    if connection.execute(sql, (slide_id, as_of)).fetchone() is not None:
        raise ReviewConflict("Somebody spoke meanwhile.", "Look at the slide again, then sign.")
