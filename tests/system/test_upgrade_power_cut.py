"""The power goes in the middle of an upgrade, and memory with it: one release counts after the next boot.

An emulated machine, as in test_power_cut; `scripts/package-trial` runs this.
"""

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.booted.container import Container
from tests.system.booted.device import DATA, PROGRAM, Device
from tests.system.booted.packages import make_packages
from tests.system.booted.times import Times
from tests.system.booted.virtual_machine import REPORTER, VirtualMachine

ROOT = os.environ.get("ALLSCOPE_PACKAGE_ROOT", "")
PACKAGE = os.environ.get("ALLSCOPE_PACKAGE", "")
CAMERA = "phantom:seed=1,width_px=320,height_px=240,pixel_um=0.2,n_red_cells=26,n_lymphocytes=3"
CUTS, CUT_AFTER_S = 3, (5.0, 60.0)  # an upgrade takes longer there
DISK_MIB = 4000
UPGRADER = """[Unit]
Description=upgrades where the kernel's command line says so
ConditionKernelCommandLine=allscope.upgrade
After=alledge.service
[Service]
Type=oneshot
Environment=DEBIAN_FRONTEND=noninteractive
ExecStart=-/usr/bin/dpkg --configure --pending
ExecStart=/usr/bin/dpkg --install /srv/next.deb
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
"""

pytestmark = [
    pytest.mark.skipif(
        not (ROOT and PACKAGE), reason="ALLSCOPE_PACKAGE is not set; see scripts/package-trial"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine can be booted by root only"),
    pytest.mark.skipif(
        shutil.which("qemu-system-x86_64") is None,
        reason="qemu-system-x86_64 is not installed (Debian package qemu-system-x86)",
    ),
]


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory, model_bytes: bytes) -> Iterator[VirtualMachine]:
    """A machine with the package installed and the next one on its disk, off."""
    if "bookworm" in Path(ROOT, "etc/os-release").read_text():
        pytest.skip("numpy 1.24 of Bookworm ends in SIGSEGV on the emulated processor: tried on Trixie")
    if not list(Path(ROOT, "boot").glob("vmlinuz-*")):
        pytest.skip(f"{ROOT} has no kernel: remove it, and scripts/package-trial makes it again")
    packages = make_packages(Path(PACKAGE), tmp_path_factory.mktemp("packages"))
    nursery = Container(Path(ROOT), tmp_path_factory.mktemp("nursery"), DISK_MIB)
    virtual = VirtualMachine(Path(ROOT), tmp_path_factory.mktemp("virtual"))
    try:
        nursery.build()
        shutil.copy(packages.first, nursery.tree / "srv/first.deb")
        nursery.boot()
        nursery.run("dpkg", "--install", "/srv/first.deb").must_succeed()
        nursery.inside("/srv/first.deb").unlink()
        shutil.copy(packages.next, nursery.inside("/srv/next.deb"))
        Device(nursery).use_camera(CAMERA, capture_s=60)
        nursery.inside(f"{DATA}/model.tflite").write_bytes(model_bytes)
        reporter = (Path(__file__).parent / "booted/reporter.py").read_text()
        nursery.inside("/srv/reporter.py").write_text(reporter.replace(PROGRAM, "/usr/bin/alledge"))
        units = {
            "reporter": REPORTER.replace("/opt/allscope/bin", "/usr/lib/allscope/current/bin"),
            "upgrader": UPGRADER,
        }
        for name, text in units.items():
            nursery.inside(f"/etc/systemd/system/{name}.service").write_text(text)
            nursery.run("systemctl", "enable", name).must_succeed()
        nursery.power_off()
        virtual.build(nursery.tree)
        yield virtual
    finally:
        virtual.cut()
        nursery.destroy()


def test_power_that_goes_in_an_upgrade_leaves_one_whole_release_counting(
    machine: VirtualMachine, times: Times
) -> None:
    chance = random.Random(7)
    words: list[str] = []
    for _ in range(CUTS):
        machine.boot(*words, "allscope.upgrade")
        machine.wait(lambda told: heads(told)[-1:] and is_upgrading(told), "in an upgrade")
        time.sleep(chance.uniform(*CUT_AFTER_S))
        assert is_upgrading(machine.told())
        words = [f"allscope.head={heads(machine.told())[-1]['head']}"]
        machine.cut()
    machine.boot(*words)
    ready_s = machine.wait(lambda told: any(line.get("active") == "active" for line in told), "READY")
    n_before = n_events(machine.told())
    stored_s = machine.wait(lambda told: n_events(told) >= n_before + 2, "2 more events")
    times.note(
        f"power cut {CUTS} times in upgrades of an emulated machine, boot", ready_s, ready_s + stored_s
    )
    assert next(line for line in machine.told() if "verified" in line)["verified"]


def is_upgrading(told: list[dict[str, Any]]) -> bool:
    return bool(told) and told[-1].get("upgrading") == "activating"


def heads(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in told if "head" in line]


def n_events(told: list[dict[str, Any]]) -> int:
    return int(heads(told)[-1]["events"]) if heads(told) else 0
