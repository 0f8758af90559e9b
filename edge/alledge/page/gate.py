"""The gate that every request passes: is it meant for us, from our own pages, and of a bearable size?

- **Host** must be a name or address of this machine, or a foreign name could be pointed at it (DNS
  rebinding) and a foreign page would then be of "our" origin.
- **Origin** must be ours where a browser tells it, and a change must bring the session's CSRF value.
- **Body**: JSON of at most MOST_BODY_BYTES, whole within BODY_WITHIN_S.

Each answer leaves with headers that forbid the browser everything that our pages do not need.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Mapping
from typing import Final

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alledge.page.sessions import COOKIE, CSRF_HEADER, Session, Sessions

MOST_BODY_BYTES: Final = 1 << 18
"""A change of a thousand cells is 60 KiB."""

BODY_WITHIN_S: Final = 10.0
DISCARD_WITHIN_S: Final = 1.0
MOST_DISCARDED_BYTES: Final = 8 * MOST_BODY_BYTES
MOST_PATH_LETTERS: Final = 2000

_UNSAFE: Final = ("POST", "PUT", "PATCH", "DELETE")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Refusal(Exception):
    """The gate stays closed: an HTTP status, a code for scripts, a sentence and a next step."""

    def __init__(self, status: int, code: str, what: str, next_step: str) -> None:
        super().__init__(what)
        self.status, self.code, self.what, self.next_step = status, code, what, next_step


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, sessions: Sessions, names: frozenset[str]) -> None:
        self._app = app
        self._sessions = sessions
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        leaving = _Leaving(send)
        try:
            headers = _headers(scope)
            _require_our_host(scope, headers, self._names)
            session = _session(headers, self._sessions)
            scope["state"] = {**scope.get("state", {}), "session": session}
            if scope["method"] in _UNSAFE:
                self._require_genuine(scope, headers, session)
                receive = _Whole(await _whole_body(headers, receive))
        except Refusal as refusal:
            await _refuse(leaving, refusal)
            return
        await self._app(scope, receive, leaving)

    def _require_genuine(self, scope: Scope, headers: Mapping[str, str], session: Session | None) -> None:
        """Raise Refusal for a change that none of our own pages asked for."""
        own = f"{scope.get('scheme', 'http')}://{headers.get('host', '')}"
        foreign = headers.get("origin", own) != own
        site = headers.get("sec-fetch-site", "same-origin")
        given = headers.get(CSRF_HEADER, "")
        if foreign or site != "same-origin" or not self._sessions.is_genuine(session, given):
            raise Refusal(403, "forged", "This change was not asked for by our page.", "Load the page again.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "not-json", "Only JSON is read here.", "Send application/json.")


def names_of(host: str, port: int, *, is_loopback: bool) -> frozenset[str]:
    """Names by which this machine may be called in a Host header, beside the address a request came to."""
    machine = socket.gethostname().lower()
    names = {host.lower(), "localhost", "127.0.0.1", "[::1]"}
    if not is_loopback:
        names |= {machine, f"{machine.partition('.')[0]}.local"}
    return frozenset(names) | {f"{name}:{port}" for name in names}


def _headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name. Raises Refusal for a Host or a length given twice, or a path too long."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in headers and name in ("host", "origin", "content-length", "content-type", CSRF_HEADER):
            raise Refusal(400, "malformed", f"The header {name} is given twice.", "Send it once.")
        headers[name] = raw_value.decode("latin-1")
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > MOST_PATH_LETTERS:
        raise Refusal(414, "path-too-long", "The address is too long.", "Use a link of the page.")
    return headers


def _require_our_host(scope: Scope, headers: Mapping[str, str], names: frozenset[str]) -> None:
    """Raise Refusal unless the request calls this machine by a name of its own."""
    address, port = scope.get("server") or ("", 0)
    literal = f"[{address}]" if ":" in str(address) else str(address)
    if headers.get("host", "").lower() not in names | {f"{literal}:{port}", literal}:
        raise Refusal(421, "foreign-host", "This page goes by another name.", "Use the address it printed.")


def _session(headers: Mapping[str, str], sessions: Sessions) -> Session | None:
    cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    return sessions.read(cookie) if cookie else None


async def _whole_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The body, read whole. Raises Refusal when it is too large or does not come in time."""
    too_large = Refusal(413, "too-large", "The request is too large.", "Change fewer cells at once.")
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > MOST_BODY_BYTES:
        await _discard(receive)
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Refusal(400, "cut-off", "The request was cut off.", "Send it again.")
                body += message.get("body", b"")
                if len(body) > MOST_BODY_BYTES:
                    await _discard(receive)
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        raise Refusal(408, "too-slow", "The request came too slowly.", "Send it again.") from error


async def _discard(receive: Receive) -> None:
    """Let the rest of a body come, within bounds: cut off while it sends, a client would not read why."""
    n_bytes = 0
    with contextlib.suppress(TimeoutError):  # slower clients are cut off
        async with asyncio.timeout(DISCARD_WITHIN_S):
            while n_bytes < MOST_DISCARDED_BYTES:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                n_bytes += len(message.get("body", b""))


class _Whole:
    """Gives a body that was read already, and afterwards that the client is there no more."""

    def __init__(self, body: bytes) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def __call__(self) -> Message:
        return self._messages.pop() if self._messages else {"type": "http.disconnect"}


class _Leaving:
    """Adds the security headers to an answer, and forbids keeping it unless it says how long it may be."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            added = {**SECURITY_HEADERS, "cache-control": "no-store"}
            given += [(k.encode(), v.encode()) for k, v in added.items() if k.encode() not in names]
            message = {**message, "headers": given}
        await self._send(message)


async def _refuse(send: Send, refusal: Refusal) -> None:
    told = {"code": refusal.code, "what": refusal.what, "next": refusal.next_step}
    body = json.dumps(told).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
