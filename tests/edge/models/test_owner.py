"""`sudo alledge model` does nothing as root inside a folder that another user owns."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.conftest import REPOSITORY
from tests.edge.models.conftest import Scene

PACKAGES = {"PYTHONPATH": f"{REPOSITORY / 'edge'}:{sysconfig.get_path('purelib')}", "OMP_NUM_THREADS": "1"}
SERVICE = 64_000
"""A user of no other's; the tests that need it are for root only."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    made = Path(mkdtemp(prefix="allscope-owner-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@cache
def everybodys_python() -> str:
    """A Python of our version that the service's user can run, with our packages; skips without one."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            found = subprocess.run(
                [python, "-c", "import sys, tuf.ngclient, alledge.cli; print(sys.version_info[:2])"],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
                env=PACKAGES,
                user=SERVICE,
                group=SERVICE,
                extra_groups=[],
            )
        except PermissionError:
            continue
        if found.stdout.strip() == str(sys.version_info[:2]):
            return python
    pytest.skip("no Python here that another user can run with these packages")


def alledge(*words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [everybodys_python(), "-c", "from alledge.cli import main; main()", *map(str, words)],
        env=PACKAGES,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        umask=0o077,
    )


def given_to_service(scene: Scene, place: Path) -> Path:
    data = place / "data"
    shutil.copytree(scene.device.data, data)
    for path in (data, *data.rglob("*")):
        os.chown(path, SERVICE, SERVICE)
    return data


def test_what_root_installs_belongs_to_the_service(scene: Scene, place: Path) -> None:
    """The root file and the stick are root's alone here; they are opened before its rights are given up."""
    data = given_to_service(scene, place)
    root = place / "1.root.json"
    root.write_bytes(scene.forge.roots[1])
    root.chmod(0o600)
    assert "trusted" in alledge("model", "trust", root, "--data", data).stdout
    scene.stick.parent.chmod(0o700)
    told = alledge("model", "install", scene.stick, "--data", data)
    assert "installed smearnet v2" in told.stdout, told.stderr
    assert {path.stat().st_uid for path in data.rglob("*")} == {SERVICE}


@pytest.mark.parametrize("planted", ["models", "models/incoming", "models/files"])
def test_links_that_the_service_planted_lead_root_nowhere(scene: Scene, place: Path, planted: str) -> None:
    data = given_to_service(scene, place)
    precious = place / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep me")
    precious.chmod(0o755)
    shutil.rmtree(data / planted)
    (data / planted).symlink_to(precious)
    os.chown(data / planted, SERVICE, SERVICE, follow_symlinks=False)
    told = alledge("model", "install", scene.stick, "--data", data)
    assert told.returncode != 0
    assert "Traceback" not in told.stderr
    assert [path.name for path in precious.iterdir()] == ["file"]
    assert (precious / "file").stat().st_uid == 0
