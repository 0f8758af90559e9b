"""Every start of a run tells where it comes from, and not being able to tell stops nothing."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alltrain import provenance
from alltrain.provenance import (
    CLOCK_SYNCHRONISED,
    CLOCK_UNVERIFIED,
    CLOCK_WRONG,
    Code,
    clock_trust,
    code_state,
    describe_start,
    read_starts,
    write_start,
)


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with two packages, all committed."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    git(tmp_path, "init")
    git(tmp_path, "add", "one", "two")
    git(tmp_path, "commit", "-m", "First")
    return tmp_path


def test_a_start_tells_code_data_command_machine_and_time() -> None:
    told = describe_start("f1d2", ["alltrain", "fit", "smears", "--out", "run"]).as_json()
    assert told["data_fingerprint"] == "f1d2"
    assert told["command_line"] == ["alltrain", "fit", "smears", "--out", "run"]
    assert {"python", "allscope", "keras", "numpy"} <= set(told["versions"])
    assert told["machine"]["n_cpus"] >= 1
    assert told["machine"]["backend"] in {"tensorflow", "jax"}
    assert abs(datetime.fromisoformat(told["started_at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    json.dumps(told, allow_nan=False)


def test_the_program_is_told_by_name_and_not_by_where_it_is_installed(monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/somebody/bin/alltrain", "fit", "smears"])
    assert describe_start("f1d2").command_line == ("alltrain", "fit", "smears")


def test_a_clean_checkout_is_named_by_its_commit(checkout: Path) -> None:
    state = code_state(checkout / "one", checkout / "two")
    assert state is not None
    assert len(state.commit) == 40
    assert not state.dirty


@pytest.mark.parametrize("file", ["__init__.py", "not_yet_added.py"])
def test_a_changed_or_added_file_of_a_package_makes_the_checkout_dirty(checkout: Path, file: str) -> None:
    (checkout / "two" / file).write_text("changed = True")
    state = code_state(checkout / "one", checkout / "two")
    assert state is not None
    assert state.dirty


def test_a_change_outside_the_packages_does_not_count(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("nothing that runs")
    state = code_state(checkout / "one", checkout / "two")
    assert state is not None
    assert not state.dirty


def test_a_package_installed_inside_somebody_elses_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / ".venv" / "one"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert code_state(installed) is None


def test_git_variables_of_a_hook_do_not_mislead(checkout: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert code_state(checkout / "one") is not None


def test_without_git_there_is_no_commit_and_no_failure(checkout: Path, monkeypatch) -> None:
    monkeypatch.setattr(provenance.shutil, "which", lambda name: None)
    assert code_state(checkout / "one") is None


def test_a_git_that_hangs_is_given_up(checkout: Path, monkeypatch) -> None:
    def hang(*arguments: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("git", 1)

    monkeypatch.setattr(provenance.subprocess, "run", hang)
    assert code_state(checkout / "one") is None


def test_a_clock_before_the_commit_of_its_own_code_is_wrong_even_if_synchronised() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    later = Code("0" * 40, False, now + timedelta(days=1))
    earlier = Code("0" * 40, False, now - timedelta(days=1))
    assert clock_trust(now, later, True) == CLOCK_WRONG
    assert clock_trust(now, earlier, True) == CLOCK_SYNCHRONISED
    assert clock_trust(now, earlier, False) == CLOCK_UNVERIFIED
    assert clock_trust(now, None, False) == CLOCK_UNVERIFIED


def test_every_start_of_a_run_is_kept_in_order(tmp_path: Path) -> None:
    write_start(tmp_path, describe_start("f1d2", ["alltrain", "fit"]))
    content = write_start(tmp_path, describe_start("f1d2", ["alltrain", "fit", "--resume"]))
    assert json.loads((tmp_path / "provenance.json").read_text()) == content
    assert [start["command_line"][-1] for start in read_starts(tmp_path)] == ["fit", "--resume"]


@pytest.mark.parametrize("damaged", ["", "[]", '{"starts": 3}', "\x00"])
def test_a_damaged_record_is_begun_anew(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "provenance.json").write_text(damaged)
    assert read_starts(tmp_path) == []
    assert len(write_start(tmp_path, describe_start("f1d2"))["starts"]) == 1
