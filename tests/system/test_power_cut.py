"""The power goes in the middle of a run: what was told as stored is there after, and counting goes on alone.

An emulated machine loses its memory with its power, as a Pi does. `scripts/boot-trial` runs this.
"""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.booted.container import Container
from tests.system.booted.device import DATA, PROGRAM, Device
from tests.system.booted.times import Times
from tests.system.booted.virtual_machine import REPORTER, VirtualMachine

ROOT = os.environ.get("ALLSCOPE_BOOT_ROOT", "")
CAMERA = "phantom:seed=1,width_px=320,height_px=240,pixel_um=0.2,n_red_cells=26,n_lymphocytes=3"
CUTS = 3

pytestmark = [
    pytest.mark.skipif(not ROOT, reason="ALLSCOPE_BOOT_ROOT is not set; see scripts/boot-trial"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine can be booted by root only"),
    pytest.mark.skipif(
        shutil.which("qemu-system-x86_64") is None,
        reason="qemu-system-x86_64 is not installed (Debian package qemu-system-x86)",
    ),
]


@pytest.fixture
def machine(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, model_bytes: bytes
) -> Iterator[VirtualMachine]:
    """A machine with the service installed, off; installed under systemd, in a container on the same tree."""
    if not list(Path(ROOT, "boot").glob("vmlinuz-*")):
        pytest.skip(f"{ROOT} has no kernel: make it again with scripts/virtual-camera")
    nursery = Container(Path(ROOT), tmp_path_factory.mktemp("nursery"))
    virtual = VirtualMachine(Path(ROOT), tmp_path_factory.mktemp("virtual"))
    try:
        nursery.build()
        nursery.install(wheel)
        nursery.boot()
        nursery.run(PROGRAM, "install-service").must_succeed()
        Device(nursery).use_camera(CAMERA, capture_s=60)
        nursery.inside(f"{DATA}/model.tflite").write_bytes(model_bytes)
        shutil.copy(Path(__file__).parent / "booted" / "reporter.py", nursery.inside("/srv/reporter.py"))
        nursery.inside("/etc/systemd/system/reporter.service").write_text(REPORTER)
        nursery.run("systemctl", "enable", "reporter").must_succeed()
        nursery.power_off()
        virtual.build(nursery.tree)
        yield virtual
    finally:
        virtual.cut()
        nursery.destroy()


def test_what_was_stored_outlives_a_power_cut_and_counting_goes_on(
    machine: VirtualMachine, times: Times
) -> None:
    chance = random.Random(5)
    machine.boot()
    machine.wait(lambda told: n_events(told) >= 5, "counting")
    for _ in range(CUTS):
        wait_for_more(machine, chance.randint(1, 5))
        last = heads(machine.told())[-1]
        machine.cut()
        machine.boot(f"allscope.head={last['head']}")
        ready_s = machine.wait(lambda told: any(line.get("active") == "active" for line in told), "READY")
        stored_s = wait_for_more(machine, 2)
        times.note("power cut of an emulated machine, boot", ready_s, ready_s + stored_s)
        word = next(line for line in machine.told() if "verified" in line)
        assert word == {"verified": True, "said": "", "held_to": [last["head"]]}


def wait_for_more(machine: VirtualMachine, n: int) -> float:
    """Seconds until so many more events are stored than now."""
    wanted = n_events(machine.told()) + n
    return machine.wait(lambda told: n_events(told) >= wanted, f"{n} more events")


def heads(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in told if "head" in line]


def n_events(told: list[dict[str, Any]]) -> int:
    return int(heads(told)[-1]["events"]) if heads(told) else 0
