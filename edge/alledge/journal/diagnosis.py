"""What was done to the first event that does not fit the chain, told from the events around it.

An editor leaves traces: the hash of a changed row fits no more, a moved row still fits its old place, and
the neighbours of a removed or added row still know each other. Nothing here decides whether the chain is
broken, only in which words to say so.
"""

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alledge.journal.chain import Event, Head, event_hash

_FARTHEST: Final = 1000  # renumbered events that are looked for


class Fault(StrEnum):
    """What was done to a row."""

    CHANGED = "changed"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row that is not as it was written: which, what was done to it, and how that shows."""

    row: str
    fault: Fault
    evidence: str

    def __str__(self) -> str:
        return f"{self.row}: {self.fault}, {self.evidence}"


def diagnose(connection: sqlite3.Connection, head: Head, event: Event) -> Broken:
    """Say what happened to `event`, the first that does not follow `head`. `journal` is the file attached."""
    following = _event(connection, "number > ?", event.number)
    number = head.count + 1
    if event.number < number:
        return Broken(f"event {event.number}", Fault.INSERTED, "numbers begin at 1")
    if event.number > number:
        return _deleted(number, event.number - 1, f"event {event.number} follows event {head.count}")
    if following is not None and _fits(event, following.number, following.hash):
        return Broken(f"event {number}", Fault.REORDERED, f"it was event {following.number}")
    if head.count and event.hash != head.hash and _fits(event, head.count, _previous_hash(connection, head)):
        return Broken(f"event {head.count}", Fault.INSERTED, f"what is event {number} now was this one")
    if following is not None and _fits(following, number, head.hash):
        return Broken(f"event {number}", Fault.INSERTED, f"what is event {following.number} now was this one")
    if event.is_whole:
        return _misplaced_link(head, event, following)
    return _moved(connection, head, event) or _changed(event, following)


def _misplaced_link(head: Head, event: Event, following: Event | None) -> Broken:
    """An event that is whole, but names another event before it than there is."""
    vouched_for = following is not None and following.previous_hash == event.hash
    if head.count and vouched_for:
        return Broken(f"event {head.count}", Fault.CHANGED, f"event {event.number} names another hash for it")
    return Broken(f"event {event.number}", Fault.CHANGED, f"it does not name the hash of event {head.count}")


def _moved(connection: sqlite3.Connection, head: Head, event: Event) -> Broken | None:
    """The words for an event that fits another place; None when it fits none."""
    for gone in range(1, _FARTHEST):
        if _fits(event, event.number + gone, event.previous_hash):
            first = event.number
            if event.previous_hash == head.hash or _event(connection, "hash = ?", event.previous_hash):
                return Broken(f"event {first}", Fault.REORDERED, f"it was event {first + gone}")
            return _deleted(first, first + gone - 1, "the events after it were numbered anew")
    for back in range(1, min(_FARTHEST, event.number)):
        if _fits(event, event.number - back, event.previous_hash):
            return Broken(f"event {event.number}", Fault.REORDERED, f"it was event {event.number - back}")
    return None


def _changed(event: Event, following: Event | None) -> Broken:
    computed = event_hash(event.number, event.kind, event.body, event.previous_hash)
    what = "its kind, body or previous hash does not fit its hash"
    if following is not None and following.previous_hash == computed:
        what = "its hash is not the one that the next event names"
    return Broken(f"event {event.number}", Fault.CHANGED, what)


def _deleted(first: int, last: int, evidence: str) -> Broken:
    return Broken(events_named(first, last), Fault.DELETED, evidence)


def events_named(first: int, last: int) -> str:
    """A run of events in words."""
    return f"event {first}" if first == last else f"events {first} to {last}"


def _fits(event: Event, number: int, previous_hash: str) -> bool:
    return event.hash == event_hash(number, event.kind, event.body, previous_hash)


def _previous_hash(connection: sqlite3.Connection, head: Head) -> str:
    last = _event(connection, "number = ?", head.count)
    assert last is not None, "a head of the chain is an event of it"
    return last.previous_hash


def _event(connection: sqlite3.Connection, condition: str, value: int | str) -> Event | None:
    sql = "SELECT number, kind, body, previous_hash, hash FROM journal.events"
    row = connection.execute(f"{sql} WHERE {condition} ORDER BY number LIMIT 1", (value,)).fetchone()
    return Event(*row) if row else None
