"""Installing the service: all or nothing, twice as good as once, and nobody else's file is touched."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from alledge.errors import CommandFailed, PathUnusable, RootNeeded
from alledge.install import install_service, uninstall_service
from alledge.install.files import CONFIG, MARK, PACKAGE_FOLDER, TARGETS, check_program
from alledge.install.service import Target
from alledge.programs import Ran

PROGRAM = Path("/opt/allscope/bin/alledge")
UNIT = TARGETS["alledge.service"]


class FakeSystemd:
    """Notes what it is asked, and refuses the command that a test names."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuses = ""

    def __call__(self, command: Sequence[str], limit_s: float) -> Ran:
        assert limit_s > 0
        self.asked.append(" ".join(command))
        is_refused = bool(self.refuses) and self.refuses in self.asked[-1]
        return Ran(1, "", "Failed: no such thing") if is_refused else Ran(0)


@pytest.fixture
def systemd() -> FakeSystemd:
    return FakeSystemd()


@pytest.fixture
def target(tmp_path: Path, systemd: FakeSystemd) -> Target:
    return Target(tmp_path, systemd)


def files_of(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_every_file_comes_to_its_place_under_our_mark_and_the_service_is_enabled(
    target: Target, systemd: FakeSystemd
) -> None:
    assert install_service(target, PROGRAM) == len(TARGETS)
    placed = files_of(target.root)
    assert placed.keys() == {*TARGETS.values(), CONFIG}
    assert all(placed[place].startswith(MARK.encode()) for place in TARGETS.values())
    assert systemd.asked[-1] == f"systemctl --root={target.root} enable alledge.service"
    assert all(f"--root={target.root}" in command for command in systemd.asked)


def test_the_page_is_enabled_where_asked_for_and_disabled_with_the_rest(
    target: Target, systemd: FakeSystemd
) -> None:
    install_service(target, PROGRAM, page=True)
    assert systemd.asked[-1].endswith("enable alledge.service alledge-page.service")
    uninstall_service(target)
    assert systemd.asked[-1].endswith("disable alledge.service alledge-page.service alledge-publish.service")


def test_the_unit_starts_the_program_that_installed_it(target: Target) -> None:
    install_service(target, Path("/srv/venv/bin/alledge"))
    assert "\nExecStart=/srv/venv/bin/alledge run\n" in (target.root / UNIT).read_text()


def test_a_second_time_nothing_is_written(target: Target) -> None:
    install_service(target, PROGRAM)
    before = {file: file.stat().st_mtime_ns for file in target.root.rglob("*")}
    assert install_service(target, PROGRAM) == 0
    assert {file: file.stat().st_mtime_ns for file in target.root.rglob("*")} == before


def test_an_older_file_of_ours_is_replaced(target: Target) -> None:
    install_service(target, PROGRAM)
    (target.root / UNIT).write_text(MARK + "[Unit]\n")
    assert install_service(target, PROGRAM) == 1
    assert "WatchdogSec" in (target.root / UNIT).read_text()


@pytest.mark.parametrize(
    "make", [lambda file: file.write_text("[Unit]\n"), lambda file: file.symlink_to("/dev/null")]
)
def test_a_file_of_somebody_else_stops_it_before_anything_is_written(target: Target, make: object) -> None:
    file = target.root / UNIT
    file.parent.mkdir(parents=True)
    assert callable(make)
    make(file)
    with pytest.raises(PathUnusable, match="was not made by"):
        install_service(target, PROGRAM)
    assert files_of(target.root).keys() <= {UNIT}


def test_a_link_that_leads_out_of_the_root_is_not_followed(
    target: Target, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (target.root / "etc").symlink_to(outside)
    with pytest.raises(PathUnusable, match="leads out"):
        install_service(target, PROGRAM)
    assert not files_of(outside)


def test_settings_are_written_once_and_never_again(target: Target) -> None:
    install_service(target, PROGRAM)
    (target.root / CONFIG).write_text('camera = "v4l2:/dev/video0"\n')
    install_service(target, PROGRAM)
    uninstall_service(target)
    assert (target.root / CONFIG).read_text() == 'camera = "v4l2:/dev/video0"\n'


def test_uninstalling_leaves_what_was_measured_and_what_is_not_ours(target: Target) -> None:
    install_service(target, PROGRAM)
    journal = target.root / "var/lib/allscope/journal.sqlite3"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"results")
    theirs = target.root / "etc/systemd/system/other.service"
    theirs.write_text("[Unit]\n")
    assert uninstall_service(target) == len(TARGETS)
    assert files_of(target.root).keys() == {
        CONFIG,
        "var/lib/allscope/journal.sqlite3",
        str(theirs.relative_to(target.root)),
    }
    assert uninstall_service(target) == 0


def test_a_place_that_somebody_took_over_is_not_removed(target: Target) -> None:
    install_service(target, PROGRAM)
    (target.root / UNIT).write_text("[Unit]\nDescription=mine\n")
    assert uninstall_service(target) == len(TARGETS) - 1
    assert (target.root / UNIT).exists()


def test_a_refusal_of_systemd_is_told_and_trying_again_is_right(target: Target, systemd: FakeSystemd) -> None:
    systemd.refuses = "sysusers"
    with pytest.raises(CommandFailed, match="systemd-sysusers"):
        install_service(target, PROGRAM)
    systemd.refuses = ""
    install_service(target, PROGRAM)
    assert systemd.asked[-1].endswith("enable alledge.service")


@pytest.mark.parametrize(
    "program", ["alledge", "/opt/a b/alledge", "/opt/%n/alledge", "/home/pi/venv/bin/alledge", "/tmp/alledge"]
)
def test_a_program_that_the_service_could_not_start_is_refused(target: Target, program: str) -> None:
    with pytest.raises(PathUnusable):
        install_service(target, Path(program))
    assert not files_of(target.root)


def test_a_program_that_others_than_root_can_replace_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "alledge"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    monkeypatch.setattr("alledge.install.files._HIDDEN", ())
    with pytest.raises(PathUnusable, match="others than root"):
        check_program(program, for_this_system=True)


def test_only_root_changes_the_running_system(systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alledge.install.service.os.geteuid", lambda: 1000)
    for act in (lambda t: install_service(t, PROGRAM), uninstall_service):
        with pytest.raises(RootNeeded, match="sudo"):
            act(Target(Path("/"), systemd))
    assert not systemd.asked


def test_the_debian_packages_own_command_installs_no_units_before_the_packages(
    target: Target, systemd: FakeSystemd
) -> None:
    with pytest.raises(PathUnusable, match="brings the service itself") as refusal:
        install_service(target, PACKAGE_FOLDER / "current/bin/alledge")
    assert "systemctl enable" in refusal.value.next_step
    assert files_of(target.root) == {}
    assert systemd.asked == []
