"""Every string that a person reads on the page or in a report, from one catalogue, in their language.

A language is one TOML file; tables become dotted names. English is complete by definition, and a test
holds the others to the same names and the same blanks. Nothing is translated in code, and a name that is
missing is an error where it is used, not an empty place on a screen.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from alledge.errors import InputError

LANGUAGES: Final = ("en", "de")


class LanguageUnknown(InputError):
    """There is no catalogue of a language."""

    code = "language-unknown"


@dataclass(frozen=True, slots=True)
class Strings(Mapping[str, str]):
    """The strings of one language by dotted name, such as `page.live.title`."""

    language: str
    texts: Mapping[str, str]

    @staticmethod
    def load(language: str) -> "Strings":
        """The catalogue of `en` or `de`. Raises LanguageUnknown for others."""
        if language not in LANGUAGES:
            raise LanguageUnknown(f"There are no strings in {language!r}.", f"Use {' or '.join(LANGUAGES)}.")
        return _load(language)

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def fill(self, name: str, **values: object) -> str:
        """The string with its blanks, such as `{n}`, filled in. Raises KeyError for a blank left empty.

        For n = 1 the string `NAME-one` is taken, where there is one.
        """
        one = self.texts.get(f"{name}-one") if values.get("n") == 1 else None
        return (one or self.texts[name]).format_map(values)

    def one_of(self, group: str, word: str) -> str:
        """The string of a word that the software uses, such as a verdict or a label; the word itself if none.

        Labels come from models and persons, so not each has a translation.
        """
        return self.texts.get(f"{group}.{word.lower().replace(' ', '-')}", word)

    def group(self, prefix: str) -> dict[str, str]:
        """All strings whose names begin with `prefix` and a dot, by the rest of their names."""
        start = f"{prefix}."
        return {name[len(start) :]: text for name, text in self.texts.items() if name.startswith(start)}


@cache
def _load(language: str) -> Strings:
    told = tomllib.loads((files(__name__) / f"{language}.toml").read_text(encoding="utf-8"))
    return Strings(language, dict(_flat(told, "")))


def _flat(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
