"""A broker of a few lines that answers as a test tells it: MQTT 5 packets by hand, no library's manners."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from alledge.telemetry.broker import MqttBroker
from alledge.telemetry.publish_settings import PublishSettings

CONNACK, PUBLISH, PUBACK, DISCONNECT = 0x20, 0x30, 0x40, 0xE0


def packet(kind: int, body: bytes) -> bytes:
    length, left = b"", len(body)
    while True:
        left, low = divmod(left, 128)
        length += bytes([low | (0x80 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


def welcome(reason: int = 0, properties: bytes = b"") -> bytes:
    return packet(CONNACK, bytes([0, reason, len(properties)]) + properties)


def acknowledged(number: int, reason: int = 0) -> bytes:
    return packet(PUBACK, struct.pack(">HBB", number, reason, 0))


class Visit:
    """One connection of a device. published: numbers of the messages that came, the one `online` first."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.published: list[int] = []

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def read(self) -> int | None:
        """Take one packet; the number of the message when it is one."""
        kind, length, shift = self._exactly(1)[0], 0, 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                break
        body = self._exactly(length)
        if kind & 0xF0 != PUBLISH:
            return None
        at = 2 + int.from_bytes(body[:2], "big")
        self.published.append(int.from_bytes(body[at : at + 2], "big"))
        return self.published[-1]

    def _exactly(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = self.connection.recv(n - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data


class RogueBroker:
    """Listens on this machine; each connection is given to `behave` after its CONNECT was read."""

    def __init__(self, behave: Callable[[Visit], None]) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.visits: list[Visit] = []
        threading.Thread(target=self._run, daemon=True).start()

    def __enter__(self) -> "RogueBroker":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for visit in self.visits:
            visit.connection.close()

    def broker(self, data: Path) -> MqttBroker:
        port = self._listener.getsockname()[1]
        return MqttBroker(PublishSettings("127.0.0.1", port, "d", tls=False, data=str(data)))

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.visits.append(Visit(connection))
                threading.Thread(target=self._serve, args=(self.visits[-1],), daemon=True).start()

    def _serve(self, visit: Visit) -> None:
        with contextlib.suppress(OSError), visit.connection:
            visit.read()
            self._behave(visit)


def honest(visit: Visit, greeting: bytes | None = None) -> None:
    """Acknowledge all, in order."""
    visit.say(welcome() if greeting is None else greeting)
    while True:
        number = visit.read()
        if number is not None:
            visit.say(acknowledged(number))
