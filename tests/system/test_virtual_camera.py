"""Our camera source on the real picamera2, over libcamera's virtual camera, in a root of Debian trixie.

Needs root and a folder that `scripts/virtual-camera` has made, named by ALLSCOPE_VIRTUAL_CAMERA_ROOT.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from alledge import __version__

HERE = Path(__file__).parent / "virtual_camera"
REPOSITORY = HERE.parents[2]
SCENE_BGR = (60, 90, 190)
ROOT = os.environ.get("ALLSCOPE_VIRTUAL_CAMERA_ROOT", "")

pytestmark = [
    pytest.mark.skipif(
        not ROOT, reason="ALLSCOPE_VIRTUAL_CAMERA_ROOT is not set; see scripts/virtual-camera"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="a root can be entered by root only"),
]


@pytest.fixture(scope="module")
def look() -> Callable[[str], dict[str, Any]]:
    """Runs one look of `look.py` inside the root."""
    root = Path(ROOT)
    assert (root / "opt/allscope/bin/python").exists(), "scripts/virtual-camera has not finished"
    code = root / "srv/code"
    shutil.rmtree(code, ignore_errors=True)
    shutil.copytree(REPOSITORY / "edge", code / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    # alledge asks for its own version, which an installed distribution has.
    told = code / "edge" / "allscope.dist-info" / "METADATA"
    told.parent.mkdir()
    told.write_text(f"Metadata-Version: 2.1\nName: allscope\nVersion: {__version__}\n")
    for file in ("shim.py", "look.py"):
        shutil.copy(HERE / file, code / file)
    frames = root / "srv/frames"
    frames.mkdir(exist_ok=True)
    for index in range(4):
        cv2.imwrite(str(frames / f"{index}.jpg"), np.full((1232, 1640, 3), SCENE_BGR, np.uint8))

    def run(name: str) -> dict[str, Any]:
        inside = "mount -t proc proc /proc; exec env PYTHONPATH=/srv/code/edge:/srv/code"
        command = f"{inside} /opt/allscope/bin/python /srv/code/look.py {name}"
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "chroot", ROOT, "sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        told = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(told, dict)
        return told

    return run


Look = Callable[[str], dict[str, Any]]


def test_frames_are_bgr_fresh_and_lent_read_only_with_the_small_stream_beside(look: Look) -> None:
    told = look("frames")
    assert told["shape"] == [1232, 1640, 3]
    assert told["bgr"] == pytest.approx(
        SCENE_BGR, abs=25
    )  # through JPEG and NV12; red and blue are 130 apart
    assert told["fresh"]
    assert told["rising"]
    assert told["lores"] == [480, 640, 3]
    assert not told["writeable"]


def test_buffers_never_run_out(look: Look) -> None:
    assert look("many") == {"served": 300}


def test_a_camera_that_was_closed_opens_again(look: Look) -> None:
    assert look("reopen") == {"opened": 3}


def test_a_camera_in_use_is_told_apart(look: Look) -> None:
    told = look("second")
    assert told["code"] == "camera-unavailable"
    assert "Another program has the camera" in told["says"]


def test_a_camera_that_cannot_be_locked_says_so(look: Look) -> None:
    assert look("lock")["code"] == "camera-controls"


def test_a_camera_that_gives_no_frame_is_told_and_closed_in_time(look: Look) -> None:
    told = look("stopped")
    assert told["code"] == "camera-unavailable"
    assert 2.5 < told["waited_s"] < 6
    assert told["closed_s"] < 3


def test_a_camera_that_is_not_there_is_told(look: Look) -> None:
    assert look("missing")["code"] == "camera-unavailable"
