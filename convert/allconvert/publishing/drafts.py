"""What follows the public state, not signed yet: values, from which a publisher takes one to sign."""

from copy import deepcopy
from datetime import datetime

from tuf.api.metadata import Metadata, Root, TargetFile, Targets  # type: ignore[attr-defined]

from allconvert.publishing.refusals import RepositoryUnusable, VersionPublished
from allconvert.publishing.verified import PublicState
from alledge.models.release import Release, target_name


def new_target(state: PublicState, data: bytes, release: Release) -> TargetFile:
    """The entry of a model on the list. Raises VersionPublished where the same file is on it."""
    target = TargetFile.from_data(release.target, data, ["sha256"])
    if any(target.hashes == listed.hashes for listed in state.targets.signed.targets.values()):
        raise VersionPublished("This file is published already.", "Publish another, or none.")
    target.unrecognized_fields["custom"] = release.as_custom()
    return target


def file_of(target: TargetFile) -> str:
    """The name of its file in a repository: its hash comes first, so that no state overwrites another's."""
    return f"{target.hashes['sha256']}.{target.path}"


def next_list(state: PublicState, until: datetime, target: TargetFile | None = None) -> Metadata[Targets]:
    """The next list of models, with one more where it is given."""
    listed = deepcopy(state.targets)
    listed.signatures.clear()
    if target is not None:
        listed.signed.targets[target.path] = target
    listed.signed.version += 1
    listed.signed.expires = until
    return listed


def list_without(state: PublicState, until: datetime, name: str, version: int) -> Metadata[Targets]:
    """The next list of models, with one less. Raises RepositoryUnusable where it is not on it."""
    listed, target = next_list(state, until), target_name(name, version)
    if listed.signed.targets.pop(target, None) is None:
        has = ", ".join(sorted(listed.signed.targets)) or "nothing"
        raise RepositoryUnusable(f"{target} is not on the list.", f"It has {has}.")
    return listed


def next_root(public: Metadata[Root], until: datetime) -> Metadata[Root]:
    """The next root, with a new date and no other change."""
    root = deepcopy(public)
    root.signatures.clear()
    root.signed.version += 1
    root.signed.expires = until
    return root
