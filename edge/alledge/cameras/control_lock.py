"""Exposure and gains by libcamera's names, and whether a frame was really taken with them.

Settings take effect some frames after they are asked for, and nothing says which; the metadata of each
frame tells what it was taken with, and only that is believed (picamera2 issue 1287). A fixed exposure time,
gain or pair of colour gains turns its own automatics off; switching `AeEnable` off as well can freeze old
values (933).
"""

from collections.abc import Mapping
from typing import Final

from alledge.calibration.calibration import CameraControls

_FRAME_US: Final = 33_333  # 30 frames a second: a fresh one is never far away
_READOUT_US: Final = 1_000  # a frame lasts a little longer than its exposure
_EXPOSURE_STEP: Final = 0.02  # relative
_EXPOSURE_LINES_US: Final = 40  # sensors expose by whole lines, of 15 to 30 us
_GAIN_STEP: Final = 0.03  # relative; gains have steps of 1/256 to 1/16


def libcamera_controls(controls: CameraControls) -> dict[str, object]:
    """The controls to set. A frame must be allowed to last as long as its exposure, or that is cut short."""
    wanted: dict[str, object] = {}
    if controls.exposure_us is not None:
        longest = max(_FRAME_US, controls.exposure_us + _READOUT_US)
        wanted["FrameDurationLimits"] = (_FRAME_US, longest)
        wanted["ExposureTime"] = controls.exposure_us
    if controls.analogue_gain is not None:
        wanted["AnalogueGain"] = controls.analogue_gain
    if controls.colour_gains is not None:
        wanted["ColourGains"] = controls.colour_gains
    return wanted


def told_by(metadata: Mapping[str, object]) -> CameraControls:
    """What a frame was taken with, as its metadata tells."""
    exposure, gain, gains = (metadata.get(key) for key in ("ExposureTime", "AnalogueGain", "ColourGains"))
    return CameraControls(
        exposure_us=int(exposure) if isinstance(exposure, int) else None,
        analogue_gain=float(gain) if isinstance(gain, int | float) else None,
        colour_gains=(float(gains[0]), float(gains[1])) if isinstance(gains, tuple | list) else None,
    )


def departure(wanted: CameraControls, told: CameraControls) -> str | None:
    """How a frame's settings differ from those asked for, in words; None when they do not.

    What was asked for and is not told counts as a difference: a lock that cannot be checked is none.
    """
    if wanted.exposure_us is not None:
        limit = max(_EXPOSURE_STEP * wanted.exposure_us, _EXPOSURE_LINES_US)
        if told.exposure_us is None or abs(told.exposure_us - wanted.exposure_us) > limit:
            return f"exposure {told.exposure_us} us instead of {wanted.exposure_us} us"
    pairs = [("gain", wanted.analogue_gain, told.analogue_gain)]
    for index, name in enumerate(("red gain", "blue gain")):
        asked = wanted.colour_gains[index] if wanted.colour_gains else None
        pairs.append((name, asked, told.colour_gains[index] if told.colour_gains else None))
    for name, gain, has in pairs:
        if gain is not None and (has is None or abs(has - gain) > _GAIN_STEP * gain):
            return f"{name} {has} instead of {gain}"
    return None
