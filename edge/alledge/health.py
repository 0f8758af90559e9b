"""How the machine itself feels: heat and supply voltage, stored beside every result.

A Raspberry Pi on a thin cable browns out, and a hot one slows down; either explains a strange hour long
after it has passed. The kernel tells both in files, so no tool is run and no library is asked. Where a
machine does not tell (any but a Pi), the answer is None, never a guess.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNDER_VOLTAGE_NOW: Final = 1 << 0  # bits of get_throttled, Raspberry Pi firmware documentation
_THROTTLED_NOW: Final = 1 << 2
_UNDER_VOLTAGE_SINCE_BOOT: Final = 1 << 16
_THROTTLED_SINCE_BOOT: Final = 1 << 18
_THROTTLED_FILES: Final = "devices/platform/soc*/soc*:firmware/get_throttled"
_THERMAL_ZONES: Final = "class/thermal/thermal_zone*"
_MONITORS: Final = "class/hwmon/hwmon*"
_HOTTEST_C: Final = 150.0  # a reading beyond it is a broken sensor, not a processor


@dataclass(frozen=True, slots=True)
class Health:
    """Temperature of the processor in degrees Celsius, and what the power supply did; None is not known."""

    temperature_c: float | None
    under_voltage: bool | None
    under_voltage_since_boot: bool | None
    throttled: bool | None
    throttled_since_boot: bool | None


UNKNOWN_HEALTH: Final = Health(None, None, None, None, None)


def read_health(sys_root: Path = Path("/sys")) -> Health:
    """Ask the kernel; what cannot be read is None. sys_root: where sysfs lies, tests make their own."""
    flags = _throttled_flags(sys_root)
    if flags is None:
        alarm = _voltage_alarm(sys_root)
        return Health(_temperature_c(sys_root), alarm, None, None, None)
    return Health(
        temperature_c=_temperature_c(sys_root),
        under_voltage=bool(flags & _UNDER_VOLTAGE_NOW),
        under_voltage_since_boot=bool(flags & _UNDER_VOLTAGE_SINCE_BOOT),
        throttled=bool(flags & _THROTTLED_NOW),
        throttled_since_boot=bool(flags & _THROTTLED_SINCE_BOOT),
    )


def _temperature_c(sys_root: Path) -> float | None:
    """The processor's zone where one is named so, else the hottest of all zones."""
    zones = {zone: _number(zone / "temp") for zone in sorted(sys_root.glob(_THERMAL_ZONES))}
    known = {zone: value / 1000 for zone, value in zones.items() if value is not None}
    plausible = {zone: value for zone, value in known.items() if -_HOTTEST_C < value < _HOTTEST_C}
    processor = [value for zone, value in plausible.items() if "cpu" in (_text(zone / "type") or "")]
    return max(processor or plausible.values(), default=None)


def _throttled_flags(sys_root: Path) -> int | None:
    """The firmware's bits, where this kernel has them in a file."""
    for file in sorted(sys_root.glob(_THROTTLED_FILES)):
        flags = _number(file, base=16)
        if flags is not None:
            return flags
    return None


def _voltage_alarm(sys_root: Path) -> bool | None:
    """The alarm of the kernel's own driver (raspberrypi-hwmon), for kernels without the firmware's file."""
    for monitor in sorted(sys_root.glob(_MONITORS)):
        if _text(monitor / "name") == "rpi_volt":
            alarm = _number(monitor / "in0_lcrit_alarm")
            return None if alarm is None else bool(alarm)
    return None


def _number(file: Path, base: int = 10) -> int | None:
    text = _text(file)
    try:
        return None if text is None else int(text, base)
    except ValueError:
        return None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
