"""The Debian package under a real systemd: installed, upgraded in the middle of a slide, removed, purged.

Needs root, a package that scripts/debian-package made (ALLSCOPE_PACKAGE) and a root of its release
(ALLSCOPE_PACKAGE_ROOT); `scripts/package-trial` makes both and prints how long things took. The trials share
one machine, in turn.
"""

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alledge.install.files import MARK, package_files
from tests.system.booted.container import Answer, Container
from tests.system.booted.device import DATA, Device
from tests.system.booted.packages import NEXT, Packages, make_packages
from tests.system.booted.times import Times
from tests.system.mosquitto import DEVICE, Collector, Mosquitto, wait_until

ROOT = os.environ.get("ALLSCOPE_PACKAGE_ROOT", "")
PACKAGE = os.environ.get("ALLSCOPE_PACKAGE", "")
PROGRAM = "/usr/bin/alledge"
PHANTOM = "phantom:slide=3,hand=1,width_px=320,height_px=240,pixel_um=0.2,n_lymphocytes=3,n_blasts_l1=2"
CAPTURE_S = 15
DISK_MIB = 4000
N_KILLS, N_CUTS = 8, 3
UNATTENDED = ("env", "DEBIAN_FRONTEND=noninteractive")
ERASE = "allscope allscope/erase-results boolean true"
# What dpkg, systemd and the passwd tools keep of their own.
NOT_OURS = ("/var/log/", "/var/lib/dpkg/", "/var/cache/", "/var/lib/systemd/", "/var/tmp/", "/srv/", "/root/")
BACKUPS = {f"/etc/{name}-" for name in ("passwd", "group", "shadow", "gshadow")}

pytestmark = [
    pytest.mark.skipif(
        not (ROOT and PACKAGE), reason="ALLSCOPE_PACKAGE is not set; see scripts/package-trial"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine can be booted by root only"),
    pytest.mark.skipif(
        shutil.which("systemd-nspawn") is None,
        reason="systemd-nspawn is not installed (Debian package systemd-container)",
    ),
]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return make_packages(Path(PACKAGE), tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, packages: Packages) -> Iterator[Device]:
    """A machine that booted with nothing of ours but packages on its disk."""
    machine = Container(Path(ROOT), tmp_path_factory.mktemp("packaged"), DISK_MIB)
    try:
        machine.build()
        for package in (packages.first, packages.next, packages.broken, packages.deaf, packages.cut_short):
            shutil.copy(package, machine.tree / "srv" / package.name)
        machine.boot()
        yield Device(machine, PROGRAM)
    finally:
        machine.destroy()


@pytest.fixture(scope="module")
def before(device: Device) -> set[str]:
    """Every path of the machine, before."""
    return paths(device)


@pytest.fixture
def counting(device: Device) -> Device:
    """The device with its service at work, whatever the trial before left."""
    if device.unit().active != "active":
        device.tell("reset-failed", "alledge")
        device.tell("start", "alledge")
    device.wait_for_fields()
    return device


def dpkg(device: Device, *words: object) -> Answer:
    return device.machine.run(*UNATTENDED, "dpkg", *words, limit_s=300.0)


def install(device: Device, package: Path) -> Answer:
    return dpkg(device, "--install", f"/srv/{package.name}")


def installing(device: Device, package: Path) -> "subprocess.Popen[bytes]":
    """The installation under way, in a process group of its own."""
    enter = ["nsenter", "-t", str(device.machine.leader), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin"]
    command = [*enter, *UNATTENDED, "dpkg", "--install", f"/srv/{package.name}"]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def paths(device: Device) -> set[str]:
    told = device.machine.run("find", "/", "-xdev").must_succeed().out.splitlines()
    return {path for path in told if not path.startswith(NOT_OURS)} - BACKUPS


def fields(device: Device, slide: int) -> list[dict[str, Any]]:
    """The fields of a slide, in order, as the journal gives them."""
    out = f"{DATA}/trial.jsonl"
    device.machine.run("rm", "-f", out)
    export = ("runuser", "-u", "allscope", "--", PROGRAM, "export", slide, "--out", out)
    device.machine.run(*export).must_succeed()
    lines = device.machine.inside(out).read_text().splitlines()
    device.machine.inside(out).unlink()
    return [json.loads(line) for line in lines]


def runs_from(device: Device) -> str:
    """The folder of the release that the service's process was started from."""
    return (
        device.machine.run("cat", f"/proc/{device.unit().pid}/cmdline").out.split("\0")[0].split("/bin/")[0]
    )


def releases(device: Device) -> list[str]:
    return device.machine.run("sh", "-c", "ls -d /usr/lib/allscope/release-*").out.splitlines()


def version(device: Device) -> str:
    return device.machine.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "allscope").out


def test_a_machine_that_install_pi_set_up_is_not_mixed_with_the_package(
    device: Device, packages: Packages, before: set[str]
) -> None:
    unit = device.machine.inside("/etc/systemd/system/alledge.service")
    unit.write_text(MARK)
    refused = install(device, packages.first)
    unit.unlink()
    assert refused.status != 0
    assert "error[service-exists]" in refused.err
    assert paths(device) == before


def test_a_first_installation_starts_nothing_and_is_whole(
    device: Device, packages: Packages, times: Times
) -> None:
    began_s = time.monotonic()
    told = install(device, packages.first).must_succeed()
    times.note("`dpkg -i`, first", time.monotonic() - began_s)
    assert "alledge doctor" in told.err
    assert device.unit().active == "inactive"
    enabled = [
        device.machine.run("systemctl", "is-enabled", unit).out for unit in ("alledge", "alledge-page")
    ]
    assert enabled == ["enabled", "enabled"]
    assert device.machine.run("systemctl", "is-enabled", "alledge-publish").out == "disabled"
    assert device.machine.run("stat", "-c", "%U:%a", DATA).out == "allscope:750"
    for placed in package_files():
        assert device.machine.inside("/" + placed.target).read_bytes() == placed.data
    told_by_doctor = json.loads(device.machine.run(PROGRAM, "doctor", "--json").out)
    levels = {check["name"]: check["level"] for check in told_by_doctor["checks"]}
    assert {levels[f"service-{name}"] for name in ("installed", "outdated", "enabled")} == {"fine"}
    assert levels["numpy-abi"] == "fine"


def test_with_camera_and_model_it_counts(device: Device, model_bytes: bytes, times: Times) -> None:
    device.machine.inside(f"{DATA}/model.tflite").write_bytes(model_bytes)
    device.use_camera(PHANTOM, capture_s=CAPTURE_S)
    began_s = time.monotonic()
    device.tell("start", "alledge")
    ready_s = time.monotonic() - began_s
    times.note("`systemctl start`", ready_s, ready_s + device.wait_for_fields(3))
    device.tell("start", "alledge-page")


def test_an_upgrade_in_the_middle_of_a_slide_loses_nothing_and_mixes_nothing(
    counting: Device, packages: Packages, times: Times
) -> None:
    old, slide, head = counting.unit().pid, counting.status()["slide"], counting.verify()["head"]
    began_s = time.monotonic()
    upgrade = installing(counting, packages.next)
    gone_s = counting.wait(lambda: counting.unit().pid != old, "another process")
    ready_s = counting.wait_for_ready(other_than=old)
    times.note("upgrade: until the old release stops", gone_s)
    stored_s = counting.wait_for_fields()
    times.note("upgrade: from there", ready_s, ready_s + stored_s)
    assert upgrade.wait(timeout=120.0) == 0
    times.note("upgrade: in all", time.monotonic() - began_s)
    now = counting.status()["slide"]
    assert (now["number"], now["identifier"]) == (slide["number"], slide["identifier"])
    versions = [field["software_version"] for field in fields(counting, now["number"])]
    first = versions[0]
    assert first != NEXT
    n_old = versions.count(first)
    assert versions == [first] * n_old + [NEXT] * (len(versions) - n_old)
    assert n_old >= slide["fields"]
    assert counting.verify("--head", head)["broken"] is None
    assert runs_from(counting) in releases(counting)
    assert len(releases(counting)) == 1
    assert counting.unit("alledge-page").active == "active"
    assert "page" in counting.machine.run("cat", f"/proc/{counting.unit('alledge-page').pid}/cmdline").out


def test_an_upgrade_killed_at_any_moment_leaves_one_release_counting(
    counting: Device, packages: Packages, times: Times
) -> None:
    chance, whole_s = random.Random(11), duration_of_an_upgrade(counting, packages)
    worst_s = 0.0
    for turn in range(N_KILLS):
        head = counting.verify()["head"]
        upgrade = installing(counting, (packages.next, packages.first)[turn % 2])
        time.sleep(whole_s * (turn + chance.random()) / N_KILLS)
        counting.machine.run(
            "sh",
            "-c",
            "pkill -KILL -x dpkg; pkill -KILL -f '[a]llscope.postinst|[s]witch-release|[c]ompileall'",
        )
        upgrade.wait(timeout=60.0)
        began_s = time.monotonic()
        counting.wait_for_fields()
        worst_s = max(worst_s, time.monotonic() - began_s)
        counting.machine.run(PROGRAM, "--help").must_succeed()
        assert counting.verify("--head", head)["broken"] is None
        dpkg(counting, "--configure", "--pending")
        install(counting, packages.first).must_succeed()
        assert len(releases(counting)) == 1
    times.note(f"upgrade killed by SIGKILL, the longest of {N_KILLS}", None, worst_s)


def test_power_that_goes_in_an_upgrade_comes_back_to_a_counting_device(
    counting: Device, packages: Packages, times: Times
) -> None:
    chance, whole_s = random.Random(12), duration_of_an_upgrade(counting, packages)
    for turn in range(N_CUTS):
        head = counting.verify()["head"]
        upgrade = installing(counting, packages.next)
        time.sleep(whole_s * (turn + chance.random()) / N_CUTS)
        counting.machine.cut()
        upgrade.wait(timeout=60.0)
        began_s = time.monotonic()
        counting.machine.boot()
        ready_s = counting.wait_for_ready()
        ready_s = time.monotonic() - began_s
        counting.wait_for_fields()
        times.note("machine ended in an upgrade, boot", ready_s, time.monotonic() - began_s)
        assert counting.verify("--head", head)["broken"] is None
        dpkg(counting, "--configure", "--pending")
        install(counting, packages.first).must_succeed()
        assert len(releases(counting)) == 1


def duration_of_an_upgrade(device: Device, packages: Packages) -> float:
    began_s = time.monotonic()
    install(device, packages.first).must_succeed()
    return time.monotonic() - began_s


@pytest.mark.parametrize("what", ["broken", "deaf"])
def test_a_release_that_does_not_start_makes_room_for_the_one_before(
    counting: Device, packages: Packages, times: Times, what: str
) -> None:
    head, pid = counting.verify()["head"], counting.unit().pid
    began_s = time.monotonic()
    refused = install(counting, getattr(packages, what))
    assert refused.status != 0
    assert "error[upgrade-failed]" in refused.err
    assert "The release before runs on" in refused.err
    counting.wait_for_fields()
    times.note(f"upgrade to a release that is {what}", None, time.monotonic() - began_s)
    assert (counting.unit().pid == pid) == (what == "broken")
    assert counting.unit("alledge-page").active == "active"
    assert counting.verify("--head", head)["broken"] is None
    assert version(counting).endswith("half-configured")
    install(counting, packages.first).must_succeed()
    assert version(counting).endswith(" installed")
    assert len(releases(counting)) == 1


def test_a_package_cut_short_changes_nothing(counting: Device, packages: Packages) -> None:
    pid = counting.unit().pid
    assert install(counting, packages.cut_short).status != 0
    counting.wait_for_fields()
    assert counting.unit().pid == pid
    assert version(counting).endswith("installed")


def test_a_disk_too_full_for_an_upgrade_leaves_the_old_release_counting(
    counting: Device, packages: Packages
) -> None:
    pid, filler = counting.unit().pid, counting.machine.inside("/var/filler")
    room = shutil.disk_usage(counting.machine.inside("/var")).free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room - (64 << 20))
    refused = install(counting, packages.next)
    filler.unlink()
    assert refused.status != 0
    assert "No space left" in refused.err
    counting.wait_for_fields()
    assert counting.unit().pid == pid
    install(counting, packages.first).must_succeed()


def test_the_publisher_sends_every_event_under_all_restrictions(counting: Device, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path).start()
    collector = Collector(broker)
    try:
        give_settings(counting, broker)
        counting.tell("enable", "--now", "alledge-publish")
        counting.wait_for_fields(2)
        n_events = counting.verify()["n_events"]
        wait_until(lambda: len(collector.results()) >= n_events, "every event")
        numbers = [told["number"] for told in collector.results()]
        assert numbers[:n_events] == list(range(1, n_events + 1))
        assert counting.unit("alledge-publish").restarts == 0
    finally:
        counting.tell("disable", "--now", "alledge-publish")
        collector.close()
        broker.stop()


def give_settings(device: Device, broker: Mosquitto) -> None:
    """The publisher's settings, key and certificates where only its user reads them."""
    text = broker.settings(Path(DATA)).read_text().replace(f"{broker.folder}/", "/etc/allscope/")
    device.machine.inside("/etc/allscope/publish.toml").write_text(text)
    for name in ("ca.crt", f"{DEVICE}.crt", f"{DEVICE}.key"):
        shutil.copy(broker.folder / name, device.machine.inside(f"/etc/allscope/{name}"))
    device.machine.run("chown", "allscope:", f"/etc/allscope/{DEVICE}.key").must_succeed()


def test_a_removal_keeps_settings_and_results_and_a_new_installation_goes_on_with_them(
    counting: Device, packages: Packages
) -> None:
    slide, head = counting.status()["slide"], counting.verify()["head"]
    dpkg(counting, "--remove", "allscope").must_succeed()
    assert {counting.unit(name).active for name in ("alledge", "alledge-page")} == {"inactive"}
    assert not counting.machine.inside("/usr/lib/allscope").exists()
    assert counting.machine.inside(f"{DATA}/journal.sqlite3").exists()
    settings = counting.machine.inside("/etc/allscope/alledge.toml").read_text()
    install(counting, packages.next).must_succeed()
    assert counting.machine.inside("/etc/allscope/alledge.toml").read_text() == settings
    counting.tell("start", "alledge")
    counting.wait_for_fields()
    assert counting.status()["slide"]["number"] == slide["number"]
    assert counting.verify("--head", head)["broken"] is None


def test_a_purge_keeps_results_unless_told_to_erase_them(counting: Device, packages: Packages) -> None:
    told = dpkg(counting, "--purge", "allscope").must_succeed()
    assert f"Kept: the results in {DATA}" in told.err
    assert not counting.machine.inside("/etc/allscope").exists()
    assert counting.machine.run("stat", "-c", "%U", f"{DATA}/journal.sqlite3").out == "allscope"


def test_a_purge_that_may_erase_leaves_nothing_at_all(
    device: Device, packages: Packages, before: set[str]
) -> None:
    install(device, packages.first).must_succeed()
    device.machine.run("sh", "-c", f"echo '{ERASE}' | debconf-set-selections").must_succeed()
    dpkg(device, "--purge", "allscope").must_succeed()
    assert paths(device) == before
    assert device.machine.run("getent", "passwd", "allscope").status != 0
    assert device.machine.run("systemctl", "is-system-running").out == "running"
