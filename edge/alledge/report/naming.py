"""Which slide a person means: by the name on its label, or by its number in the journal.

A technician knows the label. Numbers are for scripts, and for a name that was given twice.
"""

from typing import Final

from alledge.errors import SlideUnusable
from alledge.journal.reading import JournalReader

_TOLD: Final = 5  # slides that an error lists


def slide_meant(reader: JournalReader, told: str) -> int:
    """The number of the slide that `told` names.

    Raises:
        SlideUnusable: none is named so, or several are.
    """
    named = set(reader.slides_named(told))
    if told.isdecimal() and reader.has_slide(int(told)):
        named.add(int(told))
    if len(named) == 1:
        return named.pop()
    newest = reader.slides(limit=_TOLD) if not named else [reader.slide(number) for number in sorted(named)]
    listed = "; ".join(
        f"{slide.slide_id} is {slide.identifier!r} of {slide.started.iso[:16]}" for slide in newest
    )
    if named:
        raise SlideUnusable(
            f"{told!r} may be {len(named)} slides: {listed}.", "Give the number of the one meant."
        )
    raise SlideUnusable(
        f"The journal has no slide {told!r}.", f"Its newest: {listed}." if listed else "It has none yet."
    )
