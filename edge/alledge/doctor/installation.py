"""How allscope came onto this machine, and so what puts its files right again."""

from typing import Final

from alledge.doctor.probe import Probe
from alledge.install.files import PACKAGE_TARGETS, UNIT

REINSTALL_PACKAGE: Final = "sudo apt install --reinstall allscope"
INSTALL_SERVICE: Final = "sudo alledge install-service"


def is_packaged(probe: Probe) -> bool:
    """Whether the Debian package brings the service."""
    return probe.has(PACKAGE_TARGETS[UNIT])


def reinstall(probe: Probe) -> str:
    """The command that puts files, folders and user of the service in their places."""
    return REINSTALL_PACKAGE if is_packaged(probe) else INSTALL_SERVICE
