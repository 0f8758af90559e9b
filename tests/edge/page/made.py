"""A page over a made slide, asked as a browser would ask: with its cookie, its origin and its CSRF value."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from alledge.page.app import create_app
from alledge.page.keys import Keys, fresh_keys
from alledge.page.live import Viewfinder
from alledge.page.server import bounded_server, listen
from alledge.page.sessions import CSRF_HEADER, SIGN_IN
from alledge.page.settings import PageSettings
from alledge.service.live_view import LiveView


class NoPicture:
    """A microscope that shows nothing."""

    def latest(self, after: int = -1) -> LiveView | None:
        return None


@dataclass
class Browser:
    """One who looks. headers: what our own pages send with a change."""

    client: httpx.Client
    keys: Keys
    headers: dict[str, str]

    @property
    def address(self) -> str:
        return self.headers["origin"]

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers, follow_redirects=False)

    def post(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        sent = {**self.headers, **(headers or {})}
        return self.client.post(path, json={} if body is None else body, headers=sent)

    def enter(self, name: str = "Ada", token: str = "") -> httpx.Response:
        answer = self.post(
            "/api/session",
            {"name": name, "token": token},
            {CSRF_HEADER: self.headers.get(CSRF_HEADER, SIGN_IN)},
        )
        if answer.is_success:
            self.headers[CSRF_HEADER] = answer.json()["csrf"]
        return answer

    def cells(self, slide: int) -> dict[str, Any]:
        told: dict[str, Any] = self.get(f"/api/slides/{slide}/cells").json()
        return told

    def say(self, slide: int, indices: list[int], label: str | None) -> httpx.Response:
        told = self.cells(slide)
        seen = [
            {"field": told["field"][i], "position": told["position"][i], "seen": told["seen"][i]}
            for i in indices
        ]
        return self.post(f"/api/slides/{slide}/words", {"cells": seen, "label": label})


@contextmanager
def serving(
    data: Path, host: str = "127.0.0.1", finder: Viewfinder | None = None
) -> Iterator[tuple[str, Keys]]:
    """The page of a data folder on a free port, as it runs in earnest: (its address, its keys)."""
    with listen(PageSettings(data, data, host=host, port=0)) as listener:
        port = listener.getsockname()[1]
        keys = fresh_keys()
        server = bounded_server(
            create_app(PageSettings(data, data, host=host, port=port), keys, finder or NoPicture())
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}", keys
        finally:
            server.should_exit = True
            thread.join(10.0)


@contextmanager
def browser_at(address: str, keys: Keys) -> Iterator[Browser]:
    """A browser that has not signed in yet."""
    with httpx.Client(base_url=address, timeout=20.0) as client:
        yield Browser(client, keys, {"origin": address})


@contextmanager
def browser(data: Path, host: str = "127.0.0.1") -> Iterator[Browser]:
    """A browser at the page of a data folder; not signed in yet."""
    with serving(data, host) as (address, keys), browser_at(address, keys) as asked:
        yield asked
