"""Progress tells how far, how fast and how long, and does not flood a log."""

import io

import pytest

from alledge.scanning.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def run(stream: io.StringIO, first: int, last: int, n_images: int, a_second: float) -> str:
    clock = Clock()
    progress = Progress(stream, clock)
    for n_done in range(first, last + 1):
        progress(n_done, n_images)
        clock.now_s += 1 / a_second
    return stream.getvalue()


def test_a_log_has_a_line_a_minute() -> None:
    told = run(io.StringIO(), 0, 1300, 100_000, 8.0).splitlines()
    assert told[0] == "480 of 100000 fields, 8.0 a second, 3 h 27 min left"
    assert len(told) == 2


def test_the_speed_is_that_of_this_process_and_not_of_the_one_before() -> None:
    told = run(io.StringIO(), 90_000, 90_700, 100_000, 8.0).splitlines()
    assert told[0] == "90480 of 100000 fields, 8.0 a second, 19 min 50 s left"


def test_a_terminal_has_a_bar_that_ends_full() -> None:
    told = run(Terminal(), 0, 20, 20, 4.0)
    assert told.split("\r")[-1].startswith(f"[{'#' * 30}] 20 of 20 fields")
    assert told.endswith("\n")


@pytest.mark.parametrize(("seconds", "told"), [(7.2, "7 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")])
def test_a_duration_has_the_two_units_that_count(seconds: float, told: str) -> None:
    assert duration(seconds) == told
