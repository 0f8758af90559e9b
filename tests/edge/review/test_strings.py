"""One catalogue: each language says everything, with the same blanks."""

import re
from pathlib import Path
from string import Formatter

import pytest

from alledge.strings import LANGUAGES, LanguageUnknown, Strings
from alledge.types import Verdict


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_names_and_blanks_of_english(language: str) -> None:
    english, other = Strings.load("en"), Strings.load(language)
    assert set(other) == set(english)
    assert {name: blanks(text) for name, text in other.items()} == {
        name: blanks(text) for name, text in english.items()
    }
    assert all(text.strip() == text and text for text in other.values())


def test_the_second_language_is_another_one() -> None:
    english, german = Strings.load("en"), Strings.load("de")
    assert sum(english[name] != german[name] for name in english) > 0.8 * len(english)


def test_each_verdict_has_words_and_advice() -> None:
    strings = Strings.load("en")
    for verdict in Verdict:
        assert strings.one_of("verdict", verdict.value) != verdict.value
        assert strings.one_of("advice", verdict.value) != verdict.value


def test_a_label_without_translation_is_shown_as_it_is() -> None:
    assert Strings.load("de").one_of("label", "ALL early pre-B") == "ALL early pre-B"
    assert Strings.load("de").one_of("label", "Blast") == "Blast"


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises(LanguageUnknown, match="'xx'"):
        Strings.load("xx")


def test_each_trouble_that_the_service_may_tell_has_a_name_and_a_next_step() -> None:
    told = (Path(__file__).parents[3] / "docs" / "service.md").read_text(encoding="utf-8")
    troubles = told.partition("## Troubles")[2].partition("##")[0]
    codes = set(
        re.findall(
            r"`((?:camera|frame|images|classifier|journal|clock|config|storage|disk|slide)-[a-z-]+)`",
            troubles,
        )
    )
    assert len(codes) > 20
    german = Strings.load("de")
    assert {code for code in codes if german.one_of("trouble", code) == code} == set()
    assert set(german.group("trouble")) == set(german.group("trouble-next"))
