"""The field under the objective for any number of viewers: encoded once, sent to whoever keeps up.

One task looks for a new picture while somebody watches. Each viewer takes the newest when it is ready for
another, so a slow one misses pictures and delays nobody; one that takes nothing for a while is let go.

A stream is a sequence of parts, each `kind (1 byte), length of JSON, JSON, length of picture, picture`, with
lengths as 4 bytes, big end first. Kind S tells the state of the service, kind F a field with its JPEG.
"""

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

import cv2
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alledge.service.live_view import LiveView
from alledge.strict_json import Json

LOOK_EVERY_S: Final = 0.02
STATUS_EVERY_S: Final = 0.5
LET_GO_AFTER_S: Final = 10.0
MOST_VIEWERS: Final = 128
_JPEG_QUALITY: Final = 82
_LENGTH: Final = struct.Struct(">I")


class Viewfinder(Protocol):
    """Where pictures come from; see `LiveViewReader`."""

    def latest(self, after: int = -1) -> LiveView | None:
        """The newest picture unless it is number `after`."""
        ...


class LiveHub:
    """Shares pictures and states among viewers. Belongs to one event loop."""

    def __init__(self, finder: Viewfinder, status: Callable[[], Json]) -> None:
        self._finder = finder
        self._status = status
        self._sequence = -1
        self._parts: dict[str, bytes] = {}
        self._versions = {"S": 0, "F": 0}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.n_viewers = 0
        self.n_encoded = 0

    @contextlib.asynccontextmanager
    async def viewer(self) -> AsyncIterator["Viewer"]:
        """Watch for as long as the block lasts."""
        self.n_viewers += 1
        if self._task is None:
            self._sequence = -1
            self._task = asyncio.create_task(self._work())
        try:
            yield Viewer(self)
        finally:
            self.n_viewers -= 1
            if self.n_viewers == 0 and self._task is not None:
                self._task.cancel()
                self._task = None

    def parts_since(self, seen: dict[str, int]) -> list[bytes]:
        """The newest parts that a viewer has not had, and note that it has them."""
        fresh = [kind for kind, version in self._versions.items() if version > seen.get(kind, 0)]
        seen.update({kind: self._versions[kind] for kind in fresh})
        return [self._parts[kind] for kind in fresh]

    async def wait(self) -> None:
        """Until there is something new."""
        await self._news.wait()

    async def _work(self) -> None:
        status_due_s = 0.0
        while True:
            part = await asyncio.to_thread(self._look)
            if part is not None:
                self._publish("F", part)
            if time.monotonic() >= status_due_s:
                status_due_s = time.monotonic() + STATUS_EVERY_S
                self._publish("S", _part("S", await asyncio.to_thread(self._status), b""))
            await asyncio.sleep(LOOK_EVERY_S)

    def _look(self) -> bytes | None:
        """The part for a new picture, None without one."""
        view = self._finder.latest(self._sequence)
        if view is None:
            return None
        self._sequence = view.sequence
        encoded, jpeg = cv2.imencode(".jpg", view.pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not encoded:
            return None
        self.n_encoded += 1
        height, width = view.pixels.shape[:2]
        age_ms = (time.monotonic_ns() - view.shown_ns) / 1e6
        told: dict[str, Json] = {
            **view.told,
            "sequence": view.sequence,
            "width": width,
            "height": height,
            "age_ms": round(age_ms, 1),
            "shown_unix_ms": round(time.time() * 1e3 - age_ms, 1),
        }
        return _part("F", told, jpeg.tobytes())

    def _publish(self, kind: str, part: bytes) -> None:
        self._parts[kind] = part
        self._versions[kind] += 1
        self._news.set()
        self._news = asyncio.Event()


class Viewer:
    """One who watches; holds nothing but what it has seen."""

    def __init__(self, hub: LiveHub) -> None:
        self._hub = hub
        self._seen: dict[str, int] = {}

    async def next(self) -> bytes:
        """The newest that was not had yet; waits for it."""
        while not (parts := self._hub.parts_since(self._seen)):
            await self._hub.wait()
        return b"".join(parts)


class LiveStream(Response):
    """The ASGI answer that lasts: parts as they come, until the viewer leaves or takes nothing any more."""

    def __init__(self, hub: LiveHub) -> None:
        super().__init__()
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Send until the end."""
        headers = [(b"content-type", b"application/octet-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async with self._hub.viewer() as viewer:
            while True:
                part = await viewer.next()
                async with asyncio.timeout(LET_GO_AFTER_S):
                    await send({"type": "http.response.body", "body": part, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _part(kind: str, told: Json, picture: bytes) -> bytes:
    text = json.dumps(told, allow_nan=False).encode()
    return b"".join((kind.encode(), _LENGTH.pack(len(text)), text, _LENGTH.pack(len(picture)), picture))
