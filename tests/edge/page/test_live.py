"""The live view: one encoding for all, the newest for each, and nobody waits for the slow."""

import asyncio
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np

from alledge.page import live
from alledge.page.live import LiveHub
from alledge.service.live_view import LiveView
from alledge.strict_json import Json
from alledge.types import U8
from tests.edge.page.made import browser_at, serving
from tests.edge.review.made import begin_slide


class Showing:
    """A microscope whose field changes when a test says so."""

    def __init__(self) -> None:
        self.sequence = 0
        self.pixels: U8 = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)

    def latest(self, after: int = -1) -> LiveView | None:
        if self.sequence == after:
            return None
        return LiveView(self.sequence, self.pixels, {"verdict": "ok"}, time.monotonic_ns())


def status() -> Json:
    return {"state": "running"}


def read_parts(stream: bytes) -> Iterator[tuple[str, dict[str, Json], bytes]]:
    """(kind, told, picture) of each part."""
    at = 0
    while at < len(stream):
        kind, (n_told,) = stream[at : at + 1].decode(), struct.unpack_from(">I", stream, at + 1)
        told = json.loads(stream[at + 5 : at + 5 + n_told])
        at += 5 + n_told
        (n_picture,) = struct.unpack_from(">I", stream, at)
        yield kind, told, stream[at + 4 : at + 4 + n_picture]
        at += 4 + n_picture


async def fields_seen(viewer: live.Viewer, n: int) -> list[Json]:
    """Sequence numbers of the next fields that a viewer gets."""
    seen: list[Json] = []
    while len(seen) < n:
        parts = read_parts(await viewer.next())
        seen += [told["sequence"] for kind, told, _ in parts if kind == "F"]
    return seen


def test_fifty_viewers_get_one_encoding_and_none_is_made_when_nobody_looks() -> None:
    async def watch() -> tuple[int, list[list[Json]], LiveHub]:
        hub = LiveHub(Showing(), status)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look(hub)) for _ in range(50)]
        return hub.n_encoded, [task.result() for task in tasks], hub

    async def look(hub: LiveHub) -> list[Json]:
        async with hub.viewer() as viewer:
            return await fields_seen(viewer, 1)

    n_encoded, seen, hub = asyncio.run(watch())
    assert seen == [[0]] * 50
    assert n_encoded == 1
    assert hub.n_viewers == 0


def test_who_is_slow_misses_pictures_and_gets_the_newest() -> None:
    async def watch() -> tuple[list[Json], list[Json]]:
        finder = Showing()
        hub = LiveHub(finder, status)
        async with hub.viewer() as quick, hub.viewer() as slow:
            quickly: list[Json] = []
            for sequence in range(5):
                finder.sequence = sequence
                quickly += await fields_seen(quick, 1)
            return quickly, await fields_seen(slow, 1)

    quickly, slowly = asyncio.run(watch())
    assert quickly == [0, 1, 2, 3, 4]
    assert slowly == [4]


def test_a_part_holds_the_field_as_jpeg_with_what_is_told_and_when_it_was_shown() -> None:
    async def watch() -> bytes:
        async with LiveHub(Showing(), status).viewer() as viewer:
            return await viewer.next()

    parts = {kind: (told, picture) for kind, told, picture in read_parts(asyncio.run(watch()))}
    told, picture = parts["F"]
    assert picture.startswith(b"\xff\xd8")
    assert (told["verdict"], told["width"], told["height"]) == ("ok", 80, 60)
    shown = told["shown_unix_ms"]
    assert isinstance(shown, float)
    assert abs(shown - time.time() * 1e3) < 60_000


def test_a_viewer_sees_the_field_over_http_and_one_that_takes_nothing_delays_nobody(tmp_path: Path) -> None:
    begin_slide(tmp_path)
    finder = Showing()
    finder.pixels = np.random.default_rng(1).integers(0, 255, (700, 900, 3), dtype=np.uint8)
    with serving(tmp_path, finder=finder) as (address, keys), browser_at(address, keys) as asked:
        asked.enter()
        with (
            asked.client.stream("GET", "/live/stream"),  # taken by nobody
            httpx.Client(base_url=address, cookies=asked.client.cookies) as other,
            other.stream("GET", "/live/stream") as stream,
        ):
            chunks, got = stream.iter_raw(), b""
            for sequence in range(20):
                finder.sequence = sequence
                began_s = time.monotonic()
                mark = b'"sequence": %d,' % sequence
                while mark not in got:
                    got += next(chunks)
                assert time.monotonic() - began_s < 5.0
