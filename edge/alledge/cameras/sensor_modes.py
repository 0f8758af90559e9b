"""Which of a sensor's modes to run: the whole field, at the fewest pixels that still resolve a cell.

An HQ camera (IMX477) reads 4056 x 3040 pixels ten times a second, or bins them by two to 2028 x 1520 at
forty; its other modes cut the field. At 40x and more the binned pixel is far below what the objective
resolves, so binning loses nothing, and costs a quarter of the memory and of the time. A global-shutter camera
(IMX296) has one mode, 1456 x 1088, whole. A mode that cuts the field would make it smaller than calibrated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from alledge.errors import CameraUnavailable

LEAST_WIDTH_PX: Final = 1400
"""100 um of smear at 0.07 um a pixel; narrower modes are made for fast video."""

_WHOLE: Final = 0.98  # of the largest readout; modes differ by a few columns for alignment


@dataclass(frozen=True, slots=True)
class SensorMode:
    """A mode of a sensor: frame size in pixels, bits a pixel, and the pixels of the part that it reads."""

    size: tuple[int, int]
    bit_depth: int
    readout_px: int


def known_modes(told: Sequence[Mapping[str, object]]) -> tuple[SensorMode, ...]:
    """The modes that picamera2's `sensor_modes` tells; entries that are no raw mode tell nothing."""
    modes = []
    for entry in told:
        size, bits, crop = entry.get("size"), entry.get("bit_depth"), entry.get("crop_limits")
        if not (isinstance(size, tuple) and isinstance(bits, int)):
            continue
        whole = crop if isinstance(crop, tuple) and len(crop) == 4 else (0, 0, *size)
        modes.append(SensorMode((int(size[0]), int(size[1])), bits, int(whole[2]) * int(whole[3])))
    return tuple(modes)


def choose_mode(modes: Sequence[SensorMode], size: tuple[int, int] | None = None) -> SensorMode | None:
    """The mode to run; None where a camera has none to choose from (USB and virtual cameras).

    Args:
        modes: of the sensor.
        size: the frames that are wanted; None takes the smallest mode of the whole field that is not narrower
            than LEAST_WIDTH_PX, or the largest where all are.

    Raises:
        CameraUnavailable: no mode has that size.
    """
    if not modes:
        return None
    if size is not None:
        exact = [mode for mode in modes if mode.size == size]
        if not exact:
            sizes = sorted({mode.size for mode in modes})
            raise CameraUnavailable(
                f"The sensor has no mode of {size[0]} x {size[1]} pixels.",
                f"It has {', '.join(f'{w}x{h}' for w, h in sizes)}.",
            )
        return max(exact, key=lambda mode: mode.bit_depth)
    most = max(mode.readout_px for mode in modes)
    whole = [mode for mode in modes if mode.readout_px >= _WHOLE * most]
    wide = [mode for mode in whole if mode.size[0] >= LEAST_WIDTH_PX]
    if not wide:
        return max(whole, key=lambda mode: (mode.size[0] * mode.size[1], mode.bit_depth))
    return min(wide, key=lambda mode: (mode.size[0] * mode.size[1], -mode.bit_depth))
