"""Numbers, times and names as readers of one language expect them; the machine's locale is never asked."""

import math
from collections.abc import Iterable

from alledge.clock import WallTime
from alledge.differential import Share
from alledge.report.latin import visible
from alledge.strings import Strings

_SHORT_HASH = 16


class Wording:
    """The words of a report. strings: of its language."""

    def __init__(self, strings: Strings) -> None:
        self.strings = strings

    def __call__(self, name: str, **values: object) -> str:
        """A string of the report by the rest of its name, its blanks filled in."""
        return self.strings.fill(f"report.{name}", **values)

    def number(self, value: float | None, decimals: int = 1) -> str:
        """A number with so many decimals and the language's decimal mark; a dash for none."""
        if value is None or not math.isfinite(value):
            return "-"
        text = f"{value:.{decimals}f}"
        return text.replace(".", self("decimal"))

    def percent(self, share: float) -> str:
        """A share as the number of percent, one decimal, without the sign."""
        return self.number(100 * share)

    def ends(self, share: Share) -> str:
        """The interval of a share in percent, without the sign."""
        low, high = share.ci95
        return self("range", low=self.percent(low), high=self.percent(high))

    def interval(self, share: Share) -> str:
        """The interval of a share in words."""
        low, high = share.ci95
        return self("interval", low=self.percent(low), high=self.percent(high))

    def whole(self, share: Share) -> str:
        """A share with its interval: 21.0 % (13.5 to 30.3 %)."""
        return f"{self.percent(share.value)} % ({self.ends(share)} %)"

    def label(self, label: str | None) -> str:
        """A label in the reader's language; a label that has no translation as it is."""
        return self("no-cell") if label is None else visible(self.strings.one_of("label", label))

    def when(self, wall: WallTime | None) -> str:
        """A time to the second, UTC, and how far to trust it where that is in doubt."""
        if wall is None:
            return "-"
        if not wall.iso.endswith("Z"):
            return wall.iso
        text = f"{wall.iso[:10]} {wall.iso[11:19]} UTC"
        trusted = wall.trust.value == "synchronised"
        return text if trusted else f"{text} ({self('slide.clock')}: {self(f'clock.{wall.trust.value}')})"

    def listed(self, items: Iterable[str]) -> str:
        """Items with commas between; the word for none of them without any."""
        return ", ".join(items) or self("none")

    @staticmethod
    def short(sha256: str | None) -> str:
        """The first digits of a hash, enough to tell two apart by eye."""
        return "-" if sha256 is None else sha256[:_SHORT_HASH]
