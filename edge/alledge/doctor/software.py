"""Is what runs here able to run the service at all: Python, its packages, the kernel?"""

import re
from typing import Final

from alledge.doctor.finding import Check, Finding, fault, fine, unknown, warning
from alledge.doctor.probe import Probe

_OLDEST_PYTHON, _NEWEST_PYTHON = (3, 11), (3, 13)
_OLDEST_KERNEL: Final = (6, 1)  # Raspberry Pi OS Bookworm's; older ones lack drivers that libcamera asks for
_OPENCV: Final = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)


def python_version(probe: Probe) -> Finding:
    """Python is one that the runtimes have wheels for."""
    version = probe.interpreter.version
    told = f"{version[0]}.{version[1]}"
    if _OLDEST_PYTHON <= version <= _NEWEST_PYTHON:
        return fine(f"Python {told}")
    return fault(
        f"Python {told} is none of 3.11 to 3.13.", "install Raspberry Pi OS Bookworm or Trixie, 64-bit"
    )


def userland_bits(probe: Probe) -> Finding:
    """The userland is 64-bit: there are no runtime wheels for 32."""
    if probe.interpreter.bits == 64:
        return fine("64-bit")
    return fault(
        "This is a 32-bit system; no TFLite runtime exists for it.", "install the 64-bit Raspberry Pi OS"
    )


def runtime_wheel(probe: Probe) -> Finding:
    """A TFLite runtime is installed."""
    packages = probe.interpreter.packages
    for name in ("ai-edge-litert", "tflite-runtime"):
        if name in packages:
            return fine(f"{name} {packages[name]}")
    return fault(
        "No TFLite runtime is installed.", f"{probe.interpreter.program} -m pip install 'ai-edge-litert>=2.1'"
    )


def runtime_numpy(probe: Probe) -> Finding:
    """tflite-runtime, where it is all there is, has the numpy that it was built for."""
    packages = probe.interpreter.packages
    numpy = packages.get("numpy", "")
    if "ai-edge-litert" in packages or "tflite-runtime" not in packages or numpy.startswith("1."):
        return fine(f"numpy {numpy}" if numpy else "numpy of the system")
    return fault(
        f"tflite-runtime 2.14 cannot work with numpy {numpy or '2'}.",
        f"{probe.interpreter.program} -m pip install 'ai-edge-litert>=2.1'",
    )


def opencv_variant(probe: Probe) -> Finding:
    """There is one OpenCV, the one without windows."""
    found = [name for name in _OPENCV if name in probe.interpreter.packages]
    if len(found) > 1:
        return fault(
            f"Several OpenCVs overwrite each other: {', '.join(found)}.",
            f"{probe.interpreter.program} -m pip uninstall -y {' '.join(found)} && "
            f"{probe.interpreter.program} -m pip install opencv-python-headless",
        )
    if found and "headless" not in found[0]:
        return warning(
            f"{found[0]} brings windows and needs libGL.",
            f"{probe.interpreter.program} -m pip uninstall -y {found[0]} && "
            f"{probe.interpreter.program} -m pip install opencv-python-headless",
        )
    return fine(found[0] if found else "OpenCV of the system")


def imports_work(probe: Probe) -> Finding:
    """What every field needs can be loaded."""
    ran = probe.ask(probe.interpreter.program, "-c", "import numpy, cv2")
    if ran.status == 0:
        return fine("numpy and OpenCV load")
    if ran.status is None:
        return unknown("numpy and OpenCV take too long to load.")
    last = ran.err.splitlines()[-1] if ran.err else "no word why"
    library = re.search(r"(lib\S+\.so\S*): cannot open", last)
    mend = f"{probe.interpreter.program} -m pip install --force-reinstall numpy opencv-python-headless"
    if library and "libGL" in library[1]:
        mend = "sudo apt install libgl1"
    return fault(f"numpy or OpenCV cannot be loaded ({last}).", mend)


def kernel_version(probe: Probe) -> Finding:
    """The kernel knows the cameras."""
    release = probe.text("/proc/sys/kernel/osrelease")
    matched = re.match(r"(\d+)\.(\d+)", release or "")
    if release is None or matched is None:
        return unknown("The kernel does not tell its version.")
    if (int(matched[1]), int(matched[2])) < _OLDEST_KERNEL:
        return fault(f"Kernel {release} is older than 6.1.", "sudo apt full-upgrade && sudo reboot")
    return fine(f"kernel {release}")


CHECKS: Final = (
    Check("python-version", python_version),
    Check("userland-32-bit", userland_bits),
    Check("runtime-missing", runtime_wheel),
    Check("runtime-numpy", runtime_numpy),
    Check("opencv-variant", opencv_variant),
    Check("libraries-load", imports_work),
    Check("kernel-version", kernel_version),
)
