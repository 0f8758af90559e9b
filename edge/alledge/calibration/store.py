"""One file, `calibration.json`, that appears whole or not at all and shows when it was altered.

It holds all that a frame is judged with, the surface of the empty field included, and the SHA-256 of all
that, written as canonical JSON (keys sorted, no spaces). The averaged picture of the empty field lies beside
it under the name of its own SHA-256, for people to look at; nothing is read from it again.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from alledge.calibration.calibration import Calibration, CameraControls, Scale, ScaleSource
from alledge.clock import ClockTrust, WallTime
from alledge.durable import make_folder, write_whole
from alledge.errors import CalibrationDamaged, CalibrationMissing
from alledge.illumination import Illumination
from alledge.images import encode_image
from alledge.strict_json import Json
from alledge.types import U8

CALIBRATION_FILE: Final = "calibration.json"
"""Name of the calibration within the data folder."""

FORMAT_VERSION: Final = 1
_AGAIN: Final = "Run `alledge calibrate` again."


def save_calibration(calibration: Calibration, empty_field: U8, folder: Path) -> Calibration:
    """Writes a calibration and the picture of its empty field.

    Args:
        calibration: what was measured; its sha256 is replaced by the right one.
        empty_field: (H, W, 3) uint8 BGR, kept beside it as PNG.
        folder: the data folder, made where it is missing.

    Returns:
        The calibration under its SHA-256.

    Raises:
        StorageFailed, PathUnusable: nothing was replaced.
    """
    picture = encode_image(empty_field, ".png")
    name = f"flat-field-{hashlib.sha256(picture).hexdigest()}.png"
    body = _as_json(calibration) | {"flat_field": name}
    sha256 = _hash(body)
    make_folder(folder)
    write_whole(folder / name, picture)
    text = json.dumps({"sha256": sha256, "calibration": body}, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / CALIBRATION_FILE, text.encode())
    for old in folder.glob("flat-field-*.png"):
        if old.name != name:
            # What is left of an old picture harms nobody; the new calibration stands already.
            with contextlib.suppress(OSError):
                old.unlink()
    return replace(calibration, sha256=sha256)


def load_calibration(path: Path) -> Calibration:
    """Reads a calibration.

    Args:
        path: the file, or the data folder that holds it.

    Raises:
        CalibrationMissing: there is none.
        CalibrationDamaged: the file is no calibration, or not as it was written.
    """
    file = path / CALIBRATION_FILE if path.is_dir() else path
    if not file.is_file():
        raise CalibrationMissing(f"{file} does not exist.", "Run `alledge calibrate` at the microscope.")
    try:
        whole: Json = json.loads(file.read_bytes(), parse_constant=_refuse, parse_float=_finite)
    except OSError as error:
        raise CalibrationDamaged(f"{file} cannot be read ({error.strerror}).", _AGAIN) from error
    except ValueError as error:
        raise CalibrationDamaged(f"{file} is no JSON ({error}).", _AGAIN) from error
    body = whole.get("calibration") if isinstance(whole, dict) else None
    if not isinstance(whole, dict) or not isinstance(body, dict):
        raise CalibrationDamaged(f"{file} holds no calibration.", _AGAIN)
    if body.get("format_version") != FORMAT_VERSION:
        raise CalibrationDamaged(f"{file} was written by another version of alledge.", _AGAIN)
    sha256 = _hash(body)
    if whole.get("sha256") != sha256:
        raise CalibrationDamaged(f"{file} was altered since it was written.", _AGAIN)
    try:
        return _from_json(body, sha256)
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationDamaged(f"{file} lacks something or is out of range ({error}).", _AGAIN) from error


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(digits: str) -> float:
    """A number; one flipped byte may make an exponent of it, and that infinity."""
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _hash(body: Mapping[str, Json]) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _as_json(calibration: Calibration) -> dict[str, Json]:
    scale, controls, lamp = calibration.scale, calibration.controls, calibration.illumination
    gains = controls.colour_gains
    return {
        "format_version": FORMAT_VERSION,
        "scale": {
            "pixel_um": scale.pixel_um,
            "standard_error_um": scale.standard_error_um,
            "source": scale.source.value,
            "n_marks": scale.n_marks,
        },
        "width": lamp.width,
        "height": lamp.height,
        "background_bgr": lamp.background.tolist(),
        "controls": {
            "exposure_us": controls.exposure_us,
            "analogue_gain": controls.analogue_gain,
            "colour_gains": None if gains is None else list(gains),
        },
        "white_bgr": list(calibration.white),
        "focus": calibration.focus,
        "objective": calibration.objective,
        "camera": calibration.camera,
        "software_version": calibration.software_version,
        "wall": {
            "unix_s": calibration.wall.unix_s,
            "iso": calibration.wall.iso,
            "trust": calibration.wall.trust.value,
        },
    }


def _from_json(body: dict[str, Json], sha256: str) -> Calibration:
    """Raises KeyError, TypeError or ValueError for whatever is not as `_as_json` writes it."""
    scale, controls, wall = (_object(body[name]) for name in ("scale", "controls", "wall"))
    blue, green, red = _numbers(body["white_bgr"], 3)
    focus, exposure, gain = body["focus"], controls["exposure_us"], controls["analogue_gain"]
    gains = None if controls["colour_gains"] is None else _numbers(controls["colour_gains"], 2)
    return Calibration(
        scale=Scale(
            _positive(scale["pixel_um"]),
            _number(scale["standard_error_um"]),
            ScaleSource(_text(scale["source"])),
            round(_number(scale["n_marks"])),
        ),
        illumination=_illumination(body),
        controls=CameraControls(
            None if exposure is None else round(_positive(exposure)),
            None if gain is None else _positive(gain),
            None if gains is None else (gains[0], gains[1]),
        ),
        white=(blue, green, red),
        focus=None if focus is None else _positive(focus),
        objective=_text(body["objective"]),
        camera=_text(body["camera"]),
        software_version=_text(body["software_version"]),
        wall=WallTime(_number(wall["unix_s"]), ClockTrust(_text(wall["trust"]))),
        sha256=sha256,
    )


def _illumination(body: dict[str, Json]) -> Illumination:
    background = np.array(body["background_bgr"], dtype=np.float32)
    if background.ndim != 3 or background.shape[2] != 3 or min(background.shape) < 2:
        raise ValueError(f"a background of shape {background.shape}")
    if not (np.isfinite(background).all() and background.min() > 0):
        raise ValueError("a background without light")
    background.setflags(write=False)
    return Illumination(background, round(_positive(body["width"])), round(_positive(body["height"])))


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _positive(value: Json) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError(f"{number} is not above 0")
    return number


def _numbers(value: Json, count: int) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"{value!r} is no list of {count} numbers")
    return tuple(_number(item) for item in value)
