"""Holders in different places: what is to be public gathers its signatures in `REPO/staged/`, one by one.

    holder 1: publish MODEL --stage   staged/N.targets.json, signed once; staged/targets/HASH.NAME
    holder 2: publish-sign            the same file, signed twice; on a copy of the folder, on any computer
    online:   publish-sign            all that devices read, `timestamp.json` last; staged/ goes

Devices read `metadata` and `targets` only, so what is staged is shown to nobody. What lies here has passed
through hands and sticks: each holder's command verifies the public state, that the staged one is its next
step and no other, that every signature so far holds over the bytes that are there, and that the file is the
model that the list describes. A renewed root is staged in the same way.
"""

import hashlib
import shutil
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tuf.api.metadata import Metadata, Root, TargetFile, Targets  # type: ignore[attr-defined]

from allconvert.publishing.keys import SHORT
from allconvert.publishing.refusals import (
    NothingStaged,
    RepositoryUnusable,
    StagedAlready,
    StagedChanged,
    StagedOutdated,
)
from allconvert.publishing.verified import LONGEST, PublicState, holds, read_metadata
from alledge.durable import make_folder, write_whole
from alledge.models.release import Release, read_release
from alledge.models.store import MAX_FILE_BYTES, read_file
from alledge.plain import plain

FOLDER: Final = "staged"
ANEW: Final = "Do not sign. Remove the folder `staged`, stage it again, and find out who changed it."


@dataclass(frozen=True, slots=True)
class Staged:
    """Metadata that waits for signatures.

    role: targets or root. signed_by, missing: first digits of keys, and how many are wanted still.
    added: the model that is new on the list, with its file; removed: the name of one that is taken off it.
    """

    role: str
    metadata: "Metadata[Targets] | Metadata[Root]"
    signed_by: tuple[str, ...]
    missing: int
    added: tuple[Release, bytes] | None = None
    removed: str = ""

    @property
    def file_name(self) -> str:
        """Its name in `staged`, and among the public metadata."""
        return f"{self.metadata.signed.version}.{self.role}.json"

    def told(self) -> str:
        """What a holder puts his name to, in lines."""
        if self.added is not None:
            release, data = self.added
            what = [
                f"new on the list: {release.name} v{release.version}  ({release.card_name})",
                f"  sha256    {hashlib.sha256(data).hexdigest()}",
                f"  labels    {', '.join(release.labels)}",
                f"  positive  {', '.join(release.positive_labels) or 'none'}",
                f"  patch     {', '.join(release.patch.values())}",
                f"  needs     allscope {release.min_software}; described {release.published_utc}",
            ]
        elif self.removed:
            what = [f"taken off the list: {plain(self.removed)}"]
        else:
            what = [f"the {self.role} with a new date and no other change"]
        signed = ", ".join(self.signed_by) or "nobody"
        dated = f"{self.metadata.signed.expires:%Y-%m-%d}"
        return "\n".join([*what, f"{self.file_name}, until {dated}; signed by {signed}"])


class Stage:
    """The folder `staged` of a repository. state: what is public, verified."""

    def __init__(self, repository: Path, state: PublicState) -> None:
        self.folder = repository / FOLDER
        self._state = state

    def require_empty(self) -> None:
        """Raise StagedAlready when something waits here."""
        if self._files():
            raise StagedAlready(
                "Something waits for signatures already.",
                f"Sign it with `allconvert publish-sign`, or remove {self.folder}.",
            )

    def put(self, metadata: "Metadata[Targets] | Metadata[Root]", data: bytes = b"", name: str = "") -> None:
        """Lay down what is to be signed; a model's file first. Raises StorageFailed."""
        make_folder(self.folder / "targets")
        if name:
            write_whole(self.folder / "targets" / name, data)
        write_whole(
            self.folder / f"{metadata.signed.version}.{metadata.signed.type}.json", metadata.to_bytes()
        )

    def load(self) -> Staged:
        """What waits here, verified.

        Raises:
            NothingStaged: there is nothing.
            StagedOutdated: it was made from another public state.
            StagedChanged: it is no next step of the public state, a signature does not hold, or the file is
                not the model that is described.
        """
        files = self._files()
        if not files:
            raise NothingStaged(
                "Nothing waits for signatures here.", "Stage something: `allconvert publish MODEL --stage`."
            )
        if len(files) > 1:
            raise StagedChanged(f"{self.folder} holds {len(files)} lists; one is staged at a time.", ANEW)
        try:
            if files[0].name.endswith(".root.json"):
                return self._root(read_metadata(files[0], Root), files[0].name)
            return self._targets(read_metadata(files[0], Targets), files[0].name)
        except RepositoryUnusable as error:
            raise StagedChanged(error.what_happened, ANEW) from error

    def is_public(self) -> bool:
        """Whether what lies here was made public before, and only the folder is left of it."""
        return self._holds(self._state.targets) or self._holds(self._state.root)

    def _files(self) -> list[Path]:
        return sorted((*self.folder.glob("*.targets.json"), *self.folder.glob("*.root.json")))

    def _holds(self, metadata: "Metadata[Targets] | Metadata[Root]") -> bool:
        path = self.folder / name_of(metadata)
        return path.is_file() and read_file(path, LONGEST) == metadata.to_bytes()

    def clear(self) -> None:
        """Nothing waits here any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _root(self, metadata: Metadata[Root], file_name: str) -> Staged:
        public = self._state.root.signed
        self._require_next("root", metadata, public, file_name)
        renewed = deepcopy(public)
        renewed.version, renewed.expires = metadata.signed.version, metadata.signed.expires
        _require(renewed == metadata.signed, f"{file_name} changes more than the date of the root")
        signed_by = self._signed_by("root", metadata)
        return Staged("root", metadata, signed_by, max(public.roles["root"].threshold - len(signed_by), 0))

    def _targets(self, metadata: Metadata[Targets], file_name: str) -> Staged:
        public = self._state.targets.signed
        self._require_next("targets", metadata, public, file_name)
        theirs, ours = metadata.signed.targets, public.targets
        added, removed = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
        stay = set(theirs) & set(ours)
        is_step = len(added) + len(removed) == 1 and all(theirs[name] == ours[name] for name in stay)
        _require(is_step, f"{file_name} is more than one model's step from the public list")
        rest = (metadata.signed.delegations, metadata.signed.unrecognized_fields)
        _require(rest == (public.delegations, public.unrecognized_fields), f"{file_name} delegates")
        signed_by = self._signed_by("targets", metadata)
        missing = max(self._state.root.signed.roles["targets"].threshold - len(signed_by), 0)
        if removed:
            return Staged("targets", metadata, signed_by, missing, removed=removed[0])
        return Staged("targets", metadata, signed_by, missing, self._model(theirs[added[0]]))

    def _require_next(
        self, role: str, metadata: "Metadata[Targets] | Metadata[Root]", public: "Targets | Root", name: str
    ) -> None:
        version = metadata.signed.version
        _require(name == f"{version}.{role}.json", f"{name} holds version {version}")
        if version != public.version + 1:
            raise StagedOutdated(
                f"{name} was made to follow version {version - 1}; version {public.version} is public.",
                f"Remove {self.folder}, and stage it again.",
            )

    def _signed_by(self, role: str, metadata: "Metadata[Targets] | Metadata[Root]") -> tuple[str, ...]:
        """Keys whose signatures hold; one that does not hold means that the bytes were changed after it."""
        root = self._state.root.signed
        result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        _require(bool(result.signed), f"{name_of(metadata)} is signed by no holder")
        _require(
            set(result.signed) == set(metadata.signatures),
            f"{name_of(metadata)} was changed after it was signed, or signed by a stranger",
        )
        return tuple(sorted(keyid[:SHORT] for keyid in result.signed))

    def _model(self, target: TargetFile) -> tuple[Release, bytes]:
        """The release and the bytes of the one model that is new."""
        sha256 = target.hashes.get("sha256", "")
        path = self.folder / "targets" / f"{sha256}.{target.path}"
        release = read_release(target.path, target.custom)
        try:
            data = read_file(path, MAX_FILE_BYTES + 1)
        except OSError as error:
            raise StagedChanged(
                f"The file of {target.path} cannot be read ({error.strerror}).", ANEW
            ) from error
        is_it = list(target.hashes) == ["sha256"] and hashlib.sha256(data).hexdigest() == sha256
        _require(
            is_it and len(data) == target.length, f"the file of {target.path} is not the one on the list"
        )
        return release, data


def is_enough(staged: Staged, state: PublicState) -> bool:
    """Whether as many holders signed as devices will ask for."""
    root = state.root.signed
    if isinstance(staged.metadata.signed, Root):
        return holds(root, "root", Metadata(staged.metadata.signed, staged.metadata.signatures))
    return holds(root, "targets", Metadata(staged.metadata.signed, staged.metadata.signatures))


def name_of(metadata: "Metadata[Targets] | Metadata[Root]") -> str:
    """The name of metadata's file."""
    return f"{metadata.signed.version}.{metadata.signed.type}.json"


def _require(is_so: bool, what: str) -> None:
    if not is_so:
        raise StagedChanged(f"{what[:1].upper()}{what[1:]}.", ANEW)
