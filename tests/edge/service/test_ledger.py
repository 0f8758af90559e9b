"""captured = analysed + dropped + in flight, whatever happens in whatever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.service.ledger import DropReason, Ledger

EVENTS = st.lists(
    st.tuples(st.sampled_from(["capture", "analyse", "drop", "older"]), st.integers(1, 5)), max_size=60
)


@given(EVENTS)
def test_it_adds_up_after_every_event(events: list[tuple[str, int]]) -> None:
    ledger, captured = Ledger(), 0
    for kind, n in events:
        open_frames = captured - ledger.state().analysed - sum(ledger.state().dropped.values())
        assert ledger.state().in_flight == open_frames
        if kind == "capture":
            captured += n
            ledger.capture_through(captured)
        elif kind == "older":
            ledger.settle_older(captured - n, DropReason.SUPERSEDED)
        elif captured and captured not in settled(ledger, captured):
            if kind == "analyse":
                ledger.settle_analysed(captured, refused=n == 1)
            else:
                ledger.settle_dropped(captured, DropReason.UNCHANGED)
        assert ledger.state().adds_up
        assert ledger.state().captured == captured


def settled(ledger: Ledger, newest: int) -> set[int]:
    """The newest frame, where it is settled already; asked from outside by trying again on a copy."""
    import copy

    trial = copy.deepcopy(ledger)
    try:
        trial.settle_dropped(newest, DropReason.STOPPED)
    except ValueError:
        return {newest}
    return set()


def test_no_frame_is_settled_twice() -> None:
    ledger = Ledger()
    ledger.capture_through(1)
    ledger.settle_dropped(1, DropReason.TORN)
    with pytest.raises(ValueError, match="not in flight"):
        ledger.settle_analysed(1, refused=False)


def test_no_frame_is_settled_that_was_never_captured() -> None:
    with pytest.raises(ValueError, match="not in flight"):
        Ledger().settle_dropped(1, DropReason.TORN)


def test_numbers_never_run_backwards() -> None:
    ledger = Ledger()
    ledger.capture_through(4)
    with pytest.raises(ValueError, match="backwards"):
        ledger.capture_through(3)


def test_results_that_wait_for_the_disk_are_spared_by_what_supersedes_them() -> None:
    ledger = Ledger()
    ledger.capture_through(5)
    ledger.settle_older(5, DropReason.SUPERSEDED, frozenset({2, 3}))
    state = ledger.state()
    assert (state.in_flight, state.dropped) == (3, {DropReason.SUPERSEDED: 2})
