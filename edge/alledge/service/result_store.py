"""Results on their way to the journal: told only when durable, kept while the disk cannot take them.

Writes are made in order. When the medium refuses (full, read-only, failing, locked), what was refused and
what follows waits in memory, up to a bound, and is tried again each second until the medium gives in. What
waits was never acknowledged to anybody.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alledge.errors import JournalUnavailable, SlideUnusable
from alledge.journal import Journal
from alledge.service.troubles import Trouble

MOST_WAITING: Final = 32
"""Results kept in memory while the disk refuses: about 10 MB of patches."""

_PAUSE_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """One thing to be written. perform: gives its number. done: told that number once it is durable.

    sequence: of the frame whose result it is; None for anything else. refused: told when the journal will
    never take it, since its slide was ended by somebody else.
    """

    perform: Callable[[Journal], int]
    done: Callable[[int], None]
    sequence: int | None = None
    refused: Callable[[SlideUnusable], None] = lambda _: None


class ResultStore:
    """A bounded queue in front of a journal; empty as long as the disk is well."""

    def __init__(self, journal: Journal, most_waiting: int = MOST_WAITING) -> None:
        self._journal = journal
        self._most_waiting = most_waiting
        self._waiting: deque[Write] = deque()
        self._next_try_ns = 0
        self._trouble: Trouble | None = None

    @property
    def trouble(self) -> Trouble | None:
        """Why results wait, None when none does."""
        return self._trouble

    @property
    def is_full(self) -> bool:
        """Whether nothing more can wait: fields are not looked at until there is room again."""
        return len(self._waiting) >= self._most_waiting

    @property
    def waiting(self) -> frozenset[int]:
        """Numbers of the frames whose results wait."""
        return frozenset(write.sequence for write in self._waiting if write.sequence is not None)

    def submit(self, write: Write, now_ns: int) -> None:
        """Write now, or as soon as the medium lets us and all before it are written."""
        self._waiting.append(write)
        if len(self._waiting) == 1:
            self._next_try_ns = now_ns
            self.retry(now_ns)

    def retry(self, now_ns: int) -> None:
        """Write what waits, if it is time to try again; errors that waiting cannot mend are raised."""
        if now_ns < self._next_try_ns:
            return
        while self._waiting:
            write = self._waiting[0]
            try:
                number = write.perform(self._journal)
            except JournalUnavailable as error:
                self._trouble = Trouble.of(error)
                self._next_try_ns = now_ns + _PAUSE_NS
                return
            except SlideUnusable as error:
                self._waiting.popleft()
                write.refused(error)
                continue
            self._waiting.popleft()
            write.done(number)
        self._trouble = None

    def give_up(self) -> frozenset[int]:
        """Forget what waits, at the end of the service; numbers of the frames whose results are lost."""
        lost = self.waiting
        self._waiting.clear()
        return lost
