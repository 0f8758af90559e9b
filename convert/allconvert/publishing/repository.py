"""TUF metadata in a folder: built with python-tuf, signed by as many keys as each role's threshold asks for.

Whoever reads while this writes sees the old state or the new one: files with versions or hashes in their
names come first, `timestamp.json`, which names them, comes last, each in one rename. An interrupted publisher
leaves files that nothing names.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.exceptions import StorageError  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError

from allconvert.publishing.keys import SHORT, Passphrase, find_signers, make_key
from allconvert.publishing.refusals import (
    KeyUnknown,
    RepositoryBusy,
    RepositoryExists,
    RepositoryUnusable,
    VersionPublished,
)
from alledge.durable import make_folder, write_whole
from alledge.models.release import TARGET, Release

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)
ROLES: Final = ("root", "targets", "snapshot", "timestamp")


@dataclass(frozen=True, slots=True)
class Days:
    """How long each role's metadata holds. A copy on a stick can be installed for `timestamp` days."""

    root: int = 730
    targets: int = 365
    snapshot: int = 100
    timestamp: int = 100


@dataclass(frozen=True, slots=True)
class Holders:
    """Where private keys lie, and how they are opened."""

    folders: Sequence[Path]
    passphrase: Passphrase


class ModelRepository:
    """A folder of signed models. now: the publisher's time. Raises RepositoryUnusable when read."""

    def __init__(self, folder: Path, holders: Holders, now: datetime, days: Days | None = None) -> None:
        self.folder = folder
        self._metadata = folder / "metadata"
        self._holders, self._days = holders, days or Days()
        self._now = now.astimezone(UTC).replace(microsecond=0)

    def create(self, keys: Path, holders: int = 3, threshold: int = 2) -> Path:
        """Make keys and an empty repository; gives the file that devices are to trust.

        holders, threshold: of root and of targets each; snapshot and timestamp have one online key each.
        Raises RepositoryExists.
        """
        if self._metadata.exists():
            raise RepositoryExists(f"{self.folder} is a repository already.", "Name a new folder.")
        root = Root(consistent_snapshot=True, expires=self._until("root"))
        signers: dict[str, list[CryptoSigner]] = {}
        for role in ROLES:
            n, least = (holders, threshold) if role in {"root", "targets"} else (1, 1)
            signers[role] = [make_key(keys, role, self._holders.passphrase) for _ in range(n)]
            for signer in signers[role]:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = least
        make_folder(self._metadata)
        make_folder(self.folder / "targets")
        first = self._sign(Metadata(root), signers["root"][:threshold])
        self._write("1.root.json", first)
        targets = self._sign(
            Metadata(Targets(expires=self._until("targets"))), signers["targets"][:threshold]
        )
        self._write("1.targets.json", targets)
        snapshot = Metadata(Snapshot(expires=self._until("snapshot")))
        self._write("1.snapshot.json", self._sign(snapshot, signers["snapshot"]))
        timestamp = Metadata(Timestamp(expires=self._until("timestamp")))
        self._write("timestamp.json", self._sign(timestamp, signers["timestamp"]))
        return self._metadata / "1.root.json"

    def next_version(self, name: str) -> int:
        """The version that a model of this name gets next."""
        return 1 + max(self._versions(name), default=0)

    def add(self, data: bytes, release: Release) -> None:
        """Put a model and its description under signatures. Raises VersionPublished, KeysTooFew, ..."""
        with self._alone():
            if release.version <= max(self._versions(release.name), default=0):
                raise VersionPublished(
                    f"{release.name} v{release.version} is not above what was published.",
                    f"Publish it as version {self.next_version(release.name)}.",
                )
            signers = self._signers("targets")
            target = TargetFile.from_data(release.target, data, ["sha256"])
            if any(target.hashes == listed.hashes for listed in self._listed().values()):
                raise VersionPublished("This file is published already.", "Publish another, or none.")
            target.unrecognized_fields["custom"] = release.as_custom()
            write_whole(self.folder / "targets" / f"{target.hashes['sha256']}.{release.target}", data)
            self._renew(with_targets=[target], signers=signers)

    def withdraw(self, name: str, version: int) -> None:
        """Take a model off the list; devices that have it keep it. Raises RepositoryUnusable."""
        with self._alone():
            self._renew(without=f"{name}.v{version}.tflite", signers=self._signers("targets"))

    def refresh(self) -> None:
        """New dates under snapshot and timestamp, with the online keys alone."""
        with self._alone():
            self._renew()

    def renew_root(self) -> int:
        """A new date under the root, signed by its holders; gives its version."""
        with self._alone():
            return self._replace_root(self._root(), self._signers("root"))

    def rotate(self, role: str, dropped: str, keys: Path) -> int:
        """Replace a role's key that was lost or stolen; gives the new root's version.

        dropped: the first digits of the key's identifier, as in its file's name. keys: for the new one.
        Raises KeyUnknown, KeysTooFew.
        """
        with self._alone():
            root = self._root()
            keyids = [keyid for keyid in root.signed.roles[role].keyids if keyid.startswith(dropped)]
            if len(keyids) != 1 or len(dropped) < 4:
                known = ", ".join(keyid[:SHORT] for keyid in root.signed.roles[role].keyids)
                raise KeyUnknown(f"{role} has no single key {dropped}.", f"Its keys: {known}.")
            added = make_key(keys, role, self._holders.passphrase)
            signers = self._signers("root", but=keyids[0])
            root.signed.revoke_key(keyids[0], role)
            root.signed.add_key(added.public_key, role)
            version = self._replace_root(root, signers)
            self._renew(signers=self._signers("targets") if role == "targets" else None)
            return version

    def offers(self) -> tuple[str, ...]:
        """Names of the files on the list."""
        return tuple(sorted(self._listed()))

    def _listed(self) -> dict[str, TargetFile]:
        return self._latest("targets", Targets).signed.targets

    def _replace_root(self, root: Metadata[Root], signers: list[CryptoSigner]) -> int:
        root.signed.version += 1
        root.signed.expires = self._until("root")
        self._write(f"{root.signed.version}.root.json", self._sign(root, signers))
        return int(root.signed.version)

    def _renew(
        self,
        with_targets: Sequence[TargetFile] = (),
        without: str = "",
        signers: list[CryptoSigner] | None = None,
    ) -> None:
        """A new snapshot and timestamp; a new list of models before them, where its keys are given."""
        snapshot, timestamp = self._latest("snapshot", Snapshot), self._timestamp()
        online = self._signers("snapshot"), self._signers("timestamp")
        if signers is not None:
            targets = deepcopy(self._latest("targets", Targets))
            if without and targets.signed.targets.pop(without, None) is None:
                raise RepositoryUnusable(f"{without} is not on the list.", "See what is: `publish-list`.")
            targets.signed.targets.update({target.path: target for target in with_targets})
            targets.signed.version += 1
            targets.signed.expires = self._until("targets")
            self._write(f"{targets.signed.version}.targets.json", self._sign(targets, signers))
            snapshot.signed.meta["targets.json"] = MetaFile(targets.signed.version)
        snapshot.signed.version += 1
        snapshot.signed.expires = self._until("snapshot")
        self._write(f"{snapshot.signed.version}.snapshot.json", self._sign(snapshot, online[0]))
        timestamp.signed.snapshot_meta = MetaFile(snapshot.signed.version)
        timestamp.signed.version += 1
        timestamp.signed.expires = self._until("timestamp")
        self._write("timestamp.json", self._sign(timestamp, online[1]))

    def _versions(self, name: str) -> list[int]:
        """Versions of a name, on the list or withdrawn: files stay, so that no number is used twice."""
        names = [*self.offers(), *(path.name[65:] for path in (self.folder / "targets").iterdir())]
        found = [TARGET.fullmatch(path) for path in names]
        return [int(match[2]) for match in found if match is not None and match[1] == name]

    def _signers(self, role: str, but: str = "") -> list[CryptoSigner]:
        told = self._root().signed.roles[role]
        keyids = [keyid for keyid in told.keyids if keyid != but]
        return find_signers(self._holders.folders, role, keyids, told.threshold, self._holders.passphrase)

    def _root(self) -> Metadata[Root]:
        versions = [int(path.name.split(".")[0]) for path in self._metadata.glob("[0-9]*.root.json")]
        if not versions:
            raise RepositoryUnusable(
                f"{self.folder} is no repository.",
                "Make one: `allconvert publish-init --repo DIR --keys DIR`.",
            )
        return self._read(f"{max(versions)}.root.json", Root)

    def _latest(self, role: str, kind: type[S]) -> Metadata[S]:
        """The metadata that devices are shown now, not files that an interrupted publisher left."""
        version = self._timestamp().signed.snapshot_meta.version
        snapshot = self._read(f"{version}.snapshot.json", Snapshot)
        if role != "snapshot":
            return self._read(f"{snapshot.signed.meta['targets.json'].version}.targets.json", kind)
        return self._read(f"{version}.snapshot.json", kind)

    def _timestamp(self) -> Metadata[Timestamp]:
        return self._read("timestamp.json", Timestamp)

    def _read(self, name: str, kind: type[S]) -> Metadata[S]:
        try:
            metadata = Metadata[S].from_file(str(self._metadata / name))
        except (OSError, StorageError, DeserializationError) as error:
            raise RepositoryUnusable(
                f"{self._metadata / name} cannot be used ({error}).", "Restore it from the published copy."
            ) from error
        if not isinstance(metadata.signed, kind):
            raise RepositoryUnusable(f"{name} is of another role.", "Restore it from the published copy.")
        return metadata

    def _until(self, role: str) -> datetime:
        return self._now + timedelta(days=int(getattr(self._days, role)))

    def _sign(self, metadata: Metadata[S], signers: Sequence[CryptoSigner]) -> bytes:
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def _write(self, name: str, data: bytes) -> None:
        write_whole(self._metadata / name, data)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._root()
        handle = os.open(self._metadata, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise RepositoryBusy(f"Somebody else publishes into {self.folder}.", "Wait.") from error
        finally:
            os.close(handle)
