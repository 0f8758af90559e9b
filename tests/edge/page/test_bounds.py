"""Connections that are slow, idle or too many are ended; the page goes on answering."""

import socket
import time
from pathlib import Path

import pytest

from alledge.page import bounded, gate
from tests.edge.page.made import browser_at, serving
from tests.edge.review.made import begin_slide


def connect(address: str) -> socket.socket:
    host, _, port = address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10.0)


def is_closed_within(connection: socket.socket, limit_s: float) -> bool:
    connection.settimeout(limit_s)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow:"])
def test_a_request_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(bounded, "HEAD_WITHIN_S", 0.4)
    with serving(tmp_path) as (address, _), connect(address) as connection:
        connection.sendall(sent)
        assert is_closed_within(connection, 5.0)


def test_a_body_that_drips_is_answered_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_WITHIN_S", 0.3)
    with serving(tmp_path) as (address, _), connect(address) as connection:
        host = address.removeprefix("http://")
        head = (
            f"POST /api/session HTTP/1.1\r\nHost: {host}\r\nX-Allscope-CSRF: sign-in\r\n"
            "Content-Type: application/json\r\nContent-Length: 30\r\n\r\n{"
        )
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")


def test_headers_without_end_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as (address, _), connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * (bounded.MOST_HEAD_BYTES * 2))
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")


def test_connections_beyond_the_most_are_closed_at_once_and_the_others_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_slide(tmp_path)
    monkeypatch.setattr(bounded, "MOST_CONNECTIONS", 8)
    with serving(tmp_path) as (address, keys), browser_at(address, keys) as asked:
        asked.enter().raise_for_status()
        held = [connect(address) for _ in range(20)]
        time.sleep(0.2)
        assert sum(is_closed_within(connection, 0.05) for connection in held) >= 12
        assert asked.get("/api/slides").status_code == 200
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
    ],
)
def test_malformed_requests_get_a_refusal_and_nothing_breaks(tmp_path: Path, raw: bytes) -> None:
    with serving(tmp_path) as (address, keys), connect(address) as connection:
        connection.sendall(raw)
        status = connection.recv(4096).split(b" ")[1]
        assert status in (b"400", b"421")
        with browser_at(address, keys) as asked:
            assert asked.get("/enter").status_code == 200
