"""The root that a device trusts: given once by a person, from hand to hand, never fetched.

All that TUF protects hangs on this file. Its SHA-256 is told when it is given, so that one can compare
it with the one on the paper of the key ceremony. Later roots follow from it by signatures alone.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alledge.durable import write_whole
from alledge.models.refusals import TrustDiffers, TrustMissing, TrustUnusable
from alledge.models.store import Store, read_file
from alledge.models.tuf_client import check_root

ROOT_FILE: Final = "root.json"
SEEN: Final = "metadata"
MAX_ROOT_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Trusted:
    """A trusted root. sha256: of its bytes. roles: its thresholds in one line."""

    sha256: str
    version: int
    roles: str


def trust_root(store: Store, data: bytes, replace: bool = False) -> Trusted:
    """Trust a root from now on.

    data: what `read_root` gave. replace: take it also where the device trusts another; what was seen under
    that one is forgotten.

    Raises:
        TrustUnusable: it is no root signed by its own keys.
        TrustDiffers: the device trusts another root.
        StorageFailed: the medium refuses.
    """
    version, roles = check_root(data)
    store.make()
    known = store.trust / ROOT_FILE
    if known.is_file() and known.read_bytes() != data:
        if not replace:
            raise TrustDiffers(
                f"This device trusts another root ({_digest(known.read_bytes())[:16]}...).",
                "If the fleet's keys were made anew, give --replace.",
            )
        shutil.rmtree(store.trust / SEEN, ignore_errors=True)
    write_whole(known, data)
    return Trusted(_digest(data), version, roles)


def trusted_root(store: Store) -> bytes:
    """The bytes of the trusted root. Raises TrustMissing, TrustUnusable."""
    path = store.trust / ROOT_FILE
    if not path.is_file():
        raise TrustMissing(
            "This device trusts nobody yet.",
            "Carry the ceremony's `1.root.json` here and run `alledge model trust 1.root.json`.",
        )
    return read_root(path)


def read_root(path: Path) -> bytes:
    """The bytes of a file that may be a root. Raises TrustUnusable when its length alone forbids it."""
    try:
        data = read_file(path, MAX_ROOT_BYTES + 1)
    except OSError as error:
        raise TrustUnusable(f"{path} cannot be read ({error.strerror}).", "Give a file.") from error
    if len(data) > MAX_ROOT_BYTES:
        raise TrustUnusable(f"{path} is too long for a root.", "Give the `1.root.json` of the ceremony.")
    return data


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
