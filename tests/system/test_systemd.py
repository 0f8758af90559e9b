"""The units say what systemd understands, give the device no more rights than it needs, and come and go."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from alledge.install.files import TARGETS
from tests.system.processes import run_command

UNITS = Path(__file__).resolve().parents[2] / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    return found


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_units_are_valid(systemd_analyze: str, tmp_path: Path, unit: Path) -> None:
    # The command is not installed here; everything else must verify without a word.
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/allscope/bin/alledge", "/bin/true"))
    done = subprocess.run([systemd_analyze, "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_units_are_locked_down_to_an_exposure_of_at_most_1_5(systemd_analyze: str, unit: Path) -> None:
    command = [systemd_analyze, "security", "--offline=true", "--threshold=15", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


def test_each_right_that_the_service_keeps_is_explained_beside_it() -> None:
    lines = (UNITS / "alledge.service").read_text().splitlines()
    for line, before in zip(lines[1:], lines, strict=False):
        if line.startswith(("DeviceAllow=", "RestrictAddressFamilies=", "DevicePolicy=")):
            assert before.startswith("#"), line


def test_units_start_commands_that_exist() -> None:
    from alledge.cli import app

    known = {
        command.name or (command.callback and command.callback.__name__)
        for command in app.registered_commands
    }
    for unit in SERVICES:
        started = re.findall(r"^ExecStart=\S+/alledge (\S+)", unit.read_text(), flags=re.MULTILINE)
        assert started
        assert set(started) <= known


def test_every_file_of_the_folder_is_installed_somewhere() -> None:
    there = {file.name for file in UNITS.iterdir()} - {"README.md", "alledge.toml"}
    assert there == TARGETS.keys()


@pytest.mark.skipif(os.geteuid() != 0, reason="systemd's tools make users and folders as root only")
def test_the_service_is_installed_into_another_root_and_taken_away(
    systemd_analyze: str, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\nvideo:x:44:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    program = tmp_path / "opt/allscope/bin/alledge"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    arguments = ("--root", tmp_path, "--program", "/opt/allscope/bin/alledge")
    run_command("alledge", "install-service", *arguments).must_succeed()
    assert "video:x:44:allscope" in (tmp_path / "etc/group").read_text()
    assert (tmp_path / "var/lib/allscope").is_dir()
    wanted = tmp_path / "etc/systemd/system/multi-user.target.wants/alledge.service"
    assert wanted.is_symlink()
    again = run_command("alledge", "install-service", *arguments).must_succeed()
    assert "in place already" in again.out
    run_command("alledge", "uninstall-service", "--root", tmp_path).must_succeed()
    assert not wanted.is_symlink()
    assert not [file for file in TARGETS.values() if (tmp_path / file).exists()]
    assert (tmp_path / "var/lib/allscope").is_dir()
