"""The device stays light: no training framework, and help without numpy, OpenCV or a runtime."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import alledge

REPOSITORY = Path(__file__).resolve().parents[2]

HEAVY = ("tensorflow", "keras", "matplotlib", "sklearn", "scipy", "alltrain", "allconvert")


def modules_after(code: str) -> set[str]:
    """Names of the top-level modules that a fresh interpreter holds after running `code`."""
    tell = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_no_module_of_the_device_imports_a_training_framework() -> None:
    names = [module.name for module in pkgutil.walk_packages(alledge.__path__, "alledge.")]
    assert len(names) > 15
    loaded = modules_after("\n".join(f"import {name}" for name in names))
    assert not loaded & set(HEAVY)
    assert "picamera2" not in loaded


def test_help_loads_nothing_heavy() -> None:
    for command in ("alledge", "alltrain", "allconvert"):
        loaded = modules_after(f"import {command}.cli")
        assert not loaded & {*HEAVY[:5], "numpy", "cv2", "ai_edge_litert", "rich"}, command


def test_the_runtime_and_the_camera_start_only_where_someone_asks() -> None:
    loaded = modules_after("import alledge.pipeline, alledge.cameras")
    assert not loaded & {"ai_edge_litert", "tflite_runtime", "picamera2", "libcamera"}


def test_no_program_that_we_start_imports_from_the_folder_in_which_somebody_stands() -> None:
    """`python -m` looks there first, and on a stick there may be a numpy.py."""
    starts = re.compile(r'(?:executable|python), ((?:"-\w", )*)"-m"')
    started = [
        (file, match[1])
        for package in ("edge", "train", "convert")
        for file in (REPOSITORY / package).rglob("*.py")
        for match in starts.finditer(file.read_text())
    ]
    assert len(started) >= 7
    assert [str(file) for file, options in started if '"-P"' not in options] == []
