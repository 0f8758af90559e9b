"""Is the light still what it was at calibration? Plasma tells, because it is the empty field showing through.

A lamp ages, a condenser is touched, a filter slips in. The background that a frame shows between its cells is
compared with the calibrated empty field: how bright it is, what colour, and how it falls off. Slow drift of
brightness is followed, since the flat field gives the shape and the frame the level; what is farther off
than that is refused by name.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.illumination import Illumination
from alledge.types import F64

_NODES: Final = 17
# Natural logs. Fields of one session of ALL-IDB1, whose cameras set their exposure themselves, differ from
# the session's typical background by up to 0.12, 0.03 and 0.034.
_LEVEL: Final = 0.20
_COLOUR: Final = 0.05
_SHAPE: Final = 0.036


@dataclass(frozen=True, slots=True)
class LampChange:
    """A frame's background against the calibrated one, in natural logs.

    level: mean over the channels, negative when darker. colour: largest departure of a channel from that
    mean. shape: standard deviation over the field of what remains, of the channel that has most.
    """

    level: float
    colour: float
    shape: float

    @property
    def finding(self) -> str | None:
        """What changed, in a sentence; None when the light is the same."""
        if abs(self.level) > _LEVEL:
            way = "darker" if self.level < 0 else "brighter"
            return f"The light is {100 * abs(np.expm1(self.level)):.0f} % {way} than at calibration."
        if self.colour > _COLOUR:
            return f"The colour of the light is {100 * np.expm1(self.colour):.0f} % off since calibration."
        if self.shape > _SHAPE:
            return "The light falls otherwise on the field than at calibration."
        return None


def lamp_change(calibrated: Illumination, estimated: Illumination) -> LampChange:
    """How the light of a frame, as estimated from it, differs from the calibrated empty field."""
    change = _log_surface(estimated) - _log_surface(calibrated)
    channels = change.mean(axis=0)
    level = float(channels.mean())
    return LampChange(
        level=level,
        colour=float(np.abs(channels - level).max()),
        shape=float((change - channels).std(axis=0).max()),
    )


def follow_level(calibrated: Illumination, estimated: Illumination) -> Illumination:
    """The calibrated shape at the level, per channel, that the frame shows."""
    channels = (_log_surface(estimated) - _log_surface(calibrated)).mean(axis=0)
    background = (calibrated.background * np.exp(channels)).astype(np.float32)
    background.setflags(write=False)
    return Illumination(background, calibrated.width, calibrated.height)


def _log_surface(illumination: Illumination) -> F64:
    """(N, 3) natural log of the background on one grid, whatever grid it is stored on."""
    size = (_NODES, _NODES)
    grid = cv2.resize(illumination.background, size, interpolation=cv2.INTER_LINEAR)
    return np.log(grid.astype(np.float64)).reshape(-1, 3)
