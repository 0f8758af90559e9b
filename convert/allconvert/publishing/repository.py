"""TUF metadata in a folder: built with python-tuf, signed by as many keys as each role's threshold asks for.

Whoever reads while this writes sees the old state or the new one: files with versions or hashes in their
names come first, `timestamp.json`, which names them, comes last, each in one rename. An interrupted publisher
leaves files that nothing names.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from allconvert.publishing.drafts import file_of, list_without, new_target, next_list, next_root
from allconvert.publishing.holders import Holders
from allconvert.publishing.keys import OFFLINE, SHORT, make_key
from allconvert.publishing.refusals import (
    KeysTooFew,
    KeyUnknown,
    RepositoryBusy,
    RepositoryExists,
    VersionPublished,
)
from allconvert.publishing.staging import Stage, Staged, is_enough
from allconvert.publishing.verified import (
    ROOT_COPY,
    PublicState,
    find_root,
    holds,
    read_state,
    require_repository,
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
            n, least = (holders, threshold) if role in OFFLINE else (1, 1)
            signers[role] = [make_key(keys, role, self._holders.passphrase) for _ in range(n)]
            for signer in signers[role]:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = least
        make_folder(self._metadata)
        make_folder(self.folder / "targets")
        first = self._sign(Metadata(root), signers["root"][:threshold])
        for place in ("offline", "online"):
            write_whole(keys / place / ROOT_COPY, first)
        self._write(ROOT_COPY, first)
        targets = self._sign(
            Metadata(Targets(expires=self._until("targets"))), signers["targets"][:threshold]
        )
        self._write("1.targets.json", targets)
        snapshot = Metadata(Snapshot(expires=self._until("snapshot")))
        self._write("1.snapshot.json", self._sign(snapshot, signers["snapshot"]))
        timestamp = Metadata(Timestamp(expires=self._until("timestamp")))
        self._write("timestamp.json", self._sign(timestamp, signers["timestamp"]))
        return self._metadata / ROOT_COPY

    def next_version(self, name: str) -> int:
        """The version that a model of this name gets next."""
        return 1 + max(self._versions(self._state(), name), default=0)

    def add(self, data: bytes, release: Release) -> None:
        """Put a model and its description under signatures. Raises VersionPublished, KeysTooFew, ..."""
        with self._alone():
            state = self._state()
            target = self._new_target(state, data, release)
            signers = self._holders.enough(state.root.signed, "targets")
            self._write_model(target, data)
            self._renew(state, next_list(state, self._until("targets"), target), signers)

    def stage(self, data: bytes, release: Release) -> Staged:
        """Let a model wait for the signatures of other holders, signed by those whose keys are here.

        Raises StagedAlready, VersionPublished, KeysTooFew, ...
        """
        with self._alone():
            state = self._state()
            target = self._new_target(state, data, release)
            listed = next_list(state, self._until("targets"), target)
            return self._stage(state, listed, data, file_of(target))

    def stage_withdrawal(self, name: str, version: int) -> Staged:
        """Let the withdrawal of a model wait for signatures. Raises as `stage`."""
        with self._alone():
            state = self._state()
            return self._stage(state, list_without(state, self._until("targets"), name, version))

    def stage_root(self) -> Staged:
        """Let a new date under the root wait for signatures. Raises as `stage`."""
        with self._alone():
            state = self._state()
            return self._stage(state, next_root(state.root, self._until("root")))

    def sign(self, look: Callable[[Staged], None]) -> tuple[Staged | None, bool]:
        """Add the signatures of the holders whose keys are here, and make public what has enough of them.

        look: is shown what waits, and raises where it must not be signed. Gives what waited, and whether it
        is public now: with enough signatures and the online keys it is. None where it was public before and
        only its folder was left.

        Raises NothingStaged, StagedOutdated, StagedChanged, AlreadySigned, KeysTooFew, ...
        """
        with self._alone():
            state = self._state()
            stage = Stage(self.folder, state)
            if stage.is_public():
                stage.clear()
                return None, True
            staged = stage.load()
            look(staged)
            if staged.missing:
                for signer in self._holders.at_hand(
                    state.root.signed, staged.role, [*staged.metadata.signatures]
                ):
                    staged.metadata.sign(signer, append=True)
                stage.put(staged.metadata)
            is_public = is_enough(staged, state) and self._holders.have_online(state.root.signed)
            if is_public:
                self._publish_staged(state, staged)
                stage.clear()
            return staged, is_public

    def withdraw(self, name: str, version: int) -> None:
        """Take a model off the list; devices that have it keep it. Raises RepositoryUnusable."""
        with self._alone():
            state = self._state()
            listed = list_without(state, self._until("targets"), name, version)
            self._renew(state, listed, self._holders.enough(state.root.signed, "targets"))

    def refresh(self) -> None:
        """New dates under snapshot and timestamp, with the online keys alone."""
        with self._alone():
            self._renew(self._state())

    def renew_root(self) -> int:
        """A new date under the root, signed by its holders; gives its version."""
        with self._alone():
            state = self._state()
            return self._write_root(
                next_root(state.root, self._until("root")), self._holders.enough(state.root.signed, "root")
            )

    def rotate(self, role: str, dropped: str, keys: Path) -> int:
        """Replace a role's key that was lost or stolen; gives the new root's version.

        dropped: the first digits of the key's identifier, as in its file's name. keys: for the new one.
        Raises KeyUnknown, KeysTooFew.
        """
        with self._alone():
            state = self._state()
            keyids = [keyid for keyid in state.root.signed.roles[role].keyids if keyid.startswith(dropped)]
            if len(keyids) != 1 or len(dropped) < 4:
                known = ", ".join(keyid[:SHORT] for keyid in state.root.signed.roles[role].keyids)
                raise KeyUnknown(f"{role} has no single key {dropped}.", f"Its keys: {known}.")
            signers = self._holders.enough(state.root.signed, "root", but=keyids[0])
            if role == "targets":
                state = self._sign_list_without(state, keyids[0])
            added = make_key(keys, role, self._holders.passphrase)
            root = next_root(state.root, self._until("root"))
            root.signed.revoke_key(keyids[0], role)
            root.signed.add_key(added.public_key, role)
            version = self._write_root(root, signers)
            state = replace(state, roots=(*state.roots, root))
            is_list_valid = holds(root.signed, "targets", state.targets)
            list_signers = None if is_list_valid else self._holders.enough(root.signed, "targets")
            self._renew(state, signers=list_signers)
            return version

    def offers(self) -> tuple[str, ...]:
        """Names of the files on the list."""
        return tuple(sorted(self._state().targets.signed.targets))

    def _sign_list_without(self, state: PublicState, dropped: str) -> PublicState:
        """The list signed anew by holders who stay, so that it holds under the old root and the new one.

        Where those who stay are too few without the new key, the new root has to come first.
        """
        try:
            signers = self._holders.enough(state.root.signed, "targets", but=dropped)
        except KeysTooFew:
            return state
        self._renew(state, signers=signers)
        return self._state()

    def _new_target(self, state: PublicState, data: bytes, release: Release) -> TargetFile:
        if release.version <= max(self._versions(state, release.name), default=0):
            raise VersionPublished(
                f"{release.name} v{release.version} is not above what was published.",
                f"Publish it as version {self.next_version(release.name)}.",
            )
        return new_target(state, data, release)

    def _write_model(self, target: TargetFile, data: bytes) -> None:
        write_whole(self.folder / "targets" / file_of(target), data)

    def _write_root(self, root: Metadata[Root], signers: Sequence[CryptoSigner]) -> int:
        self._write(f"{root.signed.version}.root.json", self._sign(root, signers))
        return int(root.signed.version)

    def _stage(
        self,
        state: PublicState,
        metadata: "Metadata[Targets] | Metadata[Root]",
        data: bytes = b"",
        name: str = "",
    ) -> Staged:
        stage = Stage(self.folder, state)
        stage.require_empty()
        for signer in self._holders.at_hand(state.root.signed, metadata.signed.type):
            metadata.sign(signer, append=True)
        stage.put(metadata, data, name)
        return stage.load()

    def _publish_staged(self, state: PublicState, staged: Staged) -> None:
        """The same order as for what is signed at one desk: files that nothing names first."""
        if isinstance(staged.metadata.signed, Root):
            self._write(staged.file_name, staged.metadata.to_bytes())
            return
        if staged.added is not None:
            release, data = staged.added
            self._write_model(staged.metadata.signed.targets[release.target], data)
        self._renew(state, staged.metadata)

    def _renew(
        self,
        state: PublicState,
        listed: Metadata[Targets] | None = None,
        signers: Sequence[CryptoSigner] | None = None,
    ) -> None:
        """A new snapshot and timestamp; before them a new list of models, where one or its keys are given.

        listed: signed already where no signers are given.
        """
        online = (
            self._holders.enough(state.root.signed, "snapshot"),
            self._holders.enough(state.root.signed, "timestamp"),
        )
        snapshot, timestamp = deepcopy(state.snapshot), deepcopy(state.timestamp)
        if signers is not None:
            listed = listed or next_list(state, self._until("targets"))
            self._sign(listed, signers)
        if listed is not None:
            self._write(f"{listed.signed.version}.targets.json", listed.to_bytes())
            snapshot.signed.meta["targets.json"] = MetaFile(listed.signed.version)
        snapshot.signed.version += 1
        snapshot.signed.expires = self._until("snapshot")
        self._write(f"{snapshot.signed.version}.snapshot.json", self._sign(snapshot, online[0]))
        timestamp.signed.snapshot_meta = MetaFile(snapshot.signed.version)
        timestamp.signed.version += 1
        timestamp.signed.expires = self._until("timestamp")
        self._write("timestamp.json", self._sign(timestamp, online[1]))

    def _versions(self, state: PublicState, name: str) -> list[int]:
        """Versions of a name, on the list or withdrawn: files stay, so that no number is used twice."""
        names = [*state.targets.signed.targets]
        names += [path.name[65:] for path in (self.folder / "targets").iterdir()]
        found = [TARGET.fullmatch(path) for path in names]
        return [int(match[2]) for match in found if match is not None and match[1] == name]

    def _state(self) -> PublicState:
        """What is public, verified from the root that lies beside the keys."""
        require_repository(self.folder)
        return read_state(self._metadata, find_root(self._holders.folders))

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
        require_repository(self.folder)
        handle = os.open(self._metadata, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise RepositoryBusy(f"Somebody else publishes into {self.folder}.", "Wait.") from error
        finally:
            os.close(handle)
