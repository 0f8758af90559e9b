"""A model is examined before anybody signs for it: file, integers, golden vectors on every runtime.

Each holder's computer examines it anew: a signature says that its owner looked, not that another did.

After publishing, the repository is read as a device reads it, from its first root on, so that what lies there
can be installed, and a slip in the ceremony is found at the desk and not at forty microscopes.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from allconvert.audit import require_integers
from allconvert.publishing.refusals import NotConfirmed
from allconvert.publishing.repository import ModelRepository
from allconvert.publishing.staging import Staged
from allconvert.verify import check_everywhere
from alledge import __version__
from alledge.errors import ModelDamaged, SelfTestFailed
from alledge.model_file import ModelFile, parse_model, read_model
from alledge.models.examining import prove_apart, readable
from alledge.models.fetching import FolderFetcher
from alledge.models.release import Release, describe, hold_to_card
from alledge.models.tuf_client import Repository


def publish_model(
    path: Path,
    repository: ModelRepository,
    name: str,
    now: datetime,
    min_software: str = __version__,
    pythons: Iterable[Path] = (),
) -> Release:
    """Examine a model file, sign it, and read it back as a device would.

    Raises:
        What `examine_model` raises.
        TargetUndescribed: the name or the version of the software is out of bounds.
        KeysTooFew, KeyUnusable, RepositoryUnusable, RepositoryChanged, VersionPublished, StorageFailed, ...
    """
    data, release = _described(path, repository, name, now, min_software, pythons)
    repository.add(data, release)
    check_as_device(repository.folder, release.target)
    return release


def stage_model(
    path: Path,
    repository: ModelRepository,
    name: str,
    now: datetime,
    min_software: str = __version__,
    pythons: Iterable[Path] = (),
) -> Staged:
    """Examine a model file and let it wait for more signatures.

    Raises as `publish_model`, and StagedAlready.
    """
    data, release = _described(path, repository, name, now, min_software, pythons)
    return repository.stage(data, release)


def sign_staged(
    repository: ModelRepository, confirm: Callable[[str], bool], pythons: Iterable[Path] = ()
) -> tuple[Staged | None, bool]:
    """Examine what waits for signatures, show it, and sign it; see `ModelRepository.sign`.

    Raises:
        What `examine_model` raises, PatchContractDiffers, LabelsSwapped, ReleaseDiffers.
        NotConfirmed: `confirm` said no to what it was shown.
        NothingStaged, StagedOutdated, StagedChanged, AlreadySigned, KeysTooFew, ...
    """

    def look(staged: Staged) -> None:
        if staged.added is not None:
            release, data = staged.added
            _look_apart(data)
            model = readable(lambda: parse_model(data, release.target), release.target)
            hold_to_card(release, model.card)
            examine_model(model, release.target, pythons)
        if not confirm(staged.told()):
            raise NotConfirmed("Nothing was signed.", "Ask who staged it.")

    staged, is_public = repository.sign(look)
    if is_public:
        target = staged.added[0].target if staged is not None and staged.added is not None else None
        check_as_device(repository.folder, target)
    return staged, is_public


def examine_model(model: ModelFile, source: str, pythons: Iterable[Path] = ()) -> None:
    """Is it a network of integers that answers its golden vectors on each runtime here?

    Raises FidelityRefused, SelfTestFailed.
    """
    exceptions = model.card.quantisation.exceptions if model.card.quantisation is not None else ()
    require_integers(model.flatbuffer, exceptions)
    failed = [check for check in check_everywhere(model, pythons) if not check.passed]
    if failed:
        told = ", ".join(f"{check.runtime} {check.version} ({check.kernels})" for check in failed)
        raise SelfTestFailed(
            f"{source} answers its golden vectors wrongly on {told}.",
            "Nothing was signed; convert the run again.",
        )


def _look_apart(data: bytes) -> None:
    """Read a model that came through other hands where it can do no harm. Raises as `prove_apart`."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "staged.tflite"
        path.write_bytes(data)
        prove_apart(path)


def _described(
    path: Path,
    repository: ModelRepository,
    name: str,
    now: datetime,
    min_software: str,
    pythons: Iterable[Path],
) -> tuple[bytes, Release]:
    """(bytes, description) of a model file that was examined."""
    model = readable(lambda: read_model(path), str(path))
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise ModelDamaged(f"{path} changed while it was read.", "Start again.")
    release = describe(model.card, name, repository.next_version(name), min_software, now)
    examine_model(model, str(path), pythons)
    return data, release


def check_as_device(folder: Path, target: str | None = None) -> None:
    """Read a repository from its first root on, and download a model, as a device that knows nothing yet.

    Raises what a device would.
    """
    trusted = (folder / "metadata" / "1.root.json").read_bytes()
    with tempfile.TemporaryDirectory() as made:
        aside = Path(made)
        repository = Repository(FolderFetcher(folder), trusted, aside / "seen", aside / "work")
        for offer in repository.offers():
            if offer.release.target == target:
                repository.download(offer)


def plain_name(card_name: str) -> str:
    """A card's name as a repository can have it: small letters, digits, hyphens."""
    return re.sub("[^a-z0-9_]+", "-", card_name.lower()).strip("-_")[:40] or "model"


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, to be read aloud and written on the paper of the ceremony."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
