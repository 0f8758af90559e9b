"""`alledge verify-log` and `alledge export`, as processes: what an auditor types, and what comes back."""

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.edge.journal.made import filled_journal
from tests.system.processes import run_command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a device that has seen one slide of three fields."""
    return filled_journal(tmp_path).parent


def edit(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "journal.sqlite3")) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_whole_journal_is_told_with_its_head(data: Path) -> None:
    told = run_command("alledge", "verify-log", "--data", data).must_succeed().out
    assert "3 fields with 6 cells" in told
    found = json.loads(run_command("alledge", "verify-log", "--data", data, "--json").must_succeed().out)
    assert (found["is_whole"], found["broken"], found["n_events"]) == (True, None, 7)
    assert found["head"] in told
    run_command("alledge", "verify-log", "--data", data, "--head", found["head"]).must_succeed()


def test_a_changed_result_is_refused_and_named(data: Path) -> None:
    edit(data, "UPDATE events SET body = replace(body, 'blast', 'normal') WHERE number = 4")
    refused = run_command("alledge", "verify-log", "--data", data, "--json")
    refused.must_refuse("log-broken", status=1)
    assert "First broken: event 4: changed" in refused.err
    assert json.loads(refused.out)["broken"]["row"] == "event 4"


def test_newest_rows_cut_off_show_against_the_head(data: Path) -> None:
    head = json.loads(run_command("alledge", "verify-log", "--data", data, "--json").out)["head"]
    edit(data, "DELETE FROM events WHERE number = 7")
    edit(data, "UPDATE slides SET ended_by = NULL")
    (data / "journal.sqlite3-head").unlink()
    run_command("alledge", "verify-log", "--data", data).must_succeed()
    refused = run_command("alledge", "verify-log", "--data", data, "--head", head)
    refused.must_refuse("log-broken", status=1)


def test_wrong_input_is_named(data: Path, tmp_path: Path) -> None:
    assert run_command("alledge", "verify-log", "--data", data, "--head", "12").status == 2
    run_command("alledge", "verify-log", "--data", tmp_path / "nowhere").must_refuse("path-unusable")
    run_command("alledge", "export", 99, "--data", data, "--out", tmp_path / "x").must_refuse(
        "slide-unusable"
    )


def test_a_slide_is_exported_as_json_lines(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "slide.jsonl"
    run_command("alledge", "export", 2, "--data", data, "--out", out).must_succeed()
    fields = [json.loads(line) for line in out.read_text().splitlines()]
    assert [field["sequence"] for field in fields] == [0, 1, 2]
    assert {"slide", "field_id", "time_trust", "placement", "model", "health", "quality"} <= set(fields[0])
    assert {"label", "cell_id", "slide_x_um", "patch_sha256"} <= set(fields[0]["cells"][0])


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="no sqlite3 command here")
def test_the_chain_can_be_verified_without_alledge_as_the_guide_tells(data: Path) -> None:
    guide = (REPOSITORY / "docs" / "journal.md").read_text()
    script = guide.split("```sh\n")[1].split("```")[0]

    def verify() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", script], cwd=data, capture_output=True, text=True, check=False)

    whole = verify()
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.splitlines()[-1].startswith("7 ")
    edit(data, "UPDATE events SET body = replace(body, 'blast', 'normal') WHERE number = 4")
    assert "event 4 does not fit" in verify().stdout
