"""A model is examined before anybody signs for it: file, integers, golden vectors on every runtime.

After publishing, the repository is read as a device reads it, from its first root on, so that what lies there
can be installed, and a slip in the ceremony is found at the desk and not at forty microscopes.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from allconvert.audit import require_integers
from allconvert.publishing.repository import ModelRepository
from allconvert.verify import check_everywhere
from alledge import __version__
from alledge.errors import ModelDamaged, SelfTestFailed
from alledge.model_file import read_model
from alledge.models.fetching import FolderFetcher
from alledge.models.release import Release, describe
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
        ModelUnreadable, ModelDamaged, ModelNotInt8, ModelLabelsDiffer: it is no model for a device.
        FidelityRefused: its network is not what a device can run.
        SelfTestFailed: it answers its golden vectors wrongly on a runtime here.
        TargetUndescribed: the name or the version of the software is out of bounds.
        KeysTooFew, KeyUnusable, RepositoryUnusable, VersionPublished, StorageFailed, ...
    """
    model = read_model(path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise ModelDamaged(f"{path} changed while it was read.", "Start again.")
    release = describe(model.card, name, repository.next_version(name), min_software, now)
    exceptions = model.card.quantisation.exceptions if model.card.quantisation is not None else ()
    require_integers(model.flatbuffer, exceptions)
    failed = [check for check in check_everywhere(model, pythons) if not check.passed]
    if failed:
        told = ", ".join(f"{check.runtime} {check.version} ({check.kernels})" for check in failed)
        raise SelfTestFailed(
            f"{path} answers its golden vectors wrongly on {told}.",
            "Nothing was published; convert the run again.",
        )
    repository.add(data, release)
    check_as_device(repository.folder, release.target)
    return release


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
