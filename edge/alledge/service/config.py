"""What the service is told in its TOML file, every key checked; and a copy of the last one that was good.

A power cut or a slip of the hand must not stop a microscope: a file that cannot be used is told as a
trouble, and the last good copy, kept in the data folder, stands in. Without a copy the service refuses.
"""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from alledge.durable import write_whole
from alledge.errors import ConfigUnusable, StorageFailed
from alledge.service.troubles import Trouble

CONFIG_FILE: Final = Path("/etc/allscope/alledge.toml")
LAST_GOOD: Final = "alledge.last-good.toml"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of `alledge run`; each field is a key of the file.

    camera: a SPEC. model: the model file. data: folder of journal and calibration. runtime: folder of the
    control socket and the status file. pixel_um: 0 takes the calibration's, or measures on red cells.
    frames_per_s: at most so many are captured. open_s, capture_s: after which a camera counts as hung.
    target_cells: of the differential. keep_pictures: store each field as a JPEG as well.
    slide: name of slides that nobody named. journal_limit_gb: above which old pictures of signed-off slides
    are removed, in 10^9 bytes. metrics_port: of `alledge metrics` on this machine; 0 serves none.
    """

    camera: str = "picamera2:0"
    model: str = "/var/lib/allscope/model.tflite"
    data: str = "/var/lib/allscope"
    runtime: str = "/run/allscope"
    pixel_um: float = 0.0
    frames_per_s: float = 15.0
    open_s: float = 20.0
    capture_s: float = 5.0
    target_cells: int = 100
    keep_pictures: bool = False
    slide: str = "unnamed"
    journal_limit_gb: float = 16.0
    metrics_port: int = 0


_RANGES: Final[dict[str, tuple[float, float]]] = {
    "pixel_um": (0.0, 5.0),
    "frames_per_s": (0.1, 120.0),
    "open_s": (1.0, 120.0),
    "capture_s": (0.2, 60.0),
    "target_cells": (1, 100_000),
    "journal_limit_gb": (0.01, 100_000.0),
    "metrics_port": (0, 65_535),
}
_NEXT_STEP: Final = "Mend the file; docs/service.md lists the keys."


def parse_config(data: bytes, name: str) -> Config:
    """The configuration that a TOML file holds. `name` stands for it in errors.

    Raises:
        ConfigUnusable: no TOML, an unknown key, a value of another type or out of its range.
    """
    try:
        told = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigUnusable(f"{name} is no TOML ({error}).", _NEXT_STEP) from error
    if data and not data.endswith(b"\n"):
        # What was cut short within a number is another number, and good TOML.
        raise ConfigUnusable(
            f"{name} ends within a line: it was cut short.", "End its last line and check it."
        )
    types = {field.name: type(field.default) for field in fields(Config)}
    values: dict[str, object] = {}
    for key, value in told.items():
        if key not in types:
            raise ConfigUnusable(f"{name} has an unknown key `{key}`.", f"Known: {', '.join(types)}.")
        values[key] = _checked(key, value, types[key], name)
    return replace(Config(), **values)  # type: ignore[arg-type]  # each was checked against its field


def read_config(file: Path, data_folder: Path | None = None) -> tuple[Config, Trouble | None]:
    """The configuration in force: the file's, or the last good one with the trouble that it stands in for.

    Args:
        file: the TOML file; a missing one means the defaults where there is no last good copy either.
        data_folder: where the last good copy lies; None takes the default's.

    Raises:
        ConfigUnusable: the file cannot be used and there is no good copy.
    """
    kept = (data_folder or Path(Config().data)) / LAST_GOOD
    try:
        data = file.read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not kept.is_file():
            return Config(), None
        return _stand_in(kept, ConfigUnusable(f"{file} cannot be read ({error.strerror}).", _NEXT_STEP))
    try:
        config = parse_config(data, str(file))
    except ConfigUnusable as error:
        return _stand_in(kept, error)
    if not data.strip() and kept.is_file():
        # An empty file is what a power cut leaves of one that was being written.
        return _stand_in(kept, ConfigUnusable(f"{file} is empty.", _NEXT_STEP))
    return config, None


def keep_good_copy(file: Path, data_folder: Path) -> Trouble | None:
    """Keep the file as the last good one; gives the trouble when the disk refuses."""
    kept = data_folder / LAST_GOOD
    try:
        data = file.read_bytes()
        if not kept.is_file() or kept.read_bytes() != data:
            write_whole(kept, data)
    except FileNotFoundError:
        return None
    except StorageFailed as error:
        return Trouble.of(error)
    return None


def _stand_in(kept: Path, error: ConfigUnusable) -> tuple[Config, Trouble]:
    if not kept.is_file():
        raise error
    return parse_config(kept.read_bytes(), str(kept)), Trouble.of(error)


def _checked(key: str, value: object, kind: type, name: str) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ConfigUnusable(f"{name}: `{key}` must be a {kind.__name__}, but is {value!r}.", _NEXT_STEP)
    if key in _RANGES and isinstance(value, int | float):
        low, high = _RANGES[key]
        if not low <= value <= high:
            raise ConfigUnusable(f"{name}: `{key}` must be {low:g} to {high:g}, is {value:g}.", _NEXT_STEP)
    return value
