"""A made slide and a browser that is signed in at its page."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alledge.journal import SqliteJournal
from tests.edge.page.made import Browser, browser
from tests.edge.review.made import begin_slide


@dataclass
class Bench:
    """One ended slide of two fields with six cells, of which two wait."""

    browser: Browser
    journal: SqliteJournal
    slide: int
    folder: Path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    journal, _, slide = begin_slide(tmp_path)
    with browser(tmp_path) as asked:
        asked.enter().raise_for_status()
        yield Bench(asked, journal, slide, tmp_path)
    journal.close()
