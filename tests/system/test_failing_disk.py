"""A disk that answers with errors for a while, as a real block device under a real service."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alledge.journal import JOURNAL_NAME
from alledge.journal.reading import JournalReader
from tests.system.processes import run_command
from tests.system.running_service import Start, codes, model_file, start

__all__ = ["model_file", "start"]


@dataclass(frozen=True)
class Disk:
    """A block device whose blocks lie in a file that may be kept from growing: writes then give EIO."""

    folder: Path
    beneath: Path

    def fail(self) -> None:
        """Take all room from beneath the device, which knows nothing of it."""
        with (self.beneath / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(65_536)):
                pass

    def heal(self) -> None:
        (self.beneath / "ballast").unlink()


def tool(*words: str | Path) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() or not all(map(shutil.which, ("losetup", "mkfs.ext4"))):
        pytest.skip("only root with losetup and mkfs.ext4 can make a disk that fails")
    folder, beneath = tmp_path / "disk", tmp_path / "beneath"
    folder.mkdir()
    beneath.mkdir()
    image = beneath / "image"
    try:
        tool("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", beneath)
        image.touch()
        os.truncate(image, 64 << 20)
        # Without a log of its own the file system goes on by itself once the device does.
        tool("mkfs.ext4", "-q", "-O", "^has_journal", image)
        tool("mount", "-o", "loop,errors=continue", image, folder)
    except subprocess.CalledProcessError as error:
        subprocess.run(["umount", "-l", str(beneath)], check=False, capture_output=True)
        pytest.skip(f"no small disk can be made here: {error.stderr}")
    yield Disk(folder, beneath)
    for mounted in (folder, beneath):
        subprocess.run(["umount", "-l", str(mounted)], check=False, capture_output=True)


def test_errors_of_the_disk_are_told_and_work_goes_on_when_they_end(
    start: Start, disk: Disk, tmp_path: Path
) -> None:
    service = start(data=disk.folder / "data", runtime=tmp_path / "run")
    service.wait_for_fields(2)
    disk.fail()
    # Kernels differ in what they call a device that has no room for a block.
    status = service.wait(lambda now: codes(now) & {"journal-io", "journal-full"}, "a failing disk")
    told = status["last_field"]["number"]
    disk.heal()
    before = service.status()["ledger"]["analysed"]
    status = service.wait(lambda now: now["ledger"]["analysed"] > before + 1, "recovered")
    assert not codes(status) & {"journal-io", "journal-full"}
    returncode, said, _ = service.stop()
    assert returncode == 0, said
    with JournalReader(disk.folder / "data" / JOURNAL_NAME) as reader:
        assert reader.head().count > told
        stored = sum(1 for slide in reader.slides() for _ in reader.all_fields(slide.slide_id))
    assert stored >= status["ledger"]["analysed"]
    run_command("alledge", "verify-log", "--data", disk.folder / "data").must_succeed()
