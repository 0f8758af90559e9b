"""What the page costs: a slide of 20,000 cells, 50 viewers, and a frame's way to the screen.

    python bench/page.py cells [--cells 20000]
    python bench/page.py viewers MODEL [--viewers 50]
    python bench/page.py screen [--fields 60]

`cells` fills a journal, serves it with `alledge page` and opens it in headless Chromium; needs Debian's
chromium. `viewers` compares the processor time that a running `alledge run` takes for each field, without
viewers and with many. `screen` shows fields ten times a second and reads from the page when each was drawn.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import Page, sync_playwright

from alledge.clock import ClockTrust, SystemClock, WallTime
from alledge.health import UNKNOWN_HEALTH
from alledge.journal import JOURNAL_NAME, CellRecord, FieldRecord, open_journal
from alledge.journal.reading import JournalReader
from alledge.review import read_review
from alledge.service.control import Order, ask
from alledge.service.live_view import LIVE_VIEW_FILE, LiveViewWriter
from alledge.slide.placement import Placement, Sighting
from alledge.strict_json import Json
from alledge.types import (
    U8,
    Call,
    Cell,
    FieldResult,
    ModelIdentity,
    PixelSize,
    PixelSizeSource,
    Quality,
    Verdict,
)

BIN = Path(sys.executable).parent
WALL = WallTime(1_790_000_000.0, ClockTrust.SYNCHRONISED)
CELLS_A_FIELD = 20
PORT = 8399
ADDRESS = f"http://127.0.0.1:{PORT}"


def patch(rng: np.random.Generator) -> U8:
    """A cell-like patch: as large a PNG as a real one."""
    y, x = np.mgrid[:50, :50] - 24.5
    pixels = np.full((50, 50, 3), 225.0)
    pixels[np.hypot(x, y) < rng.uniform(12, 20)] = rng.uniform((120, 90, 150), (170, 130, 200))
    pixels[np.hypot(x, y) < rng.uniform(7, 11)] = rng.uniform((70, 30, 110), (110, 70, 160))
    return np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)


def record(sequence: int, rng: np.random.Generator) -> FieldRecord:
    """A field of cells, one in thirty for a person."""
    cells, records = [], []
    for i in range(CELLS_A_FIELD):
        x = 40.0 + 60.0 * i
        cell = Cell(x, 300.0, (int(x) - 25, 275, int(x) + 25, 325), 12.5, 80.0, 0.6, 0.9, 0.1, False)
        p = float(rng.uniform(0.5, 1.0))
        call = Call("blast" if rng.random() < 0.4 else "normal", {"normal": p, "blast": 1 - p}, p < 0.52)
        seen = Sighting(sequence * CELLS_A_FIELD + i + 1, x / 10, 30.0 + sequence, True, True, 0.5)
        cells.append(cell)
        records.append(CellRecord(cell, call, seen, patch(rng)))
    result = FieldResult(
        "phantom", 1280, 960, PixelSize(0.1, PixelSizeSource.GIVEN),
        Quality(Verdict.OK, "", 1.5, 0.9, 0.0, 0.3), tuple(cells),
        tuple(r.call for r in records if r.call), model=ModelIdentity("bench", "ab" * 32),
    )  # fmt: skip
    placement = Placement(1, 0.0, 100.0 * sequence, 1.0, is_jump=False, overlap=0.3)
    return FieldRecord(
        result, sequence, sequence, WALL, placement, tuple(records), None, "bench", UNKNOWN_HEALTH, None
    )


def fill(folder: Path, n_cells: int) -> int:
    """A journal with one ended slide; its number."""
    journal = open_journal(folder / JOURNAL_NAME, SystemClock())
    rng = np.random.default_rng(1)
    slide = journal.start_slide("bench", WALL)
    for sequence in range(n_cells // CELLS_A_FIELD):
        journal.append_field(slide, record(sequence, rng))
    journal.end_slide(slide, WALL)
    journal.close()
    return slide


@contextmanager
def page_process(folder: Path) -> Iterator[int]:
    """`alledge page` on a data folder; its process id."""
    command = [str(BIN / "alledge"), "page", "--data", str(folder), "--port", str(PORT)]
    process = subprocess.Popen([*command, "--config", str(folder / "none.toml")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                httpx.get(f"{ADDRESS}/enter")
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10.0)


@contextmanager
def signed_in() -> Iterator[Page]:
    """A browser at the live page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{ADDRESS}/enter")
        page.get_by_label("Name").fill("Bench")
        page.get_by_role("button", name="Enter").click()
        page.wait_for_url(f"{ADDRESS}/")
        yield page
        browser.close()


SCROLL = """async () => {
  const scroller = document.getElementById("scroller");
  const gaps = [];
  let last = performance.now();
  const end = last + 6000;
  while (performance.now() < end) {
    scroller.scrollTop += 240;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  gaps.sort((a, b) => a - b);
  const part = (q) => gaps[Math.floor(q * (gaps.length - 1))];
  const tiles = document.querySelectorAll(".tile").length;
  return { frames: gaps.length, p50: part(0.5), p99: part(0.99), most: part(1), tiles };
}"""

JUMP = """async () => {
  const scroller = document.getElementById("scroller");
  const began = performance.now();
  scroller.scrollTop = scroller.scrollHeight * Math.random();
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  const seen = () => [...document.querySelectorAll(".tile img")].filter((image) => {
    const box = image.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  const isMissing = (image) => !image.complete || !image.hasAttribute("src");
  while (seen().some(isMissing)) await new Promise((go) => setTimeout(go, 5));
  return performance.now() - began;
}"""


def scroll(page: Page) -> None:
    """Scroll for some seconds; frames, and the main thread's own processor time for one."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}
    told = page.evaluate(SCROLL)
    after = {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}
    print("scrolling, ms between frames:", told)
    parts = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration", "TaskDuration")
    costs = {part: round(1e3 * (after[part] - before[part]) / told["frames"], 2) for part in parts}
    print("processor time of the main thread a frame, ms:", costs)


def bench_cells(n_cells: int) -> None:
    """Open, scroll and jump in a large slide."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as held:
        folder = Path(name)
        slide = fill(folder, n_cells)
        with JournalReader(folder / JOURNAL_NAME) as reader:
            began_s = time.perf_counter()
            review = read_review(reader, slide)
            print(f"read_review of {len(review.cells)} cells: {time.perf_counter() - began_s:.2f} s")
        pid = held.enter_context(page_process(folder))
        page = held.enter_context(signed_in())
        for time_named in ("first opening", "second opening"):
            began_s = time.perf_counter()
            page.goto(f"{ADDRESS}/slides/{slide}")
            page.locator(".tile").first.wait_for()
            print(f"{time_named}: {time.perf_counter() - began_s:.2f} s until the first patches")
        scroll(page)
        jumps = sorted(float(page.evaluate(JUMP)) for _ in range(20))
        print(f"jump, until all patches are there: median {jumps[10]:.0f} ms, most {jumps[-1]:.0f}")
        began_s = time.perf_counter()
        page.keyboard.press("Enter")
        page.locator('.tile[data-state="confirmed"]').first.wait_for()
        print(f"confirm, until shown: {1e3 * (time.perf_counter() - began_s):.0f} ms")
        peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line)
        print("memory of the page:", peak.split(":")[1].strip())


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / 100.0


def watch_forever(cookies: dict[str, str], is_over: threading.Event) -> None:
    """One viewer that takes whatever comes."""
    with httpx.stream("GET", f"{ADDRESS}/live/stream", cookies=cookies, timeout=30.0) as stream:
        for _ in stream.iter_raw():
            if is_over.is_set():
                return


def fields_and_cpu(folder: Path, pid: int, for_s: float) -> tuple[int, float]:
    """Fields that the service analysed meanwhile, and the processor time it took for them."""

    def analysed() -> int:
        status = ask(folder / "control.sock", Order.STATUS)["status"]
        assert isinstance(status, dict)
        ledger = status["ledger"]
        assert isinstance(ledger, dict)
        return int(str(ledger["analysed"]))

    first, before_s = analysed(), cpu_s(pid)
    time.sleep(for_s)
    return analysed() - first, cpu_s(pid) - before_s


def bench_viewers(model: Path, n_viewers: int) -> None:
    """Processor time of the service a field, turn by turn without and with viewers."""
    camera = "phantom:seed=1,width_px=640,height_px=480,pixel_um=0.15,n_red_cells=120"
    with tempfile.TemporaryDirectory() as name, ExitStack() as held:
        folder = Path(name)
        (folder / "c.toml").write_text("frames_per_s = 3.0\n")
        command = [BIN / "alledge", "run", "--camera", camera, "--model", model, "--data", folder]
        service = subprocess.Popen(
            [*map(str, command), "--config", str(folder / "c.toml")], stderr=subprocess.DEVNULL
        )
        held.callback(service.wait, 10.0)
        held.callback(service.terminate)
        held.enter_context(page_process(folder))
        client = httpx.Client(base_url=ADDRESS)
        client.post(
            "/api/session", json={"name": "Bench", "token": ""}, headers={"x-allscope-csrf": "sign-in"}
        ).raise_for_status()
        time.sleep(8.0)
        told: dict[str, list[float]] = {"without": [], f"with {n_viewers}": []}
        for _ in range(3):
            for turn, n in (("without", 0), (f"with {n_viewers}", n_viewers)):
                is_over = threading.Event()
                watchers = [
                    threading.Thread(target=watch_forever, args=(dict(client.cookies), is_over))
                    for _ in range(n)
                ]
                for watcher in watchers:
                    watcher.start()
                time.sleep(1.0)
                n_fields, used_s = fields_and_cpu(folder, service.pid, 10.0)
                told[turn].append(1e3 * used_s / max(1, n_fields))
                print(
                    f"{turn} viewers: {n_fields} fields, {told[turn][-1]:.1f} ms of processor time each",
                    flush=True,
                )
                is_over.set()
                for watcher in watchers:
                    watcher.join(10.0)
        print({turn: round(statistics.median(values), 1) for turn, values in told.items()})


def bench_screen(n_fields: int) -> None:
    """From `LiveViewWriter.show` to the canvas drawn, ten fields a second."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as held:
        folder = Path(name)
        held.enter_context(page_process(folder))
        page = held.enter_context(signed_in())
        rng = np.random.default_rng(0)
        pixels = np.repeat(np.repeat(rng.integers(90, 255, (96, 128, 3), dtype=np.uint8), 8, 0), 8, 1)
        writer = LiveViewWriter(folder / LIVE_VIEW_FILE)
        ages: list[float] = []
        for sequence in range(n_fields + 5):
            began_s = time.perf_counter()
            cells: list[Json] = [
                {
                    "box": [20 * i, 30, 20 * i + 60, 90],
                    "label": "normal",
                    "p": {"normal": 0.9},
                    "review": False,
                }
                for i in range(20)
            ]
            writer.show(
                sequence,
                np.roll(pixels, sequence, 1),
                {"verdict": "ok", "pixel_um": 0.1, "focus": 1.5, "cells": cells},
            )
            page.wait_for_timeout(max(0.0, 100.0 - 1e3 * (time.perf_counter() - began_s)))
            age = page.locator("#field").get_attribute("data-age-ms")
            shown = page.locator("#field").get_attribute("data-sequence")
            if age is not None and shown == str(sequence) and sequence >= 5:
                ages.append(float(age))
        ages.sort()
        middle, late, most = ages[len(ages) // 2], ages[int(0.95 * (len(ages) - 1))], ages[-1]
        print(f"{len(ages)} of {n_fields} fields were drawn before the next came")
        print(f"age when drawn: median {middle:.0f} ms, 95th percentile {late:.0f} ms, most {most:.0f} ms")


def main() -> None:
    """One of the three."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["cells", "viewers", "screen"])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--fields", type=int, default=60)
    given = parser.parse_args()
    if given.what == "cells":
        bench_cells(given.cells)
    elif given.what == "viewers":
        bench_viewers(given.model, given.viewers)
    else:
        bench_screen(given.fields)


if __name__ == "__main__":
    main()
