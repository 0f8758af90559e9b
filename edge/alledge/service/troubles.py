"""What is wrong now, by code: each trouble begins once, ends once, and both are told.

The board is what the status file, the page and the journal read from; it holds one entry a code, so a fault
that repeats a thousand times a minute is one trouble that lasts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alledge.errors import AllscopeError

_KEPT_NEWS: Final = 256


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong: a code for scripts, a sentence and a next step for people."""

    code: str
    what: str
    next_step: str

    @classmethod
    def of(cls, error: AllscopeError) -> "Trouble":
        """The trouble that one of our errors tells of."""
        return cls(error.code, error.what_happened, error.next_step)


@dataclass(frozen=True, slots=True)
class News:
    """A trouble that began or ended at a monotonic time."""

    trouble: Trouble
    began: bool
    at_ns: int


class TroubleBoard:
    """Troubles that last, by the part of the service that has them: one a part."""

    def __init__(self, tell: Callable[[News], None] | None = None) -> None:
        self._active: dict[str, tuple[Trouble, int]] = {}
        self._news: list[News] = []
        self._tell = tell

    def set(self, part: str, trouble: Trouble | None, now_ns: int) -> None:
        """Say how a part does; news arise only where the code changes."""
        before = self._active.get(part)
        if trouble is not None and before is not None and before[0].code == trouble.code:
            return
        if before is not None:
            del self._active[part]
            self._add(News(before[0], began=False, at_ns=now_ns))
        if trouble is not None:
            self._active[part] = (trouble, now_ns)
            self._add(News(trouble, began=True, at_ns=now_ns))

    @property
    def active(self) -> tuple[tuple[Trouble, int], ...]:
        """Troubles that last, with the monotonic time since when."""
        return tuple(self._active.values())

    def code_of(self, *parts: str) -> str:
        """The code of the first of these parts that is in trouble, "" when none is."""
        return next((self._active[part][0].code for part in parts if part in self._active), "")

    def what_of(self, *parts: str) -> str:
        """What is wrong with the first of these parts that is in trouble, "" when none is."""
        return next((self._active[part][0].what for part in parts if part in self._active), "")

    def take_news(self) -> tuple[News, ...]:
        """News since the last call, oldest first; the newest 256 of them."""
        news, self._news = tuple(self._news), []
        return news

    def give_back(self, news: tuple[News, ...]) -> None:
        """Put news back that could not be written down."""
        self._news = [*news, *self._news][-_KEPT_NEWS:]

    def _add(self, news: News) -> None:
        self._news = [*self._news, news][-_KEPT_NEWS:]
        if self._tell is not None:
            self._tell(news)
