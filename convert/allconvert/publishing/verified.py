"""What is public now, held to the signatures of the ceremony's root before anything is built upon it.

Holders sign a whole list, not one line of it. A folder that lies on a web server or travels on sticks can be
written to by others, and an entry, a key or a version that they slipped in would get honest signatures with
the next publication. So a publisher reads it as a device does, from the root that holders keep beside their
keys and not from the one in the folder; only dates do not matter, since renewing them is what one comes for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from securesystemslib.exceptions import Error as SecureSystemsError
from tuf.api import exceptions as tuf
from tuf.api.exceptions import StorageError  # type: ignore[attr-defined]
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp  # type: ignore[attr-defined]
from tuf.api.serialization import DeserializationError

from allconvert.publishing.refusals import RepositoryChanged, RepositoryUnusable, RootUnknown
from alledge.models.store import read_file
from alledge.models.trust import MAX_ROOT_BYTES
from alledge.models.tuf_client import check_root, require_own_keys
from alledge.plain import plain

ROOT_COPY: Final = "1.root.json"
"""The ceremony's root, as it lies beside private keys."""

RESTORE: Final = "Restore the folder from the copy that devices are shown, and find out who wrote to it."
LONGEST: Final = 2**20

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class PublicState:
    """What devices are shown now. roots: oldest first, of which the last one counts."""

    roots: tuple[Metadata[Root], ...]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]

    @property
    def root(self) -> Metadata[Root]:
        """The root that counts."""
        return self.roots[-1]


def find_root(folders: Iterable[Path]) -> bytes:
    """The ceremony's root, as the holders keep it beside their keys.

    Raises RootUnknown when none of the folders has it, or two have different ones.
    """
    files = sorted(path for folder in folders for path in folder.rglob(ROOT_COPY) if path.is_file())
    found = {read_file(path, MAX_ROOT_BYTES) for path in files}
    if len(found) != 1:
        how = "Two of the folders of keys hold different ones." if found else "No folder of keys holds it."
        raise RootUnknown(
            f"{ROOT_COPY} is needed to see that nobody changed the repository. {how}",
            "Copy it there from the ceremony, after comparing its sha256 with the paper's (`sha256sum`).",
        )
    return found.pop()


def read_state(metadata: Path, trusted: bytes) -> PublicState:
    """The public state, verified.

    metadata: the repository's folder of it. trusted: bytes of the root to begin with.

    Raises:
        RepositoryUnusable: a file is missing or is no metadata.
        RepositoryChanged: a file is not signed as it must be, or is not the one that is named.
        TrustUnusable: the trusted root is none.
    """
    roots = _roots(metadata, trusted)
    timestamp = read_metadata(metadata / "timestamp.json", Timestamp)
    _hold(timestamp, "timestamp", roots[-2:])
    version = timestamp.signed.snapshot_meta.version
    snapshot = read_metadata(metadata / f"{version}.snapshot.json", Snapshot)
    _hold(snapshot, "snapshot", roots[-2:])
    _require(snapshot.signed.version == version, f"{version}.snapshot.json")
    named = snapshot.signed.meta.get("targets.json")
    _require(named is not None, f"{version}.snapshot.json")
    assert named is not None
    targets = read_metadata(metadata / f"{named.version}.targets.json", Targets)
    _hold(targets, "targets", roots[-1:])
    _require(targets.signed.version == named.version, f"{named.version}.targets.json")
    return PublicState(tuple(roots), timestamp, snapshot, targets)


def require_repository(folder: Path) -> None:
    """Raise RepositoryUnusable where a folder is no repository."""
    if not (folder / "metadata" / ROOT_COPY).is_file() or not (folder / "targets").is_dir():
        raise RepositoryUnusable(
            f"{folder} is no repository.", "Make one: `allconvert publish-init --repo DIR --keys DIR`."
        )


def read_metadata(path: Path, kind: type[S]) -> Metadata[S]:
    """Metadata of one role from a file, not verified. Raises RepositoryUnusable."""
    try:
        metadata = Metadata[S].from_bytes(read_file(path, LONGEST))
    except (OSError, StorageError, DeserializationError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RepositoryUnusable(f"{plain(path, 300)} cannot be used ({plain(why)}).", RESTORE) from error
    if not isinstance(metadata.signed, kind):
        raise RepositoryUnusable(f"{path.name} is of another role.", RESTORE)
    return metadata


def holds(signed_by: Root, role: str, metadata: Metadata[S]) -> bool:
    """Whether metadata carries as many signatures of a role's keys as the root asks for."""
    try:
        signed_by.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (tuf.RepositoryError, SecureSystemsError, ValueError):
        return False
    return True


def _roots(metadata: Path, trusted: bytes) -> list[Metadata[Root]]:
    require_repository(metadata.parent)
    check_root(trusted)
    # Nothing hangs on this copy, but people carry it to devices.
    _require(read_file(metadata / ROOT_COPY, MAX_ROOT_BYTES) == trusted, ROOT_COPY)
    roots = [Metadata[Root].from_bytes(trusted)]
    while (path := metadata / f"{roots[-1].signed.version + 1}.root.json").exists():
        later = read_metadata(path, Root)
        _require(later.signed.version == roots[-1].signed.version + 1, path.name)
        _require(all(holds(root.signed, "root", later) for root in (roots[-1], later)), path.name)
        try:
            require_own_keys(later.signed)
        except ValueError as error:
            raise RepositoryChanged(f"{path.name}: {error}.", RESTORE) from error
        roots.append(later)
    return roots


def _hold(metadata: Metadata[S], role: str, roots: Iterable[Metadata[Root]]) -> None:
    """Raise RepositoryChanged unless one of the roots vouches for metadata.

    Snapshot and timestamp may be signed by the keys before: a rotation that was interrupted leaves them so.
    """
    _require(any(holds(root.signed, role, metadata) for root in roots), f"the {role}")


def _require(is_so: bool, what: str) -> None:
    if not is_so:
        raise RepositoryChanged(f"{what} is not what the key holders signed.", RESTORE)
