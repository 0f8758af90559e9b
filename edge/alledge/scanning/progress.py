"""How far a scan is, how fast, and how long it will take: a bar for a person, a line a minute for a log.

Speed is counted from where this process began, not from what an earlier one had done.
"""

import time
from collections.abc import Callable
from typing import Final, TextIO

_BAR_EVERY_S: Final = 0.5
_LINE_EVERY_S: Final = 60.0
_WIDTH: Final = 30


class Progress:
    """Called with (images done, images in all); writes to `stream` now and then, and says when it is over."""

    def __init__(self, stream: TextIO, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock_s = clock_s
        self._is_bar = stream.isatty()
        self._begun: tuple[int, float] | None = None
        self._said_s = 0.0

    def __call__(self, n_done: int, n_images: int) -> None:
        """One more is done."""
        now_s = self._clock_s()
        if self._begun is None:
            self._begun, self._said_s = (n_done, now_s), now_s
            return
        every_s = _BAR_EVERY_S if self._is_bar else _LINE_EVERY_S
        if now_s - self._said_s >= every_s or (self._is_bar and n_done == n_images):
            self._said_s = now_s
            self._say(n_done, n_images, now_s)

    def _say(self, n_done: int, n_images: int, now_s: float) -> None:
        assert self._begun is not None
        n_before, begun_s = self._begun
        a_second = (n_done - n_before) / max(now_s - begun_s, 1e-9)
        left = duration((n_images - n_done) / a_second) if a_second else "unknown"
        told = f"{n_done} of {n_images} fields, {a_second:.1f} a second, {left} left"
        if not self._is_bar:
            self._stream.write(f"{told}\n")
        else:
            full = _WIDTH * n_done // max(n_images, 1)
            end = "\n" if n_done == n_images else ""
            self._stream.write(f"\r[{'#' * full}{'-' * (_WIDTH - full)}] {told}\x1b[K{end}")
        self._stream.flush()


def duration(seconds: float) -> str:
    """Hours, minutes, seconds, as a person says them: the two that count."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"
