"""Put the files of the service into a system, or take them away; either can be done twice.

Nothing is written before everything was checked. What was measured is never removed: data, settings and the
user `allscope` outlive an uninstall.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alledge.durable import make_folder, write_whole
from alledge.errors import CommandFailed, PathUnusable, RootNeeded
from alledge.install.files import (
    CONFIG,
    PAGE_UNIT,
    PUBLISH_UNIT,
    TARGETS,
    UNIT,
    check_program,
    is_ours,
    service_files,
    unit_text,
)
from alledge.programs import Runner, run_program

_LIMIT_S: Final = 60.0
_SYSTEM: Final = Path("/")


@dataclass(frozen=True, slots=True)
class Target:
    """A system to install into.

    root: where it lies; "/" is the running one. run: how commands are run. tell: hears what is done.
    """

    root: Path = _SYSTEM
    run: Runner = run_program
    tell: Callable[[str], None] = lambda _line: None

    @property
    def is_running(self) -> bool:
        """Whether it is the system that we run on."""
        return self.root == _SYSTEM


def install_service(target: Target, program: Path, *, page: bool = False, start: bool = False) -> int:
    """Installs and enables the service; gives the number of files that were written.

    Args:
        target: the system.
        program: absolute path of `alledge` within it.
        page: enable the page as well; its unit is there in any case.
        start: start the service at once, or again where it runs.

    Raises:
        RootNeeded: only root may.
        PathUnusable: the program will not do, or a file of somebody else is in the way.
        StorageFailed: a file could not be written.
        CommandFailed: systemd refused something; what was written stays, and it can be tried again.
    """
    _root_only(target)
    check_program(program, for_this_system=target.is_running)
    files = {target.root / placed.target: placed.data for placed in service_files(program)}
    for file in files:
        _must_be_free(target.root, file)
    written = sum(_write(target, file, data) for file, data in files.items())
    config = target.root / CONFIG
    if not config.exists():
        make_folder(config.parent)
        write_whole(config, unit_text("alledge.toml").encode())
        config.chmod(0o644)
        target.tell(f"wrote {config}: name your camera and model there")
    units = (UNIT, PAGE_UNIT) if page else (UNIT,)
    _ask(target, _after_install(target, units))
    if start and target.is_running:
        _ask(target, (("systemctl", "restart", *units),))
    return written


def uninstall_service(target: Target) -> int:
    """Stops and disables the service and removes our files; gives their number. Data and settings stay.

    Raises:
        RootNeeded: only root may.
        CommandFailed: systemd refused something.
        StorageFailed: a file could not be removed.
    """
    _root_only(target)
    ours = [file for place in TARGETS.values() if is_ours(file := target.root / place)]
    units = [unit for unit in (UNIT, PAGE_UNIT, PUBLISH_UNIT) if target.root / TARGETS[unit] in ours]
    _ask(target, _before_removal(target, units))
    for file in ours:
        file.unlink()
        target.tell(f"removed {file}")
    if ours and target.is_running:
        _ask(target, (*_RELOAD, *_udev_commands(_RELOAD_RULES)))
    return len(ours)


_RELOAD: Final = (
    ("systemctl", "daemon-reload"),
    ("systemctl", "daemon-reexec"),  # system.conf.d, the hardware watchdog, is read by nothing less
    ("systemctl", "try-restart", "systemd-journald.service"),
)
_RELOAD_RULES: Final = ("udevadm", "control", "--reload")
_APPLY_RULES: Final = ("udevadm", "trigger", "--subsystem-match=dma_heap", "--subsystem-match=media")
_UDEV: Final = _SYSTEM / "run/udev/control"
_MAKE: Final = (
    ("systemd-sysusers", "/etc/sysusers.d/allscope.conf"),
    ("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/allscope.conf"),
)
_MAKE_ELSEWHERE: Final = (
    ("systemd-sysusers", "--root={root}"),
    ("systemd-tmpfiles", "--root={root}", "--create", "allscope.conf"),
)


def _after_install(target: Target, units: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    if target.is_running:
        rules = _udev_commands(_RELOAD_RULES, _APPLY_RULES)
        return (*_MAKE, *_RELOAD, *rules, ("systemctl", "enable", *units))
    return _into(target.root, (*_MAKE_ELSEWHERE, ("systemctl", "--root={root}", "enable", *units)))


def _before_removal(target: Target, units: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    if not units:
        return ()
    if target.is_running:
        return (("systemctl", "disable", "--now", *units),)
    return _into(target.root, (("systemctl", "--root={root}", "disable", *units),))


def _udev_commands(*commands: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """They need its daemon, which a container has not: rules are read at the next boot there."""
    return commands if _UDEV.exists() else ()


def _into(root: Path, commands: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(word.replace("{root}", str(root)) for word in command) for command in commands)


def _ask(target: Target, commands: Sequence[tuple[str, ...]]) -> None:
    """Runs commands in turn; the first that fails ends it."""
    for command in commands:
        ran = target.run(command, _LIMIT_S)
        if ran.status != 0:
            said = ran.err.splitlines()[-1] if ran.err else f"exit {ran.status}"
            raise CommandFailed(f"`{' '.join(command)}` failed ({said}).", "Mend that and run this again.")
        target.tell(" ".join(command))


def _write(target: Target, file: Path, data: bytes) -> bool:
    """Writes a file where it is not there yet word for word; whether it was written."""
    if file.is_file() and file.read_bytes() == data:
        return False
    make_folder(file.parent)
    write_whole(file, data)
    file.chmod(0o644)
    target.tell(f"wrote {file}")
    return True


def _must_be_free(root: Path, file: Path) -> None:
    """A place to write to: ours or empty, and inside the root whatever links there are."""
    if (file.exists() or file.is_symlink()) and not is_ours(file):
        raise PathUnusable(
            f"{file} was not made by `alledge install-service`.", "Move it away, or keep it and do without."
        )
    if not file.parent.resolve().is_relative_to(root.resolve()):
        raise PathUnusable(f"{file.parent} leads out of {root}.", "Remove that link.")


def _root_only(target: Target) -> None:
    if target.is_running and os.geteuid() != 0:
        raise RootNeeded("Only root may change the services of this machine.", "Put `sudo` in front of it.")
