"""Text for the fonts that every PDF reader has: they hold Latin-1, and an identifier may hold anything.

Embedding a font would make the bytes of a report depend on which version of the font a machine has. So the
PDF uses the built-in fonts, and a character that they lack is written as its number, [U+0142], for all to
see; the HTML report shows it as it is. Nothing is dropped, and two different identifiers stay different.
"""

import unicodedata
from typing import Final

# Punctuation with a plain equal in Latin-1; letters are never exchanged for others.
_PLAIN: Final = str.maketrans(
    {"\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2026": "...", "\u2022": "\u00b7", "\u03bc": "\u00b5"}
)
# Without "Cn", not assigned: that set shrinks with every version of Unicode, so bytes would hang on Python's.
_UNPRINTED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def to_latin(text: str) -> str:
    """The same text in Latin-1, with [U+XXXX] for what it lacks or what cannot be printed."""
    return "".join(
        character if _has(character) else f"[U+{ord(character):04X}]" for character in _composed(text)
    )


def is_latin(text: str) -> bool:
    """Whether the text is shown as it is."""
    return all(_has(character) for character in _composed(text))


def visible(text: str) -> str:
    """The same text with [U+XXXX] for control and formatting characters only, for HTML and other files.

    A right-to-left override in an identifier could otherwise show another identifier than the one stored.
    """
    return "".join(
        f"[U+{ord(character):04X}]" if unicodedata.category(character) in _UNPRINTED else character
        for character in text
    )


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).translate(_PLAIN)


def _has(character: str) -> bool:
    return ord(character) < 256 and unicodedata.category(character) not in _UNPRINTED
