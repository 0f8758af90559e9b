"""The disk under the journal: room, rights, and whether it is dying."""

import re
from pathlib import Path
from typing import Final

from alledge.doctor.finding import Check, Finding, fault, fine, unknown, warning
from alledge.doctor.installation import reinstall
from alledge.doctor.probe import Disk, Probe

_FULL_MB, _NEARLY_FULL_MB = 200, 1000
_FEW_INODES: Final = 2000
_TROUBLE: Final = re.compile(
    r"(mmcblk\d\S*: (error|timeout|.*I/O error)|I/O error, dev (mmcblk|sd|nvme)\S*|EXT4-fs error|"
    r"Buffer I/O error on dev (mmcblk|sd|nvme)\S*|mmc\d: .*(timeout|error))",
    re.IGNORECASE,
)
_OPEN_FOLDER_MODE: Final = 0o007


def disk_space(probe: Probe) -> Finding:
    """There is room for results."""
    disk = _disk(probe)
    if disk is None:
        return unknown(f"The room at {probe.settings.data} cannot be told.")
    free_mb = disk.free_bytes // (1 << 20)
    clear = "`alledge export` slides to another disk, and `sudo apt clean`"
    if free_mb < _FULL_MB:
        return fault(f"The disk of {probe.settings.data} is full ({free_mb} MB left).", clear)
    if free_mb < _NEARLY_FULL_MB:
        return warning(f"{free_mb} MB are left on the disk of {probe.settings.data}.", clear)
    return fine(f"{free_mb} MB left")


def disk_inodes(probe: Probe) -> Finding:
    """There are entries left for files; some file systems have no such limit."""
    disk = _disk(probe)
    if disk is None:
        return unknown(f"The entries left at {probe.settings.data} cannot be told.")
    if disk.inodes and disk.free_inodes < _FEW_INODES:
        return fault(
            f"The disk has entries for {disk.free_inodes} more files only.",
            "`sudo du --inodes -x / | sort -n | tail` names the folder with too many files",
        )
    return fine("enough entries")


def disk_writable(probe: Probe) -> Finding:
    """The disk takes writes: Linux stops writing to one that fails."""
    disk = _disk(probe)
    if disk is None:
        return unknown(f"The disk of {probe.settings.data} cannot be told.")
    if disk.is_read_only:
        return fault(
            f"The disk of {probe.settings.data} is read-only: it failed, or its file system did.",
            "`dmesg | tail` says why; then `sudo mount -o remount,rw /`, or copy the card and replace it",
        )
    return fine("it takes writes")


def card_errors(probe: Probe) -> Finding:
    """The kernel has reported no error of a disk."""
    log = probe.ask("dmesg", "--level=emerg,alert,crit,err,warn")
    if log.status != 0:
        log = probe.ask("journalctl", "-k", "-b", "-p", "warning", "-n", "500", "--no-pager", "-o", "cat")
    if log.status != 0:
        return unknown("The kernel's log cannot be read.", "sudo alledge doctor")
    lines = [line for line in log.out.splitlines() if _TROUBLE.search(line)]
    if lines:
        said = re.sub(r"^\[[^]]*\]\s*", "", lines[-1])
        return fault(
            f"The disk reports errors: {said[:120]}.", "back up /var/lib/allscope now, and replace the card"
        )
    return fine("no errors reported")


def data_folder(probe: Probe) -> Finding:
    """The data folder is the service's own, and nobody else's."""
    folder = probe.settings.data
    try:
        state = probe.at(folder).stat()
    except FileNotFoundError:
        return fault(f"There is no {folder}.", reinstall(probe))
    except OSError as error:
        return unknown(f"{folder} cannot be looked at ({error.strerror}).", "sudo alledge doctor")
    owner = _user_of(probe, "allscope")
    if owner is not None and state.st_uid != owner:
        return fault(f"{folder} does not belong to allscope.", f"sudo chown -R allscope:allscope {folder}")
    if state.st_mode & _OPEN_FOLDER_MODE:
        return warning(f"Everybody may look into {folder}.", f"sudo chmod 750 {folder}")
    return fine(f"{folder} belongs to allscope")


def foreign_files(probe: Probe) -> Finding:
    """What lies in the data folder can be written by the service; `sudo alledge run` leaves root's files."""
    owner = _user_of(probe, "allscope")
    if owner is None:
        return fine("there is no user allscope")
    try:
        files = [file for file in probe.at(probe.settings.data).iterdir() if file.stat().st_uid != owner]
    except OSError:
        return unknown(f"{probe.settings.data} cannot be looked into.", "sudo alledge doctor")
    if files:
        return fault(
            f"{files[0].name} in {probe.settings.data} is not the service's.",
            f"sudo chown -R allscope:allscope {probe.settings.data}",
        )
    return fine("its files are its own")


def swap_on_card(probe: Probe) -> Finding:
    """Memory is not swapped to the card: it wears out, and everything waits for it."""
    for line in (probe.text("/proc/swaps") or "").splitlines()[1:]:
        name = line.split()[0] if line.split() else ""
        if name.startswith(("/dev/mmcblk", "/var/swap", "/swapfile")):
            return warning(
                f"Memory is swapped to {name}.",
                "sudo systemctl disable --now dphys-swapfile; use zram instead",
            )
    return fine("no swap on the card")


def shared_memory(probe: Probe) -> Finding:
    """Memory that processes share may be used: frames go through it, without a name and without /dev/shm."""
    limit = probe.text("/sys/fs/cgroup/system.slice/alledge.service/memory.max")
    if limit is not None and limit.isdecimal() and int(limit) < 256 << 20:
        return fault(
            f"The service may use {int(limit) >> 20} MB only; frames and camera need 256.",
            "sudo systemctl revert alledge && sudo systemctl restart alledge",
        )
    return fine("enough for the frames")


def _disk(probe: Probe) -> Disk | None:
    return probe.disk(probe.at(probe.settings.data))


def _user_of(probe: Probe, name: str) -> int | None:
    for line in (probe.text(Path("/etc/passwd")) or "").splitlines():
        parts = line.split(":")
        if parts[0] == name and len(parts) > 2 and parts[2].isdecimal():
            return int(parts[2])
    return None


CHECKS: Final = (
    Check("disk-space", disk_space),
    Check("disk-inodes", disk_inodes),
    Check("disk-read-only", disk_writable),
    Check("card-errors", card_errors),
    Check("data-folder", data_folder),
    Check("foreign-files", foreign_files),
    Check("swap-on-card", swap_on_card),
    Check("shared-memory", shared_memory),
)
