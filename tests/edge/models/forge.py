"""A publisher in memory, good or bad: its fields are what gets signed, and tests tamper with them.

    forge = Forge()
    forge.add("smearnet", 2, model_bytes(2))
    forge.timestamp.version += 1
    forge.write(folder)

It is written against python-tuf alone and not with `allconvert publish`, so that each is held to the other.
"""

import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from alledge.card import Card
from alledge.classifier import Int8Network
from alledge.model_file import Golden, pack_model, parse_model
from alledge.models.fetching import RepositoryFetcher, fetcher_for
from alledge.models.installing import Wish, install
from alledge.models.release import describe
from alledge.models.serving import confirm, current
from alledge.models.state import Installed
from alledge.models.store import Store
from alledge.models.trust import trust_root
from tests.edge.tiny_model import TinyNetwork, tiny_card, tiny_patches

NOW = datetime.now(UTC).replace(microsecond=0)
SOFTWARE = "0.1.0"
ROLES = ("root", "targets", "snapshot", "timestamp")


@cache
def keys_of(role: str, n: int) -> tuple[CryptoSigner, ...]:
    """The same keys in every test: making them is not what is tested."""
    return tuple(CryptoSigner.generate_ed25519() for _ in range(n))


def strangers(n: int = 3) -> tuple[CryptoSigner, ...]:
    return keys_of("stranger", n)


@cache
def model_bytes(version: int = 1, card: Card | None = None) -> bytes:
    """A model that answers its golden vectors; another version is another network."""
    flatbuffer, patches = TinyNetwork(seed=version).build(), tiny_patches(256)
    outputs = Int8Network(flatbuffer, kernels="reference").int8_logits(patches)
    return pack_model(flatbuffer, tiny_card(), Golden(patches, outputs))


@cache
def relabelled(labels: tuple[str, ...], positive: tuple[str, ...]) -> bytes:
    card = replace(tiny_card(), labels=labels, positive_labels=positive)
    model = parse_model(model_bytes(2), "tiny")
    return pack_model(model.flatbuffer, card, model.golden)


@dataclass
class Forge:
    """What is signed next, and by whom. days: until each role expires."""

    root: Root = field(default_factory=lambda: Root(consistent_snapshot=True, expires=in_days(700)))
    targets: Targets = field(default_factory=lambda: Targets(expires=in_days(300)))
    snapshot: Snapshot = field(default_factory=lambda: Snapshot(expires=in_days(100)))
    timestamp: Timestamp = field(default_factory=lambda: Timestamp(expires=in_days(100)))
    signers: dict[str, tuple[CryptoSigner, ...]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in ROLES:
            keys = keys_of(role, 3 if role in {"root", "targets"} else 1)
            for key in keys:
                self.root.add_key(key.public_key, role)
            self.root.roles[role].threshold = 2 if len(keys) == 3 else 1
            self.signers[role] = keys[: self.root.roles[role].threshold]
        self.sign_root(*keys_of("root", 3)[:2])

    def sign_root(self, *signers: CryptoSigner) -> None:
        self.roots[self.root.version] = signed(self.root, signers)

    def next_root(self, *signers: CryptoSigner) -> None:
        """One more root, signed by the old and the new holders that are given."""
        self.root.version += 1
        self.sign_root(*signers)

    def swap_key(self, role: str, old: CryptoSigner, new: CryptoSigner) -> None:
        self.root.revoke_key(old.public_key.keyid, role)
        self.root.add_key(new.public_key, role)
        stay = [signer for signer in self.signers[role] if signer is not old]
        self.signers[role] = (*stay, new)

    def add(self, name: str, version: int, data: bytes, described: Card | None = None) -> TargetFile:
        """List a model, described by its card or by another."""
        release = describe(described or parse_model(data, name).card, name, version, SOFTWARE, NOW)
        return self.add_raw(release.target, data, release.as_custom())

    def add_raw(self, path: str, data: bytes, custom: object) -> TargetFile:
        target = TargetFile.from_data(path, data, ["sha256"])
        target.unrecognized_fields["custom"] = custom
        self.targets.targets[path] = target
        self.files[f"{target.hashes['sha256']}.{path}"] = data
        return target

    def bump(self) -> None:
        """The next state of the repository, as an honest publisher makes it."""
        self.targets.version += 1
        self.snapshot.version += 1
        self.timestamp.version += 1
        self.bind()

    def bind(self) -> None:
        """Snapshot and timestamp name the versions below them."""
        self.snapshot.meta["targets.json"] = MetaFile(self.targets.version)
        self.timestamp.snapshot_meta = MetaFile(self.snapshot.version)

    def write(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "metadata").mkdir(parents=True)
        (folder / "targets").mkdir()
        for version, data in self.roots.items():
            (folder / "metadata" / f"{version}.root.json").write_bytes(data)
        for name, data in self.metadata().items():
            (folder / "metadata" / name).write_bytes(data)
        for name, data in self.files.items():
            path = folder / "targets" / name
            if path.resolve().is_relative_to(folder.resolve()):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

    def metadata(self) -> dict[str, bytes]:
        return {
            f"{self.targets.version}.targets.json": signed(self.targets, self.signers["targets"]),
            f"{self.snapshot.version}.snapshot.json": signed(self.snapshot, self.signers["snapshot"]),
            "timestamp.json": signed(self.timestamp, self.signers["timestamp"]),
        }


class Device:
    """A device in a folder, as a person handles it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.store = Store(data)

    def trust(self, forge: Forge, version: int = 1) -> None:
        trust_root(self.store, forge.roots[version])

    def install(
        self,
        source: Path | str | RepositoryFetcher,
        wish: Wish | None = None,
        now: datetime = NOW,
        software: str = SOFTWARE,
    ) -> Installed:
        fetcher = source if isinstance(source, RepositoryFetcher) else fetcher_for(str(source))
        model, _ = install(self.store, fetcher, wish, now, lambda _path: None, software)
        return model

    def confirm(self) -> None:
        confirm(self.data)

    def serves(self) -> bytes:
        return current(self.data).read_bytes()


def signed(content: Signed, signers: tuple[CryptoSigner, ...]) -> bytes:
    metadata: Metadata[Signed] = Metadata(content)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def in_days(days: float) -> datetime:
    return NOW + timedelta(days=days)
