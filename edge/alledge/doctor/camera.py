"""Is there a camera, can the service open it, and does nobody else hold it?"""

import re
from typing import Final

from alledge.doctor.finding import Check, Finding, fault, fine, unknown
from alledge.doctor.installation import reinstall
from alledge.doctor.probe import Probe
from alledge.programs import Ran

_CABLE: Final = "switch off, push the ribbon cable home at both ends, then `rpicam-hello --list-cameras`"
_LEAST_CMA_MB: Final = 256
_CONFIG_TXT: Final = ("/boot/firmware/config.txt", "/boot/config.txt")
# trixie's own 0.4.0 leaves a status field uninitialised: picamera2 drops frames silently, captures hang.
_KNOWN_BAD_LIBCAMERA: Final = "0.4.0"


def camera_found(probe: Probe) -> Finding:
    """The camera that the settings name is there."""
    kind, _, rest = probe.settings.camera.partition(":")
    device = rest.partition(",")[0]
    if kind == "v4l2":
        if probe.has(device):
            return fine(f"{device} is there")
        return fault(f"There is no {device}.", "plug the USB microscope in; `ls /dev/video*` shows its name")
    if kind != "picamera2":
        return fine(f"'{probe.settings.camera}' needs no camera")
    listed = probe.ask("rpicam-hello", "--list-cameras")
    if listed.status is None:
        listed = probe.ask("libcamera-hello", "--list-cameras")
    if listed.status is None:
        return unknown("Cameras cannot be listed.", "sudo apt install rpicam-apps-lite")
    cameras = re.findall(r"^\s*\d+\s*:\s*(\S+)", listed.out + "\n" + listed.err, flags=re.MULTILINE)
    if not cameras:
        return fault("There is no camera.", _CABLE)
    if device.isdecimal() and int(device) >= len(cameras):
        return fault(
            f"There is no camera {device}, only {len(cameras)}.",
            'set `camera = "picamera2:0"` in alledge.toml',
        )
    return fine(f"camera {', '.join(cameras)}")


def camera_stacks(probe: Probe) -> Finding:
    """There is one libcamera, not two."""
    apt = probe.names("/usr/lib/*/libcamera.so.*")
    own = probe.names("/usr/local/lib/**/libcamera.so.*")
    if "rpi-libcamera" in probe.interpreter.packages and apt:
        return fault(
            "There are two libcameras, one from apt and one from pip; they cannot share a camera.",
            f"{probe.interpreter.program} -m pip uninstall rpi-libcamera",
        )
    if own and apt:
        return fault(
            f"There are two libcameras, one from apt and {own[0]}.",
            f"sudo rm {' '.join(own)} && sudo ldconfig",
        )
    return fine("one camera stack" if apt or own else "no camera stack")


def camera_legacy(probe: Probe) -> Finding:
    """The firmware's camera stack of before 2022 is off: it hides the sensor from libcamera."""
    for file in _CONFIG_TXT:
        text = probe.text(file)
        if text is None:
            continue
        legacy = re.search(r"^\s*(start_x=1|gpu_mem_camera=.*)\s*$", text, flags=re.MULTILINE)
        if legacy:
            return fault(
                f"{file} switches the old camera stack on (`{legacy[1]}`).",
                "sudo raspi-config nonint do_legacy 1 && sudo reboot",
            )
        if re.search(r"^\s*camera_auto_detect=0\s*$", text, flags=re.MULTILINE) and "imx" not in text:
            return fault(
                f"{file} switches the search for cameras off.",
                f"sudo sed -i 's/^camera_auto_detect=0/camera_auto_detect=1/' {file} && sudo reboot",
            )
        return fine("the sensor belongs to libcamera")
    return unknown("There is no config.txt: no Raspberry Pi?")


def camera_holder(probe: Probe) -> Finding:
    """No other process holds the camera."""
    service = _main_pid(probe)
    holders: dict[str, str] = {}
    for link in probe.names("/proc/[0-9]*/fd/*"):
        pid = link.split("/")[2]
        try:
            opened = probe.at(link).readlink()
        except OSError:
            continue
        if re.fullmatch(r"/dev/(video|media)\d+", str(opened)) and not _belongs_to(probe, pid, service):
            holders[pid] = (probe.text(f"/proc/{pid}/comm") or "?").strip()
    # pipewire and wireplumber look at every camera, and let go of it when asked.
    strange = {pid: name for pid, name in holders.items() if name not in ("wireplumber", "pipewire")}
    if strange:
        named = ", ".join(f"{name} ({pid})" for pid, name in strange.items())
        return fault(f"Another process holds the camera: {named}.", f"sudo kill {' '.join(strange)}")
    return (
        fine("nobody else holds the camera")
        if probe.is_root
        else unknown("Other users' processes cannot be seen.", "sudo alledge doctor")
    )


def camera_memory(probe: Probe) -> Finding:
    """There is room for the camera's buffers."""
    if not probe.settings.camera.startswith("picamera2"):
        return fine("this camera takes no CMA memory")
    total = probe.meminfo_mb("CmaTotal")
    if total is None:
        return unknown("The kernel tells no CMA memory: no Raspberry Pi?")
    if total < _LEAST_CMA_MB:
        return fault(
            f"The camera has {total:.0f} MB of CMA memory and needs {_LEAST_CMA_MB}.",
            "sudo sed -i 's/^dtoverlay=vc4-kms-v3d.*/&,cma-512/' /boot/firmware/config.txt && sudo reboot",
        )
    return fine(f"{total:.0f} MB of CMA memory")


def camera_permission(probe: Probe) -> Finding:
    """The user of the service is in the group that cameras belong to."""
    groups = {}
    for line in (probe.text("/etc/group") or "").splitlines():
        name, _, rest = line.partition(":")
        groups[name] = rest.rpartition(":")[2].split(",")
    if "video" not in groups:
        return fault("There is no group `video`.", f"sudo groupadd --system video && {reinstall(probe)}")
    if "allscope" not in groups["video"]:
        return fault("The user allscope is not in the group `video`.", "sudo usermod -aG video allscope")
    return fine("allscope may open cameras")


def picamera2_import(probe: Probe) -> Finding:
    """picamera2 can be imported by the Python of the service."""
    ran = _import_picamera2(probe)
    if ran is None:
        return fine("this camera needs no picamera2")
    if ran.status == 0:
        return fine(f"picamera2 {ran.out}")
    if ran.status is None:
        return unknown(
            "picamera2 takes too long to import.", f"{probe.interpreter.program} -c 'import picamera2'"
        )
    if "numpy.dtype size changed" in ran.err or "numpy.core.multiarray" in ran.err:
        return unknown("It is broken by numpy; see numpy-abi.")
    last = ran.err.splitlines()[-1] if ran.err else "no word why"
    return fault(f"picamera2 cannot be imported ({last}).", "sudo apt install python3-picamera2")


def numpy_abi(probe: Probe) -> Finding:
    """One binary interface of numpy for apt's picamera2 and for pip's packages (issues 1088, 1211)."""
    ran = _import_picamera2(probe)
    if ran is not None and ran.status and ("numpy.dtype size changed" in ran.err or "multiarray" in ran.err):
        own = probe.interpreter.packages.get("numpy", "?")
        return fault(
            f"apt's picamera2 was built for another numpy than this environment's {own}.",
            f"{probe.interpreter.program} -m pip uninstall -y numpy   # apt's python3-numpy takes its place",
        )
    return fine("numpy fits")


def venv_sees_apt(probe: Probe) -> Finding:
    """The environment sees apt's packages, among them picamera2, which pip has only in part."""
    if not probe.settings.camera.startswith("picamera2") or not probe.interpreter.is_venv:
        return fine("no environment between us and apt's packages")
    text = probe.text(f"{probe.interpreter.prefix}/pyvenv.cfg") or ""
    if re.search(r"include-system-site-packages\s*=\s*true", text):
        return fine("the environment sees apt's packages")
    if "picamera2" in probe.interpreter.packages:
        return fine("picamera2 lies in the environment")
    return fault(
        "The environment does not see apt's packages, and so no picamera2.",
        f"sudo python3 -m venv --system-site-packages --upgrade {probe.interpreter.prefix}",
    )


def libcamera_version(probe: Probe) -> Finding:
    """None of the versions of libcamera that lose frames."""
    ran = probe.ask("dpkg-query", "-W", "-f", "${Version}\n", "python3-libcamera")
    if ran.status != 0:
        return unknown("libcamera is not from apt.")
    version = ran.out.splitlines()[0].removeprefix("1:") if ran.out else ""
    if version.startswith(_KNOWN_BAD_LIBCAMERA) and "rpt" not in version:
        return fault(
            f"libcamera {version} drops frames silently.",
            "sudo apt install -t trixie-backports python3-libcamera",
        )
    return fine(f"libcamera {version}")


def _import_picamera2(probe: Probe) -> Ran | None:
    if not probe.settings.camera.startswith("picamera2"):
        return None
    code = "import picamera2, importlib.metadata as m; print(m.version('picamera2'))"
    return probe.ask(probe.interpreter.program, "-c", code)


def _main_pid(probe: Probe) -> str:
    return probe.ask("systemctl", "show", "-P", "MainPID", "alledge.service").out or "0"


def _belongs_to(probe: Probe, pid: str, main: str) -> bool:
    """Whether a process is the service's or its child: the camera lives in one of its own."""
    stat = probe.text(f"/proc/{pid}/stat") or ""
    parent = stat.rpartition(")")[2].split()[1:2]
    return main != "0" and (pid == main or parent == [main])


CHECKS: Final = (
    Check("camera-found", camera_found),
    Check("camera-two-stacks", camera_stacks),
    Check("camera-legacy-stack", camera_legacy),
    Check("camera-held", camera_holder),
    Check("camera-memory", camera_memory),
    Check("camera-permission", camera_permission),
    Check("picamera2-import", picamera2_import),
    Check("numpy-abi", numpy_abi),
    Check("venv-hides-apt", venv_sees_apt),
    Check("libcamera-version", libcamera_version),
)
