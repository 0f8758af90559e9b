"""What install-pi put onto 64-bit Arm, from a wheelhouse and without a network, does what it does here.

Needs root, and a folder for each release in ALLSCOPE_INSTALL_ARM64, as in `bookworm=FOLDER trixie=FOLDER`;
`scripts/arm64-install` makes them. Emulated: nothing here says how fast a Pi is.
"""

import json
import os
import subprocess
from pathlib import Path

import cv2
import pytest

from alledge.cameras import open_camera
from tests.system.processes import run_command

REPOSITORY = Path(__file__).resolve().parents[2]
CANNOT = 77
ROOTS = dict(pair.split("=", 1) for pair in os.environ.get("ALLSCOPE_INSTALL_ARM64", "").split())
NUMPY = {"bookworm": "1.24.2", "trixie": "2.2.4"}

pytestmark = pytest.mark.skipif(
    not ROOTS, reason="installation is tried on arm64 where ALLSCOPE_INSTALL_ARM64=RELEASE=FOLDER asks for it"
)

PROVE = """
import platform, sys
from pathlib import Path
import numpy
from alledge.classifier import open_classifier
from alledge.model_file import read_model
from alledge.service.sentinel import self_test
model = read_model(Path("/srv/model.tflite"))
self_test(open_classifier(model), model.golden, model.card)
print(platform.machine(), numpy.__version__, numpy.__file__, len(model.golden.patches))
"""
ALLEDGE = "from alledge.cli import main; main()"


@pytest.fixture(scope="module", params=sorted(ROOTS))
def installed(request: pytest.FixtureRequest, model_bytes: bytes) -> tuple[str, Path]:
    """A release, and its root with allscope in it."""
    release, root = request.param, Path(ROOTS[request.param])
    script = [REPOSITORY / "scripts" / "arm64-install", release, root]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    (root / "srv/model.tflite").write_bytes(model_bytes)
    return release, root


def inside(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([root / "python", *arguments], capture_output=True, text=True, check=False)


def test_the_model_answers_its_golden_vectors_on_apts_numpy(installed: tuple[str, Path]) -> None:
    release, root = installed
    done = inside(root, "-c", PROVE)
    assert done.returncode == 0, done.stderr
    machine, numpy, place, vectors = done.stdout.split()
    assert (machine, numpy, vectors) == ("aarch64", NUMPY[release], "256")
    assert place.startswith("/usr/lib/python3/dist-packages/")


def test_commands_start_and_the_doctor_answers(installed: tuple[str, Path]) -> None:
    _, root = installed
    assert "Research use only" in inside(root, "-c", ALLEDGE, "--help").stdout
    told = json.loads(inside(root, "-c", ALLEDGE, "doctor", "--json").stdout)
    levels = {check["name"]: check["level"] for check in told["checks"]}
    assert levels["numpy-abi"] != "fault"
    assert len(levels) >= 30


def test_the_units_of_service_and_page_are_enabled(installed: tuple[str, Path]) -> None:
    _, root = installed
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    assert {file.name for file in wanted.iterdir()} >= {"alledge.service", "alledge-page.service"}


def test_a_field_of_an_archive_has_the_same_cells_with_the_same_calls(
    installed: tuple[str, Path], tmp_path: Path
) -> None:
    """Pixel sizes move by half a per cent between releases of OpenCV; what a person counts must not."""
    _, root = installed
    fields = root / "srv/fields"
    fields.mkdir(exist_ok=True)
    with open_camera("phantom:seed=20261") as source:
        assert cv2.imwrite(str(fields / "field.png"), source.capture().pixels)
    model, here = root / "srv/model.tflite", tmp_path / "here.jsonl"
    run_command("alledge", "scan", fields, "--model", model, "--out", here).must_succeed()
    scan = ["scan", "/srv/fields", "--model", "/srv/model.tflite", "--out", "/srv/there.jsonl"]
    done = inside(root, "-c", ALLEDGE, *scan)
    assert done.returncode == 0, done.stderr
    ours, theirs = (json.loads(file.read_text()) for file in (here, root / "srv/there.jsonl"))
    assert theirs["counts"] == ours["counts"]
    assert theirs["pixel_um"] == pytest.approx(ours["pixel_um"], rel=0.01)
    assert len(theirs["cells"]) == len(ours["cells"]) > 0
    for mine, its in zip(ours["cells"], theirs["cells"], strict=True):
        assert (its["label"], its["review"]) == (mine["label"], mine["review"])
        assert (its["x"], its["y"]) == pytest.approx((mine["x"], mine["y"]), abs=0.5)
