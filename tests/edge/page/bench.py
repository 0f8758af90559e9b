"""A made slide and a browser that is signed in at its page."""

from collections.abc import Iterator
from contextlib import contextmanager
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
    """For tests that change the slide."""
    with bench_in(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """For tests that change nothing."""
    with bench_in(tmp_path_factory.mktemp("still")) as made:
        yield made


@contextmanager
def bench_in(folder: Path) -> Iterator[Bench]:
    journal, _, slide = begin_slide(folder)
    with browser(folder) as asked:
        asked.enter().raise_for_status()
        yield Bench(asked, journal, slide, folder)
    journal.close()
