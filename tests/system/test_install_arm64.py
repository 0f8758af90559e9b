"""What install-pi or the Debian package put onto 64-bit Arm, without a network, does what it does here.

Needs root, and a folder for each release in ALLSCOPE_INSTALL_ARM64, as in `bookworm=FOLDER trixie=FOLDER`;
`scripts/arm64-install` makes them. Emulated: nothing here says how fast a Pi is.
"""

import json
import os
import subprocess
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Installed:
    """One way onto one release. program: runs its Python; root: where its files lie."""

    release: str
    root: Path
    program: Path


@pytest.fixture(scope="module", params=sorted(ROOTS))
def machine(request: pytest.FixtureRequest, model_bytes: bytes) -> tuple[str, Path]:
    """A release, and its root with allscope in it, twice."""
    release, root = request.param, Path(ROOTS[request.param])
    script = [REPOSITORY / "scripts" / "arm64-install", release, root]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    (root / "srv/model.tflite").write_bytes(model_bytes)
    return release, root


@pytest.fixture(params=["pip", "package"])
def installed(request: pytest.FixtureRequest, machine: tuple[str, Path]) -> Installed:
    release, root = machine
    return Installed(release, root, root / request.param)


def inside(installed: Installed, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([installed.program, *arguments], capture_output=True, text=True, check=False)


def test_the_model_answers_its_golden_vectors_on_apts_numpy(installed: Installed) -> None:
    done = inside(installed, "-c", PROVE)
    assert done.returncode == 0, done.stderr
    machine, numpy, place, vectors = done.stdout.split()
    assert (machine, numpy, vectors) == ("aarch64", NUMPY[installed.release], "256")
    assert place.startswith("/usr/lib/python3/dist-packages/")


def test_commands_start_and_the_doctor_answers(installed: Installed) -> None:
    assert "Research use only" in inside(installed, "-c", ALLEDGE, "--help").stdout
    told = json.loads(inside(installed, "-c", ALLEDGE, "doctor", "--json").stdout)
    levels = {check["name"]: check["level"] for check in told["checks"]}
    assert levels["numpy-abi"] != "fault"
    assert len(levels) >= 30


def test_the_units_of_service_and_page_are_enabled(installed: Installed) -> None:
    wanted = installed.root / "etc/systemd/system/multi-user.target.wants"
    assert {file.name for file in wanted.iterdir()} >= {"alledge.service", "alledge-page.service"}


def test_a_field_has_the_same_cells_with_the_same_calls(installed: Installed, tmp_path: Path) -> None:
    """Pixel sizes move by half a per cent between releases of OpenCV; what a person counts must not."""
    field, model = installed.root / "srv/field.png", installed.root / "srv/model.tflite"
    with open_camera("phantom:seed=20261") as source:
        assert cv2.imwrite(str(field), source.capture().pixels)
    # In one process: while the tests run, the kernel starts no programs for Arm.
    here = run_command(
        "alledge", "snap", "--camera", f"file:{field}", "--model", model, "--json"
    ).must_succeed()
    snap = ["snap", "--camera", "file:/srv/field.png", "--model", "/srv/model.tflite", "--json"]
    there = inside(installed, "-c", ALLEDGE, *snap)
    assert there.returncode == 0, there.stderr
    ours, theirs = json.loads(here.out), json.loads(there.stdout)
    assert theirs["counts"] == ours["counts"]
    assert theirs["pixel_um"] == pytest.approx(ours["pixel_um"], rel=0.01)
    assert len(theirs["cells"]) == len(ours["cells"]) > 0
    for mine, its in zip(ours["cells"], theirs["cells"], strict=True):
        assert (its["label"], its["review"]) == (mine["label"], mine["review"])
        assert (its["x"], its["y"]) == pytest.approx((mine["x"], mine["y"]), abs=0.5)
