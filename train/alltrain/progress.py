"""Progress bars on standard error: one for each stage, whatever the stages are.

Steps come from the work itself as `(stage, done, total)`. On a terminal the bars move; in a log file
each stage leaves one line. Standard output stays free for results.
"""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bars:
    """A context manager that draws a bar for each stage that it is told of."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._bar_of_stage: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def tell(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of the stage `what` are over; a new stage gets a bar."""
        if what not in self._bar_of_stage:
            self._bar_of_stage[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._bar_of_stage[what], completed=done, total=total)
