"""Wall time carries its trust: a Raspberry Pi has no battery clock, and a person may set it wrong."""

import time

import pytest

from alledge.clock import SOFTWARE_BUILT_UNIX_S, ClockTrust, SystemClock, WallTime, kernel_is_synchronised

NOW_S = SOFTWARE_BUILT_UNIX_S + 3e7
YEARS_S = 10 * 365.25 * 86400


class FakeWall:
    """A wall clock that a test turns."""

    def __init__(self) -> None:
        self.unix_s = NOW_S
        self.is_synchronised = False

    def clock(self, earliest: WallTime | None = None) -> SystemClock:
        return SystemClock(earliest, lambda: self.unix_s, lambda: self.is_synchronised)


@pytest.fixture
def fake() -> FakeWall:
    return FakeWall()


def test_a_synchronised_clock_is_trusted_and_another_is_not(fake: FakeWall) -> None:
    clock = fake.clock()
    assert clock.wall() == WallTime(NOW_S, ClockTrust.UNKNOWN)
    fake.is_synchronised = True
    assert clock.wall().trust is ClockTrust.SYNCHRONISED


@pytest.mark.parametrize("is_synchronised", [False, True])
def test_a_time_before_the_software_was_built_is_wrong(fake: FakeWall, is_synchronised: bool) -> None:
    fake.unix_s, fake.is_synchronised = 0.0, is_synchronised
    assert fake.clock().wall().trust is ClockTrust.WRONG


def test_a_time_before_the_last_stored_one_is_wrong(fake: FakeWall) -> None:
    clock = fake.clock(WallTime(NOW_S + 1, ClockTrust.UNKNOWN))
    assert clock.wall().trust is ClockTrust.WRONG
    fake.unix_s += 2
    assert clock.wall().trust is ClockTrust.UNKNOWN


def test_a_clock_that_jumps_ten_years_back_is_wrong(fake: FakeWall) -> None:
    clock = fake.clock()
    clock.note_stored(clock.wall())
    fake.unix_s -= YEARS_S
    assert clock.wall().trust is ClockTrust.WRONG


def test_after_a_jump_of_ten_years_ahead_and_back_a_synchronised_time_is_believed(fake: FakeWall) -> None:
    clock = fake.clock()
    fake.unix_s += YEARS_S
    clock.note_stored(clock.wall())
    fake.unix_s = NOW_S
    assert clock.wall().trust is ClockTrust.WRONG
    fake.is_synchronised = True
    assert clock.wall().trust is ClockTrust.SYNCHRONISED
    clock.note_stored(clock.wall())
    fake.is_synchronised = False
    assert clock.wall().trust is ClockTrust.UNKNOWN


def test_a_wrong_time_sets_no_floor(fake: FakeWall) -> None:
    clock = fake.clock(WallTime(NOW_S + YEARS_S, ClockTrust.WRONG))
    assert clock.wall().trust is ClockTrust.UNKNOWN


def test_control_goes_by_the_monotonic_clock(fake: FakeWall) -> None:
    clock = fake.clock()
    before = clock.monotonic_ns()
    fake.unix_s -= YEARS_S
    assert 0 <= clock.monotonic_ns() - before < 10**9
    assert abs(clock.monotonic_ns() - time.monotonic_ns()) < 10**9


def test_a_time_is_shown_in_utc() -> None:
    assert WallTime(1_790_000_000.25, ClockTrust.UNKNOWN).iso == "2026-09-21T14:13:20.250Z"
    assert WallTime(1e30, ClockTrust.WRONG).iso == "out of range"


def test_the_kernel_answers_whether_its_clock_is_synchronised() -> None:
    assert kernel_is_synchronised() in (True, False)


def test_the_mark_of_timesyncd_answers_where_the_kernel_may_not(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alledge.clock._kernel_state", lambda: None)
    mark = tmp_path_factory.mktemp("run") / "synchronised"
    assert not kernel_is_synchronised(mark)
    mark.touch()
    assert kernel_is_synchronised(mark)
