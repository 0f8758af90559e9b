"""A journal whose disk refuses on purpose."""

from collections.abc import Mapping
from typing import Final

from alledge.clock import WallTime
from alledge.errors import JournalBusy, JournalFull, JournalIoFailed, JournalReadOnly, JournalUnavailable
from alledge.journal import FieldRecord, Journal
from alledge.strict_json import Json

REFUSALS: Final[Mapping[str, type[JournalUnavailable]]] = {
    "full": JournalFull,
    "io-error": JournalIoFailed,
    "read-only": JournalReadOnly,
    "locked": JournalBusy,
}
"""How a disk refuses, by the name of the fault."""


class FaultyJournal:
    """A journal that refuses every write while `fault` names a way; "" writes."""

    def __init__(self, journal: Journal, fault: str = "") -> None:
        self._journal = journal
        self.fault = fault
        self.n_refused = 0

    def start_slide(self, identifier: str, wall: WallTime) -> int:
        """As `Journal`, or refused."""
        self._refuse()
        return self._journal.start_slide(identifier, wall)

    def end_slide(self, slide_id: int, wall: WallTime) -> None:
        """As `Journal`, or refused."""
        self._refuse()
        self._journal.end_slide(slide_id, wall)

    def append_field(self, slide_id: int, record: FieldRecord) -> int:
        """As `Journal`, or refused."""
        self._refuse()
        return self._journal.append_field(slide_id, record)

    def append_event(self, kind: str, body: Mapping[str, Json], wall: WallTime) -> int:
        """As `Journal`, or refused."""
        self._refuse()
        return self._journal.append_event(kind, body, wall)

    def close(self) -> None:
        """Close the journal within."""
        self._journal.close()

    def _refuse(self) -> None:
        if self.fault:
            self.n_refused += 1
            raise REFUSALS[self.fault]("The disk refuses on purpose.", "Wait until the fault is over.")
