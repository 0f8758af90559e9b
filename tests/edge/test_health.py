"""The machine's health is read from files of the kernel; what it does not tell is unknown, never guessed."""

from pathlib import Path

import pytest

from alledge.health import UNKNOWN_HEALTH, Health, read_health


def put(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """The sysfs of a Raspberry Pi 4."""
    put(tmp_path, "class/thermal/thermal_zone0/type", "cpu-thermal\n")
    put(tmp_path, "class/thermal/thermal_zone0/temp", "48686\n")
    put(tmp_path, "class/thermal/thermal_zone1/type", "rp1_adc\n")
    put(tmp_path, "class/thermal/thermal_zone1/temp", "61000\n")
    put(tmp_path, "devices/platform/soc/soc:firmware/get_throttled", "0\n")
    return tmp_path


def test_a_pi_that_feels_well(pi: Path) -> None:
    assert read_health(pi) == Health(48.686, False, False, False, False)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("1", (True, False, False, False)),
        ("50005", (True, True, True, True)),
        ("50000", (False, True, False, True)),
        ("a000a", (False, False, False, False)),  # capped frequency and the soft limit alone
    ],
)
def test_the_bits_of_the_firmware(pi: Path, flags: str, expected: tuple[bool, ...]) -> None:
    put(pi, "devices/platform/soc/soc:firmware/get_throttled", flags)
    health = read_health(pi)
    told = (
        health.under_voltage,
        health.under_voltage_since_boot,
        health.throttled,
        health.throttled_since_boot,
    )
    assert told == expected


def test_a_kernel_without_the_firmwares_file_tells_by_its_driver(pi: Path) -> None:
    (pi / "devices/platform/soc/soc:firmware/get_throttled").unlink()
    put(pi, "class/hwmon/hwmon2/name", "rpi_volt\n")
    put(pi, "class/hwmon/hwmon2/in0_lcrit_alarm", "1\n")
    assert read_health(pi) == Health(48.686, True, None, None, None)


def test_another_machine_tells_its_hottest_zone(tmp_path: Path) -> None:
    put(tmp_path, "class/thermal/thermal_zone0/temp", "40000\n")
    put(tmp_path, "class/thermal/thermal_zone1/temp", "55000\n")
    put(tmp_path, "class/thermal/thermal_zone2/temp", "-274000\n")
    assert read_health(tmp_path).temperature_c == 55.0


@pytest.mark.parametrize("text", ["", "hot", "\xff", "999999999"])
def test_what_cannot_be_read_is_unknown(tmp_path: Path, text: str) -> None:
    put(tmp_path, "class/thermal/thermal_zone0/temp", text)
    assert read_health(tmp_path) == UNKNOWN_HEALTH


def test_a_machine_that_tells_nothing_is_unknown(tmp_path: Path) -> None:
    assert read_health(tmp_path) == UNKNOWN_HEALTH
