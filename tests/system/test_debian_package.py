"""The Debian package as it is built: for one machine and Python, held to the lock, the same bytes again.

What becomes of a machine that it is installed on, `scripts/package-trial` shows.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from alledge.install.files import package_files

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "scripts/debian-package"
SITE = "usr/lib/allscope/tree/lib/python3.11/site-packages"
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
ELF_AARCH64 = 183

needs_debhelper = pytest.mark.skipif(
    shutil.which("dh") is None, reason="dh is not installed (Debian package debhelper)"
)


def build(*arguments: object, umask: int = 0o022, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUILD, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For 64-bit Arm, whatever this machine is."""
    out = tmp_path_factory.mktemp("package")
    done = build("bookworm", "arm64", out)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.deb"))


@pytest.fixture(scope="module")
def tree(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What dpkg would put onto a disk."""
    folder = tmp_path_factory.mktemp("tree")
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def members(package: Path) -> Iterator[list[tarfile.TarInfo]]:
    told = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    with told, tarfile.open(fileobj=told.stdout, mode="r|") as tar:
        yield list(tar)


def control(tree: Path) -> dict[str, str]:
    lines = (tree / "DEBIAN/control").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if re.match(r"[A-Z][\w-]*: ", line))


@pytest.mark.parametrize(
    "arguments", [(), ("bookworm", "arm64"), ("sid", "arm64", "out"), ("bookworm", "armhf", "out")]
)
def test_what_cannot_be_made_is_answered_with_the_usage(arguments: tuple[str, ...]) -> None:
    done = build(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


@needs_debhelper
def test_it_is_for_one_machine_and_the_python_of_one_release(package: Path, tree: Path) -> None:
    told = control(tree)
    assert package.name == f"allscope_{VERSION}~deb12_arm64.deb"
    assert (told["Version"], told["Architecture"]) == (f"{VERSION}~deb12", "arm64")
    depends = told["Depends"].split(", ")
    assert {"python3 (>= 3.11~)", "python3 (<< 3.12~)", "python3-numpy"} <= set(depends)
    assert (tree / "usr/lib/allscope/tree/bin/python").readlink().name == "python3.11"


@needs_debhelper
def test_every_compiled_file_is_for_that_machine(tree: Path) -> None:
    headers = [file.read_bytes()[:20] for file in tree.rglob("*.so*") if file.is_file()]
    machines = {int.from_bytes(header[18:20], "little") for header in headers if header[:4] == b"\x7fELF"}
    assert machines == {ELF_AARCH64}


@needs_debhelper
def test_it_holds_what_the_lock_names_and_leaves_numpy_to_apt(tree: Path) -> None:
    lock = (REPOSITORY / "requirements/pi-bookworm.txt").read_text()
    locked = {
        name.replace("-", "_").lower() for name in re.findall(r"^([\w.-]+)(?:\[.*\])?==", lock, re.MULTILINE)
    }
    inside = {
        folder.name.split("-")[0].replace(".", "_").lower() for folder in (tree / SITE).glob("*.dist-info")
    }
    assert inside == {name.replace(".", "_") for name in locked} | {"allscope"}
    assert not {"numpy", "tensorflow", "keras", "picamera2"} & {path.name for path in (tree / SITE).iterdir()}


@needs_debhelper
def test_units_and_rules_are_those_that_the_doctor_expects(tree: Path) -> None:
    for placed in package_files():
        assert (tree / placed.target).read_bytes() == placed.data, placed.target


@needs_debhelper
def test_the_list_of_contents_inside_names_every_wheel_with_its_hash(tree: Path) -> None:
    told = json.loads((tree / "usr/share/allscope/sbom.cdx.json").read_text())
    hashed = {component["name"] for component in told["components"] if component.get("hashes")}
    inside = {folder.name.split("-")[0] for folder in (tree / SITE).glob("*.dist-info")} - {"allscope"}
    assert {name.replace("-", "_").lower() for name in hashed} == {name.lower() for name in inside}


@needs_debhelper
def test_nothing_lands_outside_of_usr_or_belongs_to_anybody_but_root(members: list[tarfile.TarInfo]) -> None:
    assert {member.name.split("/")[1] for member in members if member.name != "."} <= {"", "usr"}
    assert {(member.uname, member.gname) for member in members} == {("root", "root")}
    assert not [m.name for m in members if not m.issym() and m.mode & 0o7022]


@needs_debhelper
def test_no_path_of_the_machine_that_built_it_is_left(tree: Path) -> None:
    assert not list(tree.rglob("direct_url.json"))
    records = (tree / SITE).glob("*.dist-info/RECORD")
    assert not [record for record in records if re.search(r"^/|/tmp/", record.read_text(), re.MULTILINE)]


@needs_debhelper
def test_built_again_it_is_the_same_to_the_last_byte(package: Path, tmp_path: Path) -> None:
    done = build(
        "bookworm", "arm64", tmp_path, umask=0o077, TZ="Pacific/Apia", LC_ALL="C", TMPDIR=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / package.name).read_bytes() == package.read_bytes()


def test_the_version_of_the_changelog_is_the_distributions() -> None:
    first = (REPOSITORY / "debian/changelog").read_text().splitlines()[0]
    assert first.startswith(f"allscope ({VERSION}) ")


def test_maintainer_scripts_stop_at_the_first_failure_and_pass_the_linter() -> None:
    scripts = [
        REPOSITORY / "debian" / f"allscope.{name}" for name in ("preinst", "postinst", "prerm", "postrm")
    ]
    for script in [*scripts, REPOSITORY / "debian/switch-release"]:
        assert re.search(r"^set -eu?$", script.read_text(), re.MULTILINE), script
        subprocess.run(["sh", "-n", script], check=True)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", "-s", "sh", "-S", "warning", script], check=True)
