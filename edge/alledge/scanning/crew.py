"""Whoever looks at images, in this machine or in others, and the one loop that gives them images.

The loop alone decides on order and memory: answers go out in the order of the tasks, and no image is begun
that is further ahead of the oldest unfinished one than the crew has room for. So processes of this machine
and workers of a cluster differ in speed only.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, Self

from alledge.scanning.work import Answer, Task


class Crew(Protocol):
    """A context manager: what it started lives within the block, and no longer."""

    @property
    def room(self) -> int:
        """Images that may be begun before the oldest is done; it may change from one moment to the next."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def hand_out(self, tasks: Sequence[Task]) -> int:
        """Begin some of `tasks`, the first ones. Returns how many."""

    def collect(self) -> Iterator[Answer]:
        """Wait a while for answers, in any order; there may be none yet.

        Raises an AllscopeError when no more images can be looked at.
        """


def in_order(crew: Crew, tasks: Sequence[Task]) -> Iterator[Answer]:
    """One answer a task, in the order of the tasks, as they come. Raises what `Crew.collect` raises."""
    waiting: dict[int, Answer] = {}
    given = 0
    for position, task in enumerate(tasks):
        while task.index not in waiting:
            last = min(len(tasks), position + crew.room)
            given += crew.hand_out(tasks[given:last] if given < last else ())
            for answer in crew.collect():
                waiting[answer.index] = answer
        yield waiting.pop(task.index)
