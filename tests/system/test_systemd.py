"""The units say what systemd understands, and give the device no more rights than it needs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "systemd"


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    return found


def test_units_are_valid(systemd_analyze: str, tmp_path: Path) -> None:
    for unit in UNITS.glob("*.service"):
        # The command is not installed here; everything else must verify without a word.
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/opt/allscope/bin/alledge", "/bin/true"))
        done = subprocess.run([systemd_analyze, "verify", copy], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.strip()) == (0, "")


def test_units_are_locked_down(systemd_analyze: str) -> None:
    for unit in UNITS.glob("*.service"):
        command = [systemd_analyze, "security", "--offline=true", "--threshold=15", unit]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-300:]


def test_units_start_commands_that_exist() -> None:
    from alledge.cli import app

    known = {
        command.name or (command.callback and command.callback.__name__)
        for command in app.registered_commands
    }
    for unit in UNITS.glob("*.service"):
        started = re.findall(r"^ExecStart=\S+/alledge (\S+)", unit.read_text(), flags=re.MULTILINE)
        assert started
        assert set(started) <= known
