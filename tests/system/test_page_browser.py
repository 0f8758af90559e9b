"""A slide from the stage to the signed report, in a real browser at the real service and the real page.

ALLSCOPE_PICTURES names a folder where pictures of each view are put; ALLSCOPE_PICTURES_MODEL and
ALLSCOPE_PICTURES_CAMERA make them worth looking at.
"""

import io
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from pypdf import PdfReader

from alledge.journal import JOURNAL_NAME
from alledge.journal.reading import JournalReader
from alledge.journal.verification import verify_journal
from tests.edge.service.tiny_service import true_model_bytes
from tests.system.processes import BIN

CAMERA = "phantom:seed=1,width_px=320,height_px=240,pixel_um=0.2,n_red_cells=26,n_lymphocytes=3,n_blasts_l1=2"
PATIENCE_MS = 60_000
RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."


@dataclass
class Bench:
    """A running service with its page. address: of the page. data: folder of the journal."""

    address: str
    data: Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(*command: object) -> Iterator[None]:
    process = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield
        assert process.poll() is None, process.communicate()
    finally:
        process.terminate()
        _, err = process.communicate(timeout=20.0)
    assert "Traceback" not in err, err


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    given = os.environ.get("ALLSCOPE_PICTURES_MODEL")
    model = Path(given) if given else tmp_path / "tiny.tflite"
    if not given:
        model.write_bytes(true_model_bytes())
    config, data, port = tmp_path / "alledge.toml", tmp_path / "data", free_port()
    config.write_text("target_cells = 30\nframes_per_s = 5.0\nkeep_pictures = true\ncapture_s = 60.0\n")
    shared = ["--config", config, "--data", data, "--model", model]
    camera = os.environ.get("ALLSCOPE_PICTURES_CAMERA", CAMERA)
    data.mkdir()
    service = [BIN / "alledge", "run", *shared, "--camera", camera, "--slide", "A-17/2026"]
    with running(*service), running(BIN / "alledge", "page", *shared, "--port", port):
        wait_for_port(port)
        yield Bench(f"http://127.0.0.1:{port}", data)


def wait_for_port(port: int) -> None:
    end_s = time.monotonic() + PATIENCE_MS / 1e3
    while time.monotonic() < end_s:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the page never listened")


@pytest.fixture
def context() -> Iterator[BrowserContext]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no browser here: install Debian's chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield context
        browser.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which no script fails and nothing is refused by its policy."""
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: None if asked.url.startswith(("http://127.0.0.1", "blob:", "data:"))
            else wrong.append(f"elsewhere: {asked.url}"))  # fmt: skip
    yield page
    assert wrong == []


def picture(page: Page, name: str) -> None:
    """Keep what is seen now, where a folder for it is named."""
    folder = os.environ.get("ALLSCOPE_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(400)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_slide_is_watched_reviewed_signed_and_reported(
    bench: Bench, page: Page, context: BrowserContext
) -> None:
    enter(page, bench)
    watch(page)
    review(page)
    sign(page)
    amend(page)
    download(page, context, bench)
    assert verify_journal(bench.data / JOURNAL_NAME).broken is None


def test_a_page_before_the_first_slide_says_so_and_what_to_start(
    context: BrowserContext, tmp_path: Path
) -> None:
    port, page = free_port(), context.new_page()  # one on which a refusal, told by the console too, is right
    with running(BIN / "alledge", "page", "--data", tmp_path, "--port", port):
        wait_for_port(port)
        page.goto(f"http://127.0.0.1:{port}")
        page.get_by_label("Name").fill("A name that is as long as names can be, " * 2)
        page.get_by_role("button", name="Enter").click()
        expect(page.locator("#troubles")).to_contain_text("Start `alledge run`")
        expect(page.get_by_role("button", name="End slide")).to_be_disabled()
        page.set_viewport_size({"width": 390, "height": 780})
        assert page.evaluate_handle("document.documentElement.scrollWidth").json_value() <= 390
        page.get_by_role("link", name="Slides").click()
        expect(page.get_by_text("No slide was counted yet.")).to_be_visible()


def test_the_german_page_tells_troubles_and_refusals_in_german(
    context: BrowserContext, tmp_path: Path
) -> None:
    port, page = free_port(), context.new_page()
    with running(BIN / "alledge", "page", "--data", tmp_path, "--port", port, "--language", "de"):
        wait_for_port(port)
        page.goto(f"http://127.0.0.1:{port}")
        page.get_by_label("Name").fill("Ada")
        page.get_by_role("button", name="Eintreten").click()
        expect(page.locator("#troubles")).to_contain_text("Der Dienst antwortet nicht.")
        page.get_by_role("link", name="Objektträger").click()
        expect(page.locator("#toast")).to_have_text(
            "Es gibt noch kein Journal. `alledge run` starten; es beginnt eines."
        )


def enter(page: Page, bench: Bench) -> None:
    page.goto(bench.address)
    picture(page, "enter")
    page.get_by_label("Name").fill("Dr Ada Lovelace")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("heading", name="Live")).to_be_attached()


def wait_until(page: Page, is_true: Callable[[], bool], what: str) -> None:
    """The page's own policy forbids to evaluate conditions within it, so they are asked from here."""
    end_s = time.monotonic() + PATIENCE_MS / 1e3
    while not is_true():
        assert time.monotonic() < end_s, f"never {what}"
        page.wait_for_timeout(50)


def sequence(page: Page) -> int:
    return int(page.locator("#field").get_attribute("data-sequence") or 0)


def counted(page: Page) -> int:
    return sum(int(text) for text in page.locator("#counts td:nth-child(2)").all_inner_texts())


def watch(page: Page) -> None:
    """The field is seen, the count grows, and a new slide ends the old one."""
    expect(page.locator("#field[data-sequence]")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#verdict")).to_have_attribute("data-kind", "good", timeout=PATIENCE_MS)
    expect(page.locator("#verdict")).to_contain_text("Good field")
    expect(page.locator("#slide-name")).to_have_text("A-17/2026")
    expect(page.locator("#counts td").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#phantom")).to_contain_text("nothing about any blood")
    first = sequence(page)
    wait_until(page, lambda: sequence(page) > first + 3, "three more fields")
    wait_until(page, lambda: counted(page) >= 12, "twelve cells")
    picture(page, "live")
    page.get_by_role("button", name="New slide").click()
    page.get_by_label("Identifier").fill("B-18/2026")
    page.keyboard.press("Enter")
    expect(page.locator("#slide-name")).to_have_text("B-18/2026", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible(timeout=PATIENCE_MS)
    end_slide(page)


def end_slide(page: Page) -> None:
    """A slide is ended without beginning another; then there is nothing to pause, and the next can begin."""
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="End slide").click()
    expect(page.get_by_role("dialog")).to_contain_text("End slide B-18/2026?")
    page.get_by_role("dialog").get_by_role("button", name="End slide").click()
    expect(page.locator("#state")).to_contain_text("ended", timeout=PATIENCE_MS)
    expect(page.locator("#pause")).to_be_disabled()
    expect(page.locator("#end-slide")).to_be_disabled()
    expect(page.get_by_role("button", name="New slide")).to_be_enabled()


def review(page: Page) -> None:
    """By keyboard alone: look, reclassify with two keys, undo with one, confirm all that wait."""
    page.get_by_role("link", name="Slides").click()
    picture(page, "slides")
    page.get_by_role("link", name="A-17/2026").click()
    expect(page.get_by_role("option").first).to_be_visible(timeout=PATIENCE_MS)
    picture(page, "gallery")
    fits_a_small_screen(page)
    page.keyboard.press("f")
    expect(page.locator("#wider-words")).not_to_be_empty()
    picture(page, "wider")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    picture(page, "palette")
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="monocyte")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("#groups").get_by_role("button", name="monocyte")).to_have_count(0)
    page.keyboard.press("r")
    page.keyboard.press("s")
    expect(page.locator("#groups").get_by_role("button", name="smudge cell")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#groups").get_by_role("button", name="smudge cell")).to_have_count(0)
    expect(page.locator("#tiles")).to_be_focused()  # or the next Enter would undo once more
    page.keyboard.press("r")
    page.keyboard.press("s")
    expect(page.locator("#groups").get_by_role("button", name="smudge cell")).to_be_visible()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text(
        "Confirmed: "
    )  # of several kinds at once, how many of each
    expect(page.locator("#toast")).to_contain_text("smudge cell")
    page.get_by_role("button", name="Waiting for you").click()
    expect(page.locator("#groups").get_by_role("button", name="Waiting for you")).to_contain_text("0")
    expect(page.locator('.tile[data-state="open"]')).to_have_count(0)


def fits_a_small_screen(page: Page) -> None:
    """On the 5 inch screen of a Pi, patches and all buttons are in sight at once."""
    before = page.viewport_size
    page.set_viewport_size({"width": 800, "height": 480})
    scroller = page.locator("#scroller").bounding_box()
    assert scroller is not None
    assert scroller["height"] > 250
    for button in page.locator(".tools button").all():
        box = button.bounding_box()
        assert box is not None
        assert scroller["y"] + scroller["height"] <= box["y"] < box["y"] + box["height"] <= 480
        assert box["x"] + box["width"] <= 800
    picture(page, "small-screen")
    assert before is not None
    page.set_viewport_size(before)


def sign(page: Page) -> None:
    page.get_by_role("link", name="Sign-off and report").click()
    expect(page.get_by_text("The slide can be signed.")).to_be_visible()
    expect(page.get_by_text("nothing about any blood")).to_be_visible()
    page.get_by_role("button", name="Sign as Dr Ada Lovelace").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("Signed by Dr Ada Lovelace")).to_be_visible()
    expect(page.get_by_text("The slide is read-only;")).to_be_visible()
    picture(page, "signed")


def amend(page: Page) -> None:
    """What is found after the signature is a new entry with a reason; the count that was signed stays."""
    page.get_by_role("link", name="Amend a cell").click()
    expect(page.get_by_role("option").first).to_be_visible()
    expect(page.get_by_role("button", name="Confirm")).to_be_disabled()
    page.keyboard.press("r")
    page.get_by_label("Reason").fill("Second look, with a colleague.")
    page.get_by_role("dialog").get_by_role("button", name="monocyte").click()
    expect(page.locator("#groups").get_by_role("button", name="monocyte")).to_be_visible()
    page.get_by_role("link", name="Sign-off and report").click()
    expect(page.get_by_text("Second look, with a colleague.")).to_be_visible()
    picture(page, "amended")


def download(page: Page, context: BrowserContext, bench: Bench) -> None:
    """The PDF says on each page what it is for, and the journal knows who had it."""
    href = page.get_by_role("link", name="PDF").get_attribute("href")
    answer = context.request.get(f"{bench.address}{href}")
    pages = PdfReader(io.BytesIO(answer.body())).pages
    assert all(RESEARCH_USE_ONLY.lower() in sheet.extract_text().lower() for sheet in pages)
    with JournalReader(bench.data / JOURNAL_NAME) as reader:
        (viewed,) = reader.events(kind="report-viewed")
    assert viewed.fields()["who"] == "Dr Ada Lovelace"
    folder = os.environ.get("ALLSCOPE_PICTURES")
    if folder:
        (Path(folder) / "report.pdf").write_bytes(answer.body())
