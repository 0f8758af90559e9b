"""A network between devices and their broker that can be made to fail: lines are cut, or say nothing.

A line that is cut loses what is under way, in both directions. One that is silent holds everything back and
then goes on, or is cut, as a switch that restarts. One that is deaf carries messages to the broker and loses
its answers, the worst that can happen to what counts as taken.
"""

import contextlib
import random
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

_RESET = struct.pack("ii", 1, 0)
_STEP_S = 0.05


@dataclass(eq=False)
class Line:
    """One connection through the network. silent_until_s: monotonic. is_deaf: answers are lost."""

    device: socket.socket
    broker: socket.socket
    silent_until_s: float = 0.0
    cut_at_s: float = float("inf")
    is_deaf: bool = False

    def close(self) -> None:
        for end in (self.device, self.broker):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.close()


@dataclass
class Network:
    """Listens at `port` and carries to the broker. n_cut, n_silent, n_deaf: what happened to lines so far."""

    broker_port: int
    chance: random.Random
    port: int = 0
    n_cut: int = 0
    n_silent: int = 0
    n_deaf: int = 0
    _lines: list[Line] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: bool = False

    def start(self) -> "Network":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._is_over = True
        self._thread.join(5)
        self._listener.close()
        for line in self._lines:
            line.close()

    def trouble(self, longest_s: float = 12.0) -> None:
        """Something happens to one line by chance. longest_s: for how long one is silent or deaf."""
        with self._lock:
            if not self._lines:
                return
            line, now_s = self.chance.choice(self._lines), time.monotonic()
            what = self.chance.choice(("cut", "silent", "deaf"))
            lasts_s = self.chance.uniform(0.2, longest_s)
            if what == "cut":
                line.cut_at_s, self.n_cut = now_s, self.n_cut + 1
            elif what == "silent":
                line.silent_until_s, self.n_silent = now_s + lasts_s, self.n_silent + 1
                if self.chance.random() < 0.5:
                    line.cut_at_s = now_s + lasts_s
            else:
                line.is_deaf, self.n_deaf = True, self.n_deaf + 1
                line.cut_at_s = now_s + lasts_s

    def _carry(self) -> None:
        while not self._is_over:
            with self._lock:
                self._sweep(time.monotonic())
                open_lines = [line for line in self._lines if line.silent_until_s < time.monotonic()]
            ends = {line.device: line for line in open_lines} | {line.broker: line for line in open_lines}
            ready, _, _ = select.select([self._listener, *ends], [], [], _STEP_S)
            for each in ready:
                if each is self._listener:
                    self._open()
                else:
                    self._pass_on(ends[each], each)

    def _sweep(self, now_s: float) -> None:
        for line in [line for line in self._lines if line.cut_at_s <= now_s]:
            self._lines.remove(line)
            line.close()

    def _open(self) -> None:
        device, _ = self._listener.accept()
        try:
            broker = socket.create_connection(("127.0.0.1", self.broker_port), 1.0)
        except OSError:  # the broker is away
            device.close()
            return
        device.settimeout(1.0)
        with self._lock:
            self._lines.append(Line(device, broker))

    def _pass_on(self, line: Line, end: socket.socket) -> None:
        other = line.broker if end is line.device else line.device
        try:
            data = end.recv(65_536)
            if data and not (line.is_deaf and end is line.broker):
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            line.cut_at_s = 0.0
