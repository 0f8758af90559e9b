"""The watchdog is fed by work done, or by a reason known for none; by nothing else."""

import socket
from pathlib import Path

import pytest

from alledge.service.watchdog import (
    FIELD_STORED,
    Progress,
    SystemdNotifier,
    notifier_from,
    reason_to_feed,
    watchdog_interval_s,
)

S = 1_000_000_000


def test_a_field_stored_lately_feeds_it() -> None:
    assert reason_to_feed(Progress(0, stored_ns=95 * S), 100 * S, 10.0) == FIELD_STORED


def test_frames_that_vanish_without_a_reason_do_not() -> None:
    assert reason_to_feed(Progress(0, stored_ns=80 * S), 100 * S, 10.0) is None


def test_a_still_stage_is_a_reason_as_long_as_frames_say_so() -> None:
    still = Progress(0, stored_ns=1 * S, excused_ns=95 * S, excuse="unchanged")
    assert reason_to_feed(still, 100 * S, 10.0) == "unchanged"
    assert reason_to_feed(still, 106 * S, 10.0) is None, "no frame came for ten seconds, and nobody knows why"


def test_a_trouble_that_was_told_is_a_reason() -> None:
    assert reason_to_feed(Progress(0, standing="camera-hung"), 100 * S, 10.0) == "camera-hung"


def test_the_start_is_a_reason_for_as_long_as_the_limit() -> None:
    assert reason_to_feed(Progress(0), 9 * S, 10.0) == "starting"
    assert reason_to_feed(Progress(0), 11 * S, 10.0) is None


@pytest.mark.parametrize("abstract", [False, True], ids=["a path", "an abstract name"])
def test_systemd_hears_what_is_told(tmp_path: Path, abstract: bool) -> None:
    name = f"@allscope-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if abstract else name)
        systemd.settimeout(5.0)
        notifier = notifier_from({"NOTIFY_SOCKET": name})
        notifier.tell("READY=1", "STATUS=well")
        assert systemd.recv(200) == b"READY=1\nSTATUS=well"
        assert isinstance(notifier, SystemdNotifier)
        notifier.close()


def test_a_systemd_that_does_not_listen_is_not_waited_for(tmp_path: Path) -> None:
    notifier = SystemdNotifier(str(tmp_path / "nobody"))
    notifier.tell("WATCHDOG=1")
    notifier.close()


def test_only_the_process_that_is_watched_feeds() -> None:
    assert watchdog_interval_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, pid=7) == 30.0
    assert watchdog_interval_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, pid=7) is None
    assert watchdog_interval_s({}, pid=7) is None
