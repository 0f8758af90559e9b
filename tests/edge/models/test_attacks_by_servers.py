"""A server that is slow, silent, endless, broken or cunning keeps no device, and changes nothing there."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alledge.models.fetching import HttpFetcher
from tests.edge.certificates import WRONGS, Issuer, TlsServer, wrong_certificate
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import model_bytes
from tests.edge.models.refusing import refused

LIMIT_S = 0.6
"""Instead of a minute for metadata and half an hour for a model."""

Answer = Callable[[socket.socket], None]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        return


@pytest.fixture
def served(scene: Scene) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(scene.stick)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Rogue:
    """Takes connections and answers each as it was told; ends with the test."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._over = answer, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "Rogue":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with socket.create_connection(self._listener.getsockname(), 1):
            self._thread.join(5)
        self._listener.close()

    def _run(self) -> None:
        while not self._over.is_set():
            connection, _ = self._listener.accept()
            with connection:
                if not self._over.is_set():
                    connection.recv(4096)
                    try:
                        self._answer(connection)
                    except OSError:
                        continue


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n"


def says_nothing(_connection: socket.socket) -> None:
    time.sleep(LIMIT_S + 0.3)


def drips(before: bytes, drop: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(before)
        for _ in range(40):
            connection.sendall(drop)
            time.sleep(0.05)

    return answer


def says(data: bytes) -> Answer:
    return lambda connection: connection.sendall(data)


ROGUES: dict[str, tuple[str, Answer]] = {
    "drips_a_body_without_length": ("source-slow", drips(b"HTTP/1.0 200 OK\r\n\r\n", b" ")),
    "says_nothing": ("source-slow", says_nothing),
    "drips_a_body": ("source-slow", drips(HEAD + b"\r\n", b" ")),
    "drips_headers": ("source-slow", drips(HEAD, b"X: y\r\n")),
    "drips_one_header": ("source-slow", drips(HEAD + b"X: ", b"y")),
    "hangs_up": ("source-unreachable", says(b"")),
    "breaks_off": ("source-unreachable", says(HEAD + b"\r\n{")),
    "speaks_another_protocol": ("source-unreachable", says(b"SSH-2.0-OpenSSH_9.2\r\n")),
    "has_a_fault": ("source-unreachable", says(b"HTTP/1.1 500 No\r\n\r\n")),
    "asks_for_a_password": ("source-unreachable", says(b"HTTP/1.1 401 No\r\n\r\n")),
    "sends_elsewhere": (
        "source-redirected",
        says(b"HTTP/1.1 302 Go\r\nLocation: file:///etc/passwd\r\n\r\n"),
    ),
    "sends_a_thousand_headers": ("source-unreachable", says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000)),
    "sends_an_endless_header": ("source-unreachable", says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000)),
    "sends_an_endless_body": ("download-endless", says(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 400_000)),
    "has_nothing": ("source-incomplete", says(b"HTTP/1.1 404 No\r\n\r\n")),
}


def test_a_model_is_installed_from_a_server_of_static_files(scene: Scene, served: str) -> None:
    assert scene.device.install(served).version == 2
    assert scene.device.serves() == model_bytes(2)


@pytest.mark.parametrize(("code", "answer"), ROGUES.values(), ids=ROGUES)
def test_a_server_that_does_not_serve_is_left_within_its_time(
    scene: Scene, code: str, answer: Answer
) -> None:
    with Rogue(answer) as rogue:
        began = time.monotonic()
        refused(scene, code, source=HttpFetcher(rogue.address, LIMIT_S, LIMIT_S))
        assert time.monotonic() - began < 10 * LIMIT_S + 5


def test_nobody_at_the_address_is_said(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    refused(scene, "source-unreachable", source=f"http://127.0.0.1:{port}")


def test_a_certificate_that_nobody_vouches_for_is_refused(scene: Scene, tmp_path: Path) -> None:
    with Rogue(says(b"\x15\x03\x01\x00\x02\x02\x28")) as rogue:
        refused(scene, "source-unreachable", source=HttpFetcher(rogue.address.replace("http", "https"), 2, 2))


def test_a_handshake_that_is_dripped_is_left_within_its_time(scene: Scene) -> None:
    with Rogue(drips(b"\x16\x03\x03\x40\x00", b"\x00")) as rogue:
        address = rogue.address.replace("http", "https")
        refused(scene, "source-slow", source=HttpFetcher(address, LIMIT_S, LIMIT_S))


def test_a_mirror_that_serves_the_old_state_installs_nothing_new(scene: Scene, served: str) -> None:
    scene.device.install(served)
    scene.device.confirm()
    scene.forge.timestamp.version = 2
    scene.write()
    refused(scene, "metadata-too-old", source=served)


# TLS: a device speaks to the server that it was told of, or to none.


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """An authority that this machine trusts."""
    made = Issuer(tmp_path, "trusted")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    return made


def files_of(folder: Path) -> Callable[[ssl.SSLSocket], None]:
    def serve(connection: ssl.SSLSocket) -> None:
        path = folder / connection.recv(4096).split()[1].decode().lstrip("/")
        if path.is_file():
            data = path.read_bytes()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        else:
            connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    return serve


def test_a_model_is_installed_over_tls(scene: Scene, issuer: Issuer) -> None:
    with TlsServer(issuer.issue("server"), files_of(scene.stick)) as server:
        assert scene.device.install(f"https://127.0.0.1:{server.port}/").version == 2


@pytest.mark.parametrize("kind", WRONGS)
def test_a_server_with_a_wrong_certificate_is_asked_nothing(scene: Scene, issuer: Issuer, kind: str) -> None:
    asked: list[bytes] = []

    def note(connection: ssl.SSLSocket) -> None:
        asked.append(connection.recv(9))

    with TlsServer(wrong_certificate(kind, issuer), note) as server:
        told = refused(scene, "source-unreachable", source=f"https://127.0.0.1:{server.port}/")
    assert "certificate" in str(told)
    assert [data for data in asked if data] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_server_that_knows_only_an_old_tls_is_asked_nothing(scene: Scene, issuer: Issuer) -> None:
    certificate = issuer.issue("server")
    with TlsServer(certificate, files_of(scene.stick), ssl.TLSVersion.TLSv1_1) as server:
        refused(scene, "source-unreachable", source=f"https://127.0.0.1:{server.port}/")
