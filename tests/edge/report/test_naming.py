"""A slide is meant by its label where that is enough, and by its number where it is not."""

from pathlib import Path

import pytest

from alledge.errors import SlideUnusable
from alledge.journal import JOURNAL_NAME
from alledge.journal.reading import JournalReader
from alledge.report.naming import slide_meant
from tests.edge.report.made import a_journal, wall


def test_a_name_or_a_number_means_a_slide_and_a_name_given_twice_none(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        first, other, again = (journal.start_slide(name, wall(0)) for name in ("A 17", "B 18", "A 17"))
        with JournalReader(tmp_path / JOURNAL_NAME) as reader:
            assert slide_meant(reader, "B 18") == other
            assert slide_meant(reader, str(first)) == first
            with pytest.raises(SlideUnusable, match=rf"'A 17' may be 2 slides: {first} is .*{again} is "):
                slide_meant(reader, "A 17")
            with pytest.raises(SlideUnusable, match=rf"no slide 'C'. Its newest: {again} is 'A 17'"):
                slide_meant(reader, "C")
            with pytest.raises(SlideUnusable):
                slide_meant(reader, "9" * 30)


def test_a_number_that_is_also_the_name_of_another_slide_is_asked_about(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        first = journal.start_slide("A 17", wall(0))
        journal.start_slide(str(first), wall(1))
        with JournalReader(tmp_path / JOURNAL_NAME) as reader, pytest.raises(SlideUnusable, match="may be 2"):
            slide_meant(reader, str(first))
