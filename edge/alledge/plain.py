"""Text of strangers on its way to a terminal or a log: one line of printable characters, cut to a length.

Servers, sticks and metadata are quoted in error messages, and what they say may hold escape codes that clear
a screen, set a window's title or turn the writing direction. Those become `?`.
"""

from typing import Final

LONGEST: Final = 160


def plain(text: object, longest: int = LONGEST) -> str:
    """What an object says, fit to be shown."""
    folded = " ".join(str(text).split())
    return "".join(sign if sign.isprintable() else "?" for sign in folded)[:longest]
