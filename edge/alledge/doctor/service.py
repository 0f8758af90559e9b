"""The service as systemd sees it, and as it sees itself."""

import json
import re
from pathlib import Path
from typing import Final

from alledge import __version__
from alledge.doctor.finding import Check, Finding, fault, fine, unknown, warning
from alledge.doctor.installation import INSTALL_SERVICE, REINSTALL_PACKAGE, is_packaged
from alledge.doctor.probe import Probe
from alledge.install.files import MARK, TARGETS, UNIT, package_files, service_files
from alledge.strict_json import Json

_MANY_RESTARTS: Final = 5
_LOG: Final = "`journalctl -u alledge -n 50` says why; then `sudo systemctl restart alledge`"
_STOPPED_STATES: Final = ("inactive", "failed", "deactivating")


def installed(probe: Probe) -> Finding:
    """The unit is there."""
    if probe.has(TARGETS[UNIT]):
        return fine("installed")
    if is_packaged(probe):
        return fine("installed by the Debian package")
    return fault("The service is not installed.", INSTALL_SERVICE)


def up_to_date(probe: Probe) -> Finding:
    """The files of the service are those of this version."""
    text = probe.text(TARGETS[UNIT])
    if is_packaged(probe):
        return _package_up_to_date(probe, hidden=text is not None)
    if text is None:
        return unknown("The service is not installed.", INSTALL_SERVICE)
    if not text.startswith(MARK.strip()):
        return warning(
            f"/{TARGETS[UNIT]} was not made by `alledge install-service`.", "move it away and install"
        )
    started = re.search(r"^ExecStart=(\S+)", text, flags=re.MULTILINE)
    program = started[1] if started else ""
    if not probe.has(program):
        return fault(f"The service starts '{program}', which is not there.", INSTALL_SERVICE)
    for placed in service_files(Path(program)):
        if (probe.text(placed.target) or "") != placed.data.decode().strip("\n\0 "):
            return warning(f"/{placed.target} is of another version.", INSTALL_SERVICE)
    return fine("as this version installs it")


def _package_up_to_date(probe: Probe, *, hidden: bool) -> Finding:
    """Whether what the Debian package brought is whole, and is what systemd reads."""
    if hidden:
        return warning(
            f"/{TARGETS[UNIT]} hides the unit of the Debian package.", f"move /{TARGETS[UNIT]} away"
        )
    for placed in package_files():
        if (probe.text(placed.target) or "") != placed.data.decode().strip("\n\0 "):
            return warning(f"/{placed.target} is not as the package brought it.", REINSTALL_PACKAGE)
    return fine("as this version's Debian package installs it")


def enabled(probe: Probe) -> Finding:
    """It starts with the machine."""
    state = _show(probe).get("UnitFileState")
    if state is None:
        return unknown("systemd does not answer.")
    if state.startswith("masked"):
        return fault(
            "The service is masked.", "sudo systemctl unmask alledge && sudo systemctl enable --now alledge"
        )
    if state not in ("enabled", "enabled-runtime"):
        return fault("The service does not start with the machine.", "sudo systemctl enable alledge")
    return fine("it starts with the machine")


def running(probe: Probe) -> Finding:
    """It runs."""
    told = _show(probe)
    state = told.get("ActiveState")
    if state is None:
        return unknown("systemd does not answer.")
    if state == "failed":
        reset = "sudo systemctl reset-failed alledge && sudo systemctl start alledge"
        return fault(f"The service failed ({told.get('Result', 'no word why')}).", f"{_LOG}, or {reset}")
    if state in _STOPPED_STATES:
        return fault("The service does not run.", "sudo systemctl start alledge")
    return fine("running" if state == "active" else state)


def restarts(probe: Probe) -> Finding:
    """It was not started again and again."""
    count = _show(probe).get("NRestarts", "")
    if not count.isdecimal():
        return unknown("systemd does not tell how often the service was restarted.")
    if int(count) >= _MANY_RESTARTS:
        return warning(f"The service was restarted {count} times.", _LOG)
    return fine(f"{count} restarts")


def control_socket(probe: Probe) -> Finding:
    """Nothing else sits at the control socket."""
    socket = f"{probe.settings.runtime}/control.sock"
    state = _show(probe).get("ActiveState")
    if probe.has(socket) and state in _STOPPED_STATES:
        return warning(
            f"{socket} is there, but the service does not run: another `alledge run`, or a killed one.",
            f"`pgrep -af 'alledge run'` names it; else sudo rm {socket}",
        )
    if state == "active" and not probe.has(socket):
        return fault(f"The service runs, but {socket} is missing.", "sudo systemctl restart alledge")
    return fine("free" if state != "active" else "the service's")


def own_word(probe: Probe) -> Finding:
    """It has no trouble that it tells of."""
    status = _status(probe)
    if status is None:
        return unknown("The service tells nothing.", "sudo alledge doctor")
    troubles = status.get("troubles")
    if isinstance(troubles, list) and troubles and isinstance(troubles[0], dict):
        first = troubles[0]
        return fault(f"The service has trouble: {first.get('what')}", str(first.get("next", _LOG)))
    return fine(f"it is {status.get('state', 'there')}")


def running_version(probe: Probe) -> Finding:
    """What runs is what is installed."""
    status = _status(probe)
    if status is None:
        return unknown("The service tells no version.")
    version = status.get("software_version")
    if version != __version__:
        return warning(
            f"Version {version} runs, {__version__} is installed.", "sudo systemctl restart alledge"
        )
    return fine(f"version {version}")


def _status(probe: Probe) -> dict[str, Json] | None:
    try:
        told: Json = json.loads(probe.text(f"{probe.settings.runtime}/status.json") or "")
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _show(probe: Probe) -> dict[str, str]:
    ran = probe.ask("systemctl", "show", "-p", "LoadState,ActiveState,UnitFileState,NRestarts,Result", UNIT)
    pairs = (line.partition("=") for line in ran.out.splitlines()) if ran.status == 0 else ()
    return {key: value for key, _, value in pairs}


CHECKS: Final = (
    Check("service-installed", installed),
    Check("service-outdated", up_to_date),
    Check("service-enabled", enabled),
    Check("service-running", running),
    Check("service-restarts", restarts),
    Check("control-socket", control_socket),
    Check("service-trouble", own_word),
    Check("service-version", running_version),
)
