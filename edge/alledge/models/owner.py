"""`sudo alledge model ...` works as the user that the data folder belongs to, and never as root inside it.

The service's user owns that folder and could, if the service were taken over, lay links in it for root to
write or remove through. So everything that only root may read, the stick and the root file, is opened first;
then the process becomes the owner for good.
"""

import os
from pathlib import Path

from alledge.errors import RootNeeded


def become_owner(data: Path) -> None:
    """Give up root's rights for those of the data folder's owner; nothing happens for other users.

    Raises RootNeeded when the rights cannot be given up.
    """
    if os.geteuid() != 0:
        return
    owner = _nearest(data).stat()
    if owner.st_uid == 0:
        return
    try:
        os.setgroups([])
        os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
        os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
    except PermissionError as error:
        raise RootNeeded(
            f"Root here cannot become the owner of {data} (uid {owner.st_uid}).", "Run it as that user."
        ) from error
    if not os.access(os.__file__, os.R_OK):
        raise RootNeeded(
            f"The owner of {data} (uid {owner.st_uid}) cannot read this Python.",
            "Use the alledge of the service: `systemctl cat alledge` names it.",
        )


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
