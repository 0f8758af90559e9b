"""What a SPEC of a real camera says after its device: `picamera2:0,size=2028x1520,exposure_us=9994,...`.

The camera lives in a process of its own that is told nothing but its SPEC, so the settings that a calibration
holds for travel in it: whoever starts the camera from a SPEC starts it locked.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Final, NoReturn

from alledge.calibration.calibration import CameraControls
from alledge.errors import CameraUnavailable

_REAL: Final = re.compile(r"(picamera2|v4l2):([^,|]+)((?:,[^|]*)?)")
_KEYS: Final = ("size", "lores", "exposure_us", "analogue_gain", "red_gain", "blue_gain")
_EXAMPLE: Final = "Write picamera2:0 or picamera2:0,size=2028x1520,exposure_us=9994,analogue_gain=1.0."


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """A device and how to set it.

    device: what stands after the kind, "0" or "/dev/video0".
    size: (width, height) of the frames in pixels; None leaves it to the camera.
    lores: (width, height) of a second, reduced stream beside it; None does without.
    controls: what to lock the camera to; nothing in it leaves the automatics on.
    """

    device: str
    size: tuple[int, int] | None = None
    lores: tuple[int, int] | None = None
    controls: CameraControls = field(default_factory=CameraControls)


def parse_device_spec(text: str) -> DeviceSpec:
    """Reads what follows `picamera2:` or `v4l2:`.

    Raises:
        CameraUnavailable: a key is unknown or given twice, a value is no number above 0, or only one of the
            two colour gains is there.
    """
    device, *pairs = text.split(",")
    told: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in _KEYS or key in told:
            _refuse(f"'{pair}' is no setting of a camera.")
        told[key] = value
    if ("red_gain" in told) != ("blue_gain" in told):
        _refuse("Colour gains come in pairs.")
    exposure = _above_zero(told, "exposure_us")
    red, blue = _above_zero(told, "red_gain"), _above_zero(told, "blue_gain")
    controls = CameraControls(
        exposure_us=None if exposure is None else round(exposure),
        analogue_gain=_above_zero(told, "analogue_gain"),
        colour_gains=None if red is None or blue is None else (red, blue),
    )
    return DeviceSpec(device, _size(told, "size"), _size(told, "lores"), controls)


def locked_spec(spec: str, controls: CameraControls, size: tuple[int, int] | None = None) -> str:
    """A SPEC with a calibration's settings in it, for cameras that have any; others come back as they are.

    Args:
        spec: as a user gives it; what it sets itself stays.
        controls: what the calibration holds for.
        size: (width, height) that the calibration holds for.
    """
    matched = _REAL.fullmatch(spec)
    if matched is None:
        return spec
    kind, device, rest = matched.groups()
    given = {pair.partition("=")[0] for pair in rest.split(",") if pair}
    told: dict[str, str] = {}
    if size is not None:
        told["size"] = f"{size[0]}x{size[1]}"
    if controls.exposure_us is not None:
        told["exposure_us"] = str(controls.exposure_us)
    if controls.analogue_gain is not None:
        told["analogue_gain"] = repr(controls.analogue_gain)
    if controls.colour_gains is not None and "red_gain" not in given:
        told["red_gain"], told["blue_gain"] = map(repr, controls.colour_gains)
    added = "".join(f",{key}={value}" for key, value in told.items() if key not in given)
    return f"{kind}:{device}{rest}{added}"


def _above_zero(told: dict[str, str], key: str) -> float | None:
    if key not in told:
        return None
    try:
        value = float(told[key])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        _refuse(f"'{key}={told[key]}' is no number above 0.")
    return value


def _size(told: dict[str, str], key: str) -> tuple[int, int] | None:
    if key not in told:
        return None
    matched = re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", told[key])
    if matched is None:
        _refuse(f"'{key}={told[key]}' is no size in pixels.")
    return int(matched[1]), int(matched[2])


def _refuse(what: str) -> NoReturn:
    raise CameraUnavailable(what, _EXAMPLE)
