"""TUF's client at work for a device: the one place where python-tuf is asked, and where its errors end.

The client works on a copy of the metadata that the device has seen; whatever it verified is then kept, each
file flushed, also when the rest is refused: what saw a newer timestamp or a revoked key must not forget it.
The first root never comes from a repository, only from `alledge model trust`.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from securesystemslib.exceptions import Error as SecureSystemsError
from tuf.api import exceptions as tuf
from tuf.api.metadata import Key, Metadata, Root, TargetFile, Targets  # type: ignore[attr-defined]
from tuf.api.serialization import DeserializationError, SerializationError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater

from alledge.durable import make_folder, write_whole
from alledge.errors import AllscopeError, StorageFailed
from alledge.models import refusals as no
from alledge.models.fetching import BASE, LONGEST_METADATA, RepositoryFetcher
from alledge.models.release import TARGET, Release, read_release
from alledge.models.store import MAX_FILE_BYTES
from alledge.plain import plain

CONFIG: Final = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=0,
    root_max_length=256 * 1024,
    timestamp_max_length=16 * 1024,
    snapshot_max_length=64 * 1024,
    targets_max_length=LONGEST_METADATA,
)
ASK: Final = "Do not use this copy; ask who publishes it."
# What Python raises where JSON is of other types than expected, nested without end, or has endless numbers.
_STRANGE: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
_ROLES: Final = ("root", "timestamp", "snapshot", "targets")
_EXPIRED: Final[Mapping[str, tuple[type[no.MetadataExpired], str]]] = {
    "root": (no.RootExpired, "The key holders must sign a new root."),
    "timestamp": (
        no.TimestampExpired,
        "Check the device's clock; else run `allconvert publish-refresh` and copy the repository again.",
    ),
    "snapshot": (no.SnapshotExpired, "Run `allconvert publish-refresh` and copy the repository again."),
    "targets": (no.TargetsExpired, "The key holders must sign the list of models again."),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One model of a repository, as signed. sha256: hex digits. n_bytes: its exact length."""

    release: Release
    sha256: str
    n_bytes: int


class Repository:
    """A repository, verified from the trusted root to the list of its models.

    trusted: bytes of the device's first root. seen: folder of metadata seen before, which is added to.
    aside: an empty folder to work in. Raises whatever of `refusals` applies.
    """

    def __init__(self, fetcher: RepositoryFetcher, trusted: bytes, seen: Path, aside: Path) -> None:
        self._fetcher = fetcher
        self._metadata, self._targets = aside / "metadata", aside / "targets"
        make_folder(self._metadata)
        make_folder(self._targets)
        check_root(trusted)
        _copy_metadata(seen, self._metadata)
        try:
            with translated(fetcher):
                self._updater = Updater(
                    str(self._metadata),
                    f"{BASE}metadata/",
                    str(self._targets),
                    f"{BASE}targets/",
                    fetcher=fetcher,
                    config=CONFIG,
                    bootstrap=trusted,
                )
                self._updater.refresh()
        finally:
            _keep_metadata(self._metadata, seen)
        _hold_roots(self._metadata / "root_history")
        with translated(fetcher):
            self._listed = Metadata[Targets].from_file(str(self._metadata / "targets.json")).signed.targets

    def offers(self) -> tuple[Offer, ...]:
        """All models, by name and version. Raises TargetNameUnsafe, TargetUndescribed, TargetTooLarge."""
        found = [_offer(path, target) for path, target in self._listed.items()]
        return tuple(sorted(found, key=lambda offer: (offer.release.name, offer.release.version)))

    def download(self, offer: Offer) -> bytes:
        """The bytes of a model, of the length and hash that are signed. Raises TargetChanged, ..."""
        with translated(self._fetcher, is_target=True):
            info = self._updater.get_targetinfo(offer.release.target)
            if info is None:
                raise no.ModelUnknown(f"{offer.release.target} is not listed.", ASK)
            data = Path(self._updater.download_target(info)).read_bytes()
        # What goes on is what lies in memory now, not what the file held when it was looked at.
        if hashlib.sha256(data).hexdigest() != offer.sha256:
            raise no.TargetChanged(f"{offer.release.target} is not the file that was signed.", ASK)
        return data

    def evidence(self) -> dict[str, bytes]:
        """The roots and the list by which the models were verified, by file name."""
        roots = {path.name: path.read_bytes() for path in (self._metadata / "root_history").iterdir()}
        return {**roots, "targets.json": (self._metadata / "targets.json").read_bytes()}


def check_root(data: bytes) -> tuple[int, str]:
    """(version, the keys and thresholds in one line) of a root that is signed by its own keys.

    Raises TrustUnusable.
    """
    try:
        metadata = Metadata[Root].from_bytes(data)
        metadata.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
        require_own_keys(metadata.signed)
    except (tuf.RepositoryError, SecureSystemsError, *_STRANGE) as error:
        raise no.TrustUnusable(
            f"The file is no root that can be trusted ({_short(error)}).",
            "Give the `1.root.json` of the ceremony.",
        ) from error
    roles = metadata.signed.roles
    return metadata.signed.version, ", ".join(
        f"{name} {role.threshold} of {len(role.keyids)}" for name, role in sorted(roles.items())
    )


def require_own_keys(root: Root) -> None:
    """Raise ValueError where a root counts one key twice for a role, under two identifiers.

    A threshold of two would then be reached by one holder; python-tuf compares identifiers only.
    """
    for name, role in root.roles.items():
        held = [_key_itself(root.keys[keyid]) for keyid in role.keyids]
        _require(len(set(held)) == len(held), f"one key stands twice for {name}")


def _key_itself(key: Key) -> str:
    return "".join(str(key.keyval.get("public", "")).lower().split())


def _hold_roots(history: Path) -> None:
    """Raise SignaturesTooFew where a root on the way counts one key twice."""
    for path in sorted(history.glob("*.root.json")):
        try:
            require_own_keys(Metadata[Root].from_bytes(path.read_bytes()).signed)
        except ValueError as error:
            raise no.SignaturesTooFew(f"{path.name} cannot be trusted: {error}.", ASK) from error


def check_evidence(trusted: bytes, evidence: Mapping[str, bytes], target: str, sha256: str) -> None:
    """Hold an installed model to the signatures it came with; dates do not matter any more.

    Raises EvidenceBroken when a root does not follow from the one before, the list is not signed to the
    threshold, or does not name that file with that hash.
    """
    try:
        root = Metadata[Root].from_bytes(trusted).signed
        while (data := evidence.get(f"{root.version + 1}.root.json")) is not None:
            later = Metadata[Root].from_bytes(data)
            _require(later.signed.version == root.version + 1, "a root of another version")
            for holder in (root, later.signed):
                holder.verify_delegate(Root.type, later.signed_bytes, later.signatures)
            root = later.signed
            require_own_keys(root)
        listed = Metadata[Targets].from_bytes(evidence["targets.json"])
        root.verify_delegate(Targets.type, listed.signed_bytes, listed.signatures)
        _require(listed.signed.targets[target].hashes["sha256"] == sha256, "another hash was signed")
    except (tuf.RepositoryError, SecureSystemsError, *_STRANGE) as error:
        raise no.EvidenceBroken(
            f"The signatures kept with {target} do not hold ({_short(error)}).", "Install the model again."
        ) from error


@contextlib.contextmanager
def translated(fetcher: RepositoryFetcher, is_target: bool = False) -> Iterator[None]:
    """Turn what python-tuf raises into refusals. is_target: a model is fetched, not metadata."""
    try:
        yield
    except AllscopeError:
        raise
    except tuf.DownloadError as error:
        raise _download_failed(error, fetcher) from error
    except tuf.RepositoryError as error:
        raise _refused(error, fetcher, is_target) from error
    except OSError as error:
        raise StorageFailed(
            f"The download cannot be written ({error.strerror}).", "Free space and start again."
        ) from error
    except (SecureSystemsError, *_STRANGE) as error:
        raise no.MetadataUnreadable(f"{fetcher.last} is no metadata ({_short(error)}).", ASK) from error


def _download_failed(error: tuf.DownloadError, fetcher: RepositoryFetcher) -> AllscopeError:
    if isinstance(error.__cause__, AllscopeError):
        return error.__cause__
    if isinstance(error, tuf.DownloadLengthMismatchError):
        return no.DownloadEndless(f"{fetcher.last} is longer than is signed or allowed.", ASK)
    if isinstance(error, tuf.SlowRetrievalError):
        return no.SourceSlow(f"The source is too slow ({error}).", "Try again, or carry it on a stick.")
    if isinstance(error, tuf.DownloadHTTPError) and error.status_code in {403, 404}:
        return no.SourceIncomplete(
            f"The repository lacks {fetcher.last}.", "Give its folder with `metadata` and `targets`."
        )
    return no.SourceUnreachable(f"{_short(error)}.", "Check the address and the network.")


def _refused(error: tuf.RepositoryError, fetcher: RepositoryFetcher, is_target: bool) -> AllscopeError:
    what = fetcher.last
    if isinstance(error, tuf.ExpiredMetadataError):
        role = _role_in(str(error)) or _role_in(what) or "timestamp"
        kind, next_step = _EXPIRED[role]
        return kind(f"The {role} of the repository has expired.", next_step)
    if isinstance(error, tuf.UnsignedMetadataError):
        return no.SignaturesTooFew(f"{what} is not signed by enough trusted keys ({_short(error)}).", ASK)
    if isinstance(error, tuf.LengthOrHashMismatchError):
        if is_target:
            return no.TargetChanged(f"{what} is not the file that was signed.", ASK)
        return no.MetadataMixed(f"{what} is not the one that the metadata above it names.", ASK)
    if isinstance(error, tuf.BadVersionNumberError):
        kind_of = no.MetadataTooOld if _is_rollback(str(error)) else no.MetadataMixed
        return kind_of(f"{what} has the wrong version ({_short(error)}).", ASK)
    if isinstance(error, DeserializationError | SerializationError):
        return no.MetadataUnreadable(f"{what} is no metadata ({_short(error)}).", ASK)
    if re.search(r"missing info|does not contain|not part of", str(error)):
        return no.MetadataMissing(f"{what} leaves out what must be there ({_short(error)}).", ASK)
    return no.MetadataOtherRole(f"{what} is of another role ({_short(error)}).", ASK)


def _offer(path: str, target: TargetFile) -> Offer:
    if TARGET.fullmatch(path) is None:
        raise no.TargetNameUnsafe(f"The signed list names a model {path[:80]!r}.", ASK)
    sha256 = target.hashes.get("sha256", "")
    if list(target.hashes) != ["sha256"] or re.fullmatch("[0-9a-f]{64}", sha256) is None:
        raise no.TargetUndescribed(f"The signed list gives no SHA-256 of {path}.", ASK)
    if target.length > MAX_FILE_BYTES:
        raise no.TargetTooLarge(f"{path} has {target.length >> 20} MiB, more than a device takes.", ASK)
    return Offer(read_release(path, target.custom), sha256, target.length)


def _is_rollback(told: str) -> bool:
    """Whether a version lies below one that was seen, by python-tuf's words; else it is not the one named."""
    root = re.search(r"Expected root version (\d+) instead got version (\d+)", told)
    if root is not None:
        return int(root[2]) < int(root[1])
    return re.search(r"must be >=|\.json version", told) is not None


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _role_in(text: str) -> str:
    found = re.search("|".join(_ROLES), text)
    return found.group() if found else ""


def _copy_metadata(seen: Path, aside: Path) -> None:
    make_folder(aside / "root_history")
    for name, data in _files(seen).items():
        write_whole(aside / name, data)


def _keep_metadata(aside: Path, seen: Path) -> None:
    """Keep what the client verified: it stores nothing else."""
    make_folder(seen / "root_history")
    before = _files(seen)
    for name, data in _files(aside).items():
        if before.get(name) != data:
            write_whole(seen / name, data)


def _files(folder: Path) -> dict[str, bytes]:
    """Metadata files by name, `root_history/` among them; the link `root.json` is the client's own."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((*folder.glob("*.json"), *folder.glob("root_history/*.root.json")))
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= LONGEST_METADATA
    }


def _short(error: Exception) -> str:
    cause = error.__cause__ or error
    return plain(cause).rstrip(".") or type(error).__name__
