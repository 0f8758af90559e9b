"""Tell systemd that work gets done: fields were analysed, or there is a reason known why none was.

A watchdog fed by a timer proves that a timer runs. Ours is fed by what a person would want to know (Frigate
was blind for eight hours with a healthy watchdog, issue 5186): a field stored lately, or a named reason
such as a still stage, a pause, or a camera that is being replaced. Frames that vanish without either, and
a loop that stands still, end in a restart.

The protocol is sd_notify(3): one datagram to the socket named in NOTIFY_SOCKET.
"""

import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

FIELD_STORED: Final = "field stored"


class Notifier(Protocol):
    """Where the state of the service is told to."""

    def tell(self, *lines: str) -> None:
        """Send assignments such as READY=1."""

    def close(self) -> None:
        """Let go of whatever is held."""


class SilentNotifier:
    """Nobody listens: the service was not started by systemd."""

    def tell(self, *lines: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Nothing to let go of."""


class SystemdNotifier:
    """The socket that systemd listens at."""

    def __init__(self, address: str) -> None:
        # A leading @ stands for the zero byte of Linux's abstract names.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def tell(self, *lines: str) -> None:
        """Send assignments; a full or missing socket is systemd's to worry about, not ours to wait for."""
        with contextlib.suppress(OSError):
            self._socket.sendto("\n".join(lines).encode(), self._address)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


def notifier_from(environment: Mapping[str, str]) -> Notifier:
    """The notifier that systemd's environment asks for."""
    address = environment.get("NOTIFY_SOCKET", "")
    return SystemdNotifier(address) if address else SilentNotifier()


def watchdog_interval_s(environment: Mapping[str, str], pid: int | None = None) -> float | None:
    """How often systemd wants to be told, None when it does not watch this process."""
    wanted = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", "")
    if not wanted.isdecimal() or (meant and meant != str(pid or os.getpid())):
        return None
    return int(wanted) / 1e6


@dataclass(frozen=True, slots=True)
class Progress:
    """What the loop knows of its own work; times are monotonic.

    stored_ns: when a field was stored last. excused_ns, excuse: when a frame was last set aside for a
    reason that calls for nothing (still stage, pause), and that reason. standing: a reason that lasts (a
    trouble that was told, a finished archive), "" when there is none.
    """

    started_ns: int
    stored_ns: int | None = None
    excused_ns: int | None = None
    excuse: str = ""
    standing: str = ""


def reason_to_feed(progress: Progress, now_ns: int, limit_s: float) -> str | None:
    """Why the watchdog may be fed, in a word; None when nothing was done and nobody knows why."""
    limit_ns = round(limit_s * 1e9)
    if progress.stored_ns is not None and now_ns - progress.stored_ns <= limit_ns:
        return FIELD_STORED
    if progress.excused_ns is not None and now_ns - progress.excused_ns <= limit_ns:
        return progress.excuse
    if progress.standing:
        return progress.standing
    return "starting" if now_ns - progress.started_ns <= limit_ns else None
