"""What is released is a function of what git tracks, and of nothing else: scripts/build-wheel."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("edge/alledge", "train/alltrain", "convert/allconvert")
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
OURS = ["-c", "safe.directory=*"]  # a checkout that root tests and somebody else owns
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
HATCHLING = ("hatchling", "packaging", "pathspec", "pluggy", "trove_classifiers")

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not (REPOSITORY / ".git").exists(), reason="this is no checkout by git"
)


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *IDENTITY, *OURS, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | GIT).stdout


def checkout(folder: Path, source: Path = REPOSITORY, seed: int = 0) -> Path:
    """A checkout of the tracked files as they are now; the seed is the order that they are made in."""
    names = [name for name in git(source, "ls-files", "-z").split("\0") if name]
    random.Random(seed).shuffle(names)
    for name in names:
        if (source / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, folder / name, follow_symlinks=False)
            if not (folder / name).is_symlink():
                os.utime(folder / name, (1e9 + seed, 1e9 + seed))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "As it is now", f"--date={2000000000 + seed} +0000")
    return folder


def build(folder: Path, out: Path, umask: int = 0o022, **environment: str) -> tuple[list[Path], str]:
    """The wheel and the sdist of a checkout, and what was told."""
    done = subprocess.run(
        [folder / "scripts/build-wheel", out],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable} | GIT | environment,
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(out.iterdir()), done.stderr


def digests(files: list[Path]) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def executable(file: Path, text: str) -> str:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="module")
def built(ours: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    files, told = build(ours, tmp_path_factory.mktemp("built"), TZ="UTC", LC_ALL="C")
    assert told == ""
    assert [file.suffix for file in files] == [".whl", ".gz"]
    return files


def test_another_folder_umask_zone_language_order_date_and_clock_give_the_same_bytes(
    ours: Path, built: list[Path], tmp_path: Path
) -> None:
    elsewhere = checkout(tmp_path / "quite another folder", ours, seed=7)
    ten_years_on = (
        "import runpy, time; now = time.time; time.time = lambda: now() + 3e8; "
        "runpy.run_module('hatchling', run_name='__main__', alter_sys=True)"
    )
    python = executable(
        tmp_path / "python",
        f'python={sys.executable}\n[ "$1" = -m ] || exec $python "$@"\n'
        f'shift 2\nexec $python -c "{ten_years_on}" "$@"',
    )
    others, _ = build(
        elsewhere,
        tmp_path / "out",
        umask=0o077,
        PYTHON=python,
        TZ="Pacific/Auckland",
        LC_ALL="C.UTF-8",
        LANG="de_DE.UTF-8",
        SOURCE_DATE_EPOCH="86400",
        PYTHONHASHSEED="7",
    )
    assert digests(others) == digests(built)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_supported_python_gives_the_same_bytes(
    ours: Path, built: list[Path], tmp_path: Path, version: str
) -> None:
    other = f"python{version}"
    try:
        subprocess.run([other, "-c", ""], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"there is no {other} here")
    (tmp_path / "lent").mkdir()
    for name in HATCHLING:
        shutil.copytree(
            Path(sys.modules["pytest"].__file__ or "").parents[1] / name, tmp_path / "lent" / name
        )
    python = executable(tmp_path / "python", f'PYTHONPATH={tmp_path / "lent"} exec {other} "$@"')
    others, _ = build(ours, tmp_path / "out", PYTHON=python, HOME=os.environ.get("HOME", "/"))
    wheel = next(file for file in others if file.suffix == ".whl")
    generator = zipfile.ZipFile(wheel).read("allscope-0.1.0.dist-info/WHEEL").decode()
    assert "hatchling" in generator
    assert digests(others) == digests(built)


def tracked(ours: Path) -> Iterator[tuple[str, bytes]]:
    """Name inside the wheel and bytes of every file that belongs there."""
    for name in git(ours, "ls-files", *PACKAGES).splitlines():
        file, inside = ours / name, name.split("/", 1)[1]
        if file.is_dir():  # a link to systemd/, whose files a wheel has to carry itself
            for unit in git(ours, "ls-files", "systemd").splitlines():
                yield f"{inside}/{unit.split('/', 1)[1]}", (ours / unit).read_bytes()
        else:
            yield inside, file.read_bytes()


def test_the_wheel_holds_what_git_tracks_in_the_three_packages_and_nothing_else(
    ours: Path, built: list[Path]
) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        inside = {name: wheel.read(name) for name in wheel.namelist()}
    metadata = {name for name in inside if name.split("/")[0].endswith(".dist-info")}
    assert {name.split("/", 1)[1] for name in metadata} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    assert {name: inside[name] for name in inside.keys() - metadata} == dict(tracked(ours))


def test_litter_is_left_out_and_told(ours: Path, built: list[Path], tmp_path: Path) -> None:
    litter = checkout(tmp_path / "used", ours)
    (litter / "edge/alledge/model.tflite").write_bytes(b"a model of somebody's patients")
    (litter / "train/alltrain/scratch.py").write_text("secret = 1\n")
    (litter / "edge/alledge/__pycache__").mkdir()
    (litter / "edge/alledge/__pycache__/cells.cpython-311.pyc").write_bytes(b"old")
    (litter / "data").mkdir()
    (litter / "data/patient.png").write_bytes(b"a picture")
    files, told = build(litter, tmp_path / "out")
    assert digests(files) == digests(built)
    assert "?? edge/alledge/model.tflite" in told
    assert "?? train/alltrain/scratch.py" in told


def test_what_changed_since_the_commit_gets_in_and_is_told(
    ours: Path, built: list[Path], tmp_path: Path
) -> None:
    changed = checkout(tmp_path / "changed", ours)
    (changed / "edge/alledge/__init__.py").write_text("changed = True\n")
    (changed / "LICENSE").write_text("none\n")
    files, told = build(changed, tmp_path / "out")
    assert "not the wheel of commit" in told
    assert " M edge/alledge/__init__.py" in told
    with zipfile.ZipFile(files[0]) as wheel:
        assert wheel.read("alledge/__init__.py") == b"changed = True\n"
    assert digests(files) != digests(built)


def test_an_unpacked_sdist_gives_the_same_wheel_even_inside_another_checkout(
    built: list[Path], tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet")
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    files, told = build(tmp_path / "allscope-0.1.0", tmp_path / "out")
    assert digests(files) == digests(built)
    assert told == ""


def test_the_sdist_holds_what_git_tracks_and_nothing_else(ours: Path, built: list[Path]) -> None:
    with tarfile.open(built[1]) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames()}
    units = {f"edge/alledge/install/units/{file.name}" for file in (ours / "systemd").iterdir()}
    assert inside == set(git(ours, "ls-files").splitlines()) - {"edge/alledge/install/units"} | units | {
        "PKG-INFO"
    }
