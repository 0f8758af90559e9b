"""`alledge metrics`: the service's figures over HTTP, to this machine alone.

Prometheus's node_exporter reads the file itself and needs none of this. Where there is none, a Prometheus or
an agent on the same machine asks here. A file that nobody renewed is not served: a service that is gone must
not look like one that stands still.
"""

import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Final, TypeAlias

from alledge.errors import InputError

HOST: Final = "127.0.0.1"
SEATS: Final = 16
STALE_AFTER_S: Final = 60.0
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NAMES: Final = ("127.0.0.1", "localhost")
_PATIENCE_S: Final = 5.0


Request: TypeAlias = "socket.socket | tuple[bytes, socket.socket]"


class MetricsPortUnusable(InputError):
    """The metrics have no port, or another program listens there."""

    code = "metrics-port-unusable"


def metrics_server(file: Path, port: int) -> ThreadingHTTPServer:
    """A server of one file at /metrics, on loopback only. port: 0 takes any.

    Raises MetricsPortUnusable.
    """
    handler = type("MetricsHandler", (_Handler,), {"file": file})
    try:
        return _Server((HOST, port), handler)
    except OSError as error:
        raise MetricsPortUnusable(
            f"{HOST}:{port} cannot be listened at ({error.strerror}).", "Set another `metrics_port`."
        ) from error


class _Server(ThreadingHTTPServer):
    """Answers so many at once and hangs up on others: a thread each for whoever knocks would fill memory."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._seats = threading.BoundedSemaphore(SEATS)
        super().__init__(address, handler)

    def process_request(self, request: Request, client_address: object) -> None:
        """Answer in a thread where a seat is free."""
        if self._seats.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Request, client_address: object) -> None:
        """Answer, and free the seat."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._seats.release()


class _Handler(BaseHTTPRequestHandler):
    file: ClassVar[Path]
    timeout = _PATIENCE_S
    server_version = "alledge"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the file."""
        # A page of somebody else's, in a browser on this machine, gives its own name here.
        if self.headers.get("Host", "").rsplit(":", 1)[0] not in _NAMES:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        elif self.path != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._answer()

    def _answer(self) -> None:
        try:
            told, age_s = self.file.read_bytes(), time.time() - self.file.stat().st_mtime
        except OSError:
            told, age_s = b"", STALE_AFTER_S
        if age_s >= STALE_AFTER_S:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "The service writes no metrics.")
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Prometheus asks every few seconds; nobody wants to read that."""
