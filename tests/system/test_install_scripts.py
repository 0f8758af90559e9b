"""install-pi and wheelhouse: what they would do is told before, and a system that will not do is refused."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    file for file in (REPOSITORY / "scripts").iterdir() if "bash" in file.read_text().splitlines()[0]
)
LOCKS = {release: REPOSITORY / f"requirements/pi-{release}.txt" for release in ("bookworm", "trixie")}
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}


def a_python(folder: Path, version: str, bits: int = 64) -> Path:
    """Stands in for a system's Python: it says its version and its size, and nothing else."""
    file = folder / "python3"
    file.write_text(f'#!/bin/sh\ncase "$2" in *version_info*) echo {version} ;; *) echo {bits} ;; esac\n')
    file.chmod(0o755)
    return file


def install(
    python: Path, *options: str, script: Path = REPOSITORY / "scripts/install-pi"
) -> tuple[int, str, str]:
    done = subprocess.run(
        [script, *options],
        env=os.environ | {"PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_stop_at_the_first_failure_and_pass_the_linter(script: Path) -> None:
    assert "\nset -euo pipefail\n" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        done = subprocess.run(
            ["shellcheck", "-S", "error", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("release", LOCKS)
def test_a_dry_run_names_the_lock_of_the_release_and_touches_nothing(tmp_path: Path, release: str) -> None:
    status, told, _ = install(a_python(tmp_path, PYTHONS[release]), "--dry-run")
    assert status == 0
    assert f"requirements/pi-{release}.txt" in told
    assert "--require-hashes" in told
    assert "--system-site-packages /opt/allscope" in told
    assert "apt-get install" in told


def test_the_options_reach_the_service(tmp_path: Path) -> None:
    _, told, _ = install(a_python(tmp_path, "3.11"), "--dry-run", "--no-apt", "--page", "--start")
    assert "alledge install-service --page --start" in told
    assert "apt-get" not in told


@pytest.mark.parametrize(
    ("version", "bits", "code"), [("3.12", 64, "python-unsupported"), ("3.11", 32, "system-unsupported")]
)
def test_a_system_that_will_not_do_is_refused_with_a_next_step(
    tmp_path: Path, version: str, bits: int, code: str
) -> None:
    status, told, error = install(a_python(tmp_path, version, bits), "--dry-run")
    assert (status, told) == (2, "")
    assert error.startswith(f"error[{code}]: ")


def test_an_unknown_option_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    status, _, error = install(a_python(tmp_path, "3.11"), "--dry-rum")
    assert status == 2
    assert "--dry-run" in error


def test_a_wheelhouse_is_installed_from_without_a_network_unless_it_was_damaged(tmp_path: Path) -> None:
    folder = a_wheelhouse(tmp_path / "stick")
    python = a_python(tmp_path, "3.11")
    status, told, _ = install(python, "--dry-run", "--no-apt", script=folder / "install-pi")
    assert status == 0
    assert told.count(f"--no-index --find-links {folder}/wheels") == 2
    (folder / "wheels/allscope-1-py3-none-any.whl").write_bytes(b"another")
    status, _, error = install(python, "--dry-run", "--no-apt", script=folder / "install-pi")
    assert status == 2
    assert "error[wheelhouse-damaged]: " in error


def a_wheelhouse(folder: Path) -> Path:
    """One as `scripts/wheelhouse` makes it, with nothing in its wheels."""
    (folder / "wheels").mkdir(parents=True)
    (folder / "wheels/allscope-1-py3-none-any.whl").write_bytes(b"a wheel")
    shutil.copy(REPOSITORY / "scripts/install-pi", folder)
    shutil.copy(LOCKS["bookworm"], folder)
    files = ["install-pi", LOCKS["bookworm"].name, "wheels/allscope-1-py3-none-any.whl"]
    sums = subprocess.run(
        ["sha256sum", *files], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    (folder / "SHA256SUMS").write_text(sums)
    return folder


def test_no_folder_of_somebody_else_is_overwritten_by_a_wheelhouse(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    script = REPOSITORY / "scripts/wheelhouse"
    done = subprocess.run([script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error[path-unusable]: ")
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("release", LOCKS)
def test_a_lock_holds_all_that_the_device_imports_by_hash_and_leaves_numpy_to_apt(release: str) -> None:
    locked = pinned(LOCKS[release])
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        re.split("[>=<;[]", name)[0] for name in [*project["dependencies"], *extras["edge"], *extras["page"]]
    ]
    assert {*wanted} - {"numpy"} <= locked.keys()
    assert "numpy" not in locked
    text = LOCKS[release].read_text()
    assert all(
        re.search(rf"^{re.escape(name)}==\S+ \\\n    --hash=sha256:", text, re.MULTILINE) for name in locked
    )


def test_opencv_for_bookworm_still_works_with_its_numpy_1() -> None:
    major, minor = map(int, pinned(LOCKS["bookworm"])["opencv-python-headless"].split(".")[:2])
    assert (4, 9) <= (major, minor) < (4, 12)


def pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), flags=re.MULTILINE))
