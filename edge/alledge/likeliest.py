"""A call in words that a person takes right: the likeliest label, and a percentage that is no certainty.

A call goes by the model's threshold, which is rarely one half: a cell that waits may be called normal at
29 %. Whoever is to look at it wants to know what the model holds for likeliest.
"""

import math
from typing import Final

from alledge.types import Call

_ROUNDING: Final = 1e-9  # 100 * 0.29 is 28.999999999999996


def likeliest(call: Call) -> str:
    """The label of the greatest probability, the first of several."""
    return max(call.p, key=call.p.__getitem__, default=call.label)


def whole_percent(p: float) -> int:
    """A probability in percent, rounded down: 99.9 % is not 100 %.

    >>> whole_percent(0.29), whole_percent(0.999), whole_percent(1.0)
    (29, 99, 100)
    """
    return math.floor(100 * p + _ROUNDING)
