"""What the two ALL-IDB sets share: the name ImNNN_Y, where Y says patient or healthy.

R. Donida Labati, V. Piuri, F. Scotti, "ALL-IDB: the acute lymphoblastic leukemia image database for
image processing", ICIP 2011.
"""

import re
from pathlib import PurePosixPath
from typing import Final

_NAME: Final = re.compile(r"Im\d+_([01])", re.IGNORECASE)


def leukaemic(image: PurePosixPath) -> bool | None:
    """Y of ImNNN_Y; None for any other name."""
    match = _NAME.fullmatch(image.stem)
    return None if match is None else match.group(1) == "1"
