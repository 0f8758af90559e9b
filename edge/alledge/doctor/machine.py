"""Power, heat, memory, and time: what a Pi on a laboratory bench suffers from."""

from dataclasses import dataclass, replace
from typing import Final

from alledge.clock import SOFTWARE_BUILT_UNIX_S
from alledge.doctor.finding import Check, Finding, fault, fine, unknown, warning
from alledge.doctor.installation import reinstall
from alledge.doctor.probe import Probe
from alledge.health import Health, read_health

_HOT_C, _TOO_HOT_C = 75.0, 80.0  # at 80 the firmware slows the processor down (Raspberry Pi documentation)
_SUPPLY: Final = "use the official power supply and its own cable; take other loads off USB"
_COOL: Final = "fit the heat sink and the fan, and give the case air"
_LEAST_TOTAL_MB, _LEAST_FREE_MB = 900.0, 300.0


def under_voltage(probe: Probe) -> Finding:
    """The supply holds its voltage now."""
    now = _health(probe).under_voltage
    if now is None:
        return unknown("Nothing tells the supply's voltage.")
    return fault("The supply voltage is too low now.", _SUPPLY) if now else fine("the voltage holds")


def under_voltage_past(probe: Probe) -> Finding:
    """The supply has held its voltage since the machine started."""
    past = _health(probe).under_voltage_since_boot
    if past is None:
        return unknown("Nothing tells whether the voltage has held.")
    return (
        warning("The supply voltage was too low since the start.", _SUPPLY) if past else fine("it has held")
    )


def throttled(probe: Probe) -> Finding:
    """The processor runs at its own speed."""
    told = _health(probe)
    if told.throttled is None:
        return unknown("Nothing tells whether the processor is slowed down.")
    if told.throttled:
        return fault("The processor is slowed down now, by heat or by its supply.", f"{_COOL}; {_SUPPLY}")
    if told.throttled_since_boot:
        return warning("The processor was slowed down since the start.", f"{_COOL}; {_SUPPLY}")
    return fine("full speed")


def temperature(probe: Probe) -> Finding:
    """The processor is cool enough."""
    told = _health(probe).temperature_c
    if told is None:
        return unknown("Nothing tells the temperature.")
    if told >= _TOO_HOT_C:
        return fault(f"The processor has {told:.0f} degrees.", _COOL)
    return (
        warning(f"The processor has {told:.0f} degrees.", _COOL)
        if told >= _HOT_C
        else fine(f"{told:.0f} degrees")
    )


def memory_total(probe: Probe) -> Finding:
    """The machine has memory for the service and its camera."""
    total = probe.meminfo_mb("MemTotal")
    if total is None:
        return unknown("The kernel does not tell its memory.")
    if total < _LEAST_TOTAL_MB:
        return warning(
            f"The machine has {total:.0f} MB of memory; 1 GB is the least.", "use a Pi with 2 GB or more"
        )
    return fine(f"{total:.0f} MB of memory")


def memory_free(probe: Probe) -> Finding:
    """Memory is left."""
    left = probe.meminfo_mb("MemAvailable")
    if left is None:
        return unknown("The kernel does not tell its free memory.")
    if left < _LEAST_FREE_MB:
        return fault(
            f"Only {left:.0f} MB of memory are left.", "`ps aux --sort=-rss | head` names who has it; end it"
        )
    return fine(f"{left:.0f} MB left")


def clock_synchronised(probe: Probe) -> Finding:
    """Something keeps the wall clock right: results carry its trust."""
    now = probe.wall_s()
    if now < SOFTWARE_BUILT_UNIX_S:
        return fault(
            "The clock is earlier than this software.", "sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS'"
        )
    if probe.has("/run/systemd/timesync/synchronized"):
        return fine("synchronised")
    if probe.ask("timedatectl", "show", "-P", "NTPSynchronized").out == "yes":
        return fine("synchronised")
    return warning(
        "Nothing keeps the clock right; results say so.", "sudo timedatectl set-ntp true, and a network"
    )


def clock_battery(probe: Probe) -> Finding:
    """The clock goes on while the power is off."""
    clocks = probe.names("/sys/class/rtc/rtc*")
    if not clocks:
        return warning(
            "There is no battery clock: after a start without network the time is wrong.",
            "fit an RTC (a Pi 5 needs only its battery), then `sudo hwclock --systohc`",
        )
    return fine("there is a battery clock")


def hardware_watchdog(probe: Probe) -> Finding:
    """The processor resets a kernel that hangs."""
    if not probe.names("/dev/watchdog*"):
        return warning(
            "There is no hardware watchdog.",
            "echo dtparam=watchdog=on | sudo tee -a /boot/firmware/config.txt && sudo reboot",
        )
    if probe.ask("systemctl", "show", "-P", "RuntimeWatchdogUSec").out in ("0", "infinity", ""):
        return warning("The hardware watchdog is not used.", reinstall(probe))
    return fine("the hardware watchdog is armed")


@dataclass(frozen=True, slots=True)
class _Bit:
    flag: int
    name: str


_BITS: Final = (
    _Bit(1 << 0, "under_voltage"),
    _Bit(1 << 2, "throttled"),
    _Bit(1 << 16, "under_voltage_since_boot"),
    _Bit(1 << 18, "throttled_since_boot"),
)


def _health(probe: Probe) -> Health:
    """What the kernel tells, or else the firmware through its tool."""
    told = read_health(probe.at("/sys"))
    if told.throttled is not None:
        return told
    said = probe.ask("vcgencmd", "get_throttled").out  # throttled=0x50005
    _, equals, value = said.partition("=")
    if not equals:
        return told
    try:
        flags = int(value, 16)
    except ValueError:
        return told
    return replace(told, **{bit.name: bool(flags & bit.flag) for bit in _BITS})


CHECKS: Final = (
    Check("under-voltage", under_voltage),
    Check("under-voltage-past", under_voltage_past),
    Check("throttled", throttled),
    Check("temperature", temperature),
    Check("memory-total", memory_total),
    Check("memory-free", memory_free),
    Check("clock-synchronised", clock_synchronised),
    Check("clock-battery", clock_battery),
    Check("hardware-watchdog", hardware_watchdog),
)
