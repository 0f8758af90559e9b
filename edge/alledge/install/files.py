"""Which file of ours goes where, and how ours are told from other people's.

Each file begins with a mark. A file without it was made by somebody else: it is neither replaced nor removed.
Settings are written once and then belong to the user.
"""

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from alledge.errors import PathUnusable

MARK: Final = "# Installed by `alledge install-service`; `alledge uninstall-service` takes it away.\n"
UNIT: Final = "alledge.service"
PAGE_UNIT: Final = "alledge-page.service"
PUBLISH_UNIT: Final = "alledge-publish.service"
CONFIG: Final = "etc/allscope/alledge.toml"
_PROGRAM: Final = "/opt/allscope/bin/alledge"  # as the units of the repository have it

TARGETS: Final = {
    "alledge.service": "etc/systemd/system/alledge.service",
    "alledge-page.service": "etc/systemd/system/alledge-page.service",
    "alledge-publish.service": "etc/systemd/system/alledge-publish.service",
    "alledge-snap.service": "etc/systemd/system/alledge-snap.service",
    "allscope.sysusers.conf": "etc/sysusers.d/allscope.conf",
    "allscope.tmpfiles.conf": "etc/tmpfiles.d/allscope.conf",
    "60-allscope.rules": "etc/udev/rules.d/60-allscope.rules",
    "allscope.journald.conf": "etc/systemd/journald.conf.d/allscope.conf",
    "allscope-watchdog.conf": "etc/systemd/system.conf.d/allscope-watchdog.conf",
}
"""Name in the systemd folder -> place below the root of the system."""

PACKAGE_FOLDER: Final = Path("/usr/lib/allscope")
"""Where the Debian package has its releases; what lies there is dpkg's, as are the units that start it."""
_PACKAGE_PROGRAM: Final = PACKAGE_FOLDER / "current/bin/alledge"
PACKAGE_TARGETS: Final = {name: target.replace("etc/", "usr/lib/", 1) for name, target in TARGETS.items()}
"""As TARGETS, for the Debian package: /etc stays free for who runs the machine."""

# Homes and temporary folders are hidden from the service (ProtectHome, PrivateTmp).
_HIDDEN: Final = ("/home", "/root", "/run", "/tmp", "/var/tmp")  # noqa: S108 - places that are refused
_WRITABLE_BY_OTHERS: Final = 0o022


@dataclass(frozen=True, slots=True)
class Placed:
    """One file to be: its place below the root of the system, and all that it holds."""

    target: str
    data: bytes


def service_files(program: Path) -> tuple[Placed, ...]:
    """All files that `install-service` keeps up to date, with `program` as the command that they start."""
    placed = []
    for name, target in TARGETS.items():
        text = unit_text(name).replace(_PROGRAM, str(program))
        placed.append(Placed(target, (MARK + text).encode()))
    return tuple(placed)


def package_files() -> tuple[Placed, ...]:
    """The same files as the Debian package brings them."""
    texts = {target: unit_text(name) for name, target in PACKAGE_TARGETS.items()}
    return tuple(
        Placed(target, text.replace(_PROGRAM, str(_PACKAGE_PROGRAM)).encode())
        for target, text in texts.items()
    )


def unit_text(name: str) -> str:
    """A file of the systemd folder, as it is in the repository."""
    return (resources.files("alledge.install") / "units" / name).read_text(encoding="utf-8")


def is_ours(file: Path) -> bool:
    """Whether a file bears our mark. Links are nobody's."""
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(MARK)) == MARK.encode()


def check_program(program: Path, *, for_this_system: bool) -> None:
    """Refuses a command that the service could not start, or that somebody other than root could replace.

    Args:
        program: the `alledge` to start.
        for_this_system: False when installing into another root, where owners cannot be asked for.

    Raises:
        PathUnusable: it is no program, the Debian package's, lies where the service cannot see it, or is not
            root's alone.
    """
    advice = "Install allscope as root, as docs/install-on-a-pi.md says, and call that `alledge`."
    if program.is_relative_to(PACKAGE_FOLDER):
        raise PathUnusable(
            f"{program} is the Debian package's, which brings the service itself.",
            "Run `sudo systemctl enable --now alledge alledge-page`.",
        )
    if not re.fullmatch(r"/[A-Za-z0-9._+/@-]+", str(program)):
        raise PathUnusable(f"'{program}' cannot be named in a unit.", advice)
    if program.is_relative_to("/") and any(program.is_relative_to(hidden) for hidden in _HIDDEN):
        raise PathUnusable(f"{program} lies where the service sees nothing.", advice)
    if not for_this_system:
        return
    real = program.resolve()
    if not real.is_file():
        raise PathUnusable(f"{program} does not exist.", advice)
    for path in (real, *real.parents):
        state = path.stat()
        if state.st_uid != 0 or (state.st_mode & _WRITABLE_BY_OTHERS and not state.st_mode & 0o1000):
            raise PathUnusable(f"{path} can be written by others than root.", advice)
