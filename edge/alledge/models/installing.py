"""`alledge model install`, in the order in which a model can still be refused for nothing.

    trusted root -> metadata -> choice -> what is signed fits this device -> download -> file and card
    -> golden vectors -> kept whole -> one rename: it serves from the next start on, on trial

Every refusal leaves what served as it was. So does a kill: see `store`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from alledge import __version__
from alledge.durable import make_folder, write_whole
from alledge.models import refusals as no
from alledge.models import state as steps
from alledge.models.examining import Prover, examine, hold_to_device, prove_apart
from alledge.models.fetching import RepositoryFetcher
from alledge.models.release import Release
from alledge.models.state import Installed, State
from alledge.models.store import Store, read_file
from alledge.models.trust import SEEN, trusted_root
from alledge.models.tuf_client import Offer, Repository, check_evidence
from alledge.plain import plain

MAX_EVIDENCE_BYTES: Final = 2**20
CLOCK_SLACK: Final = timedelta(days=1)
"""How far a device's clock may be behind the publisher's: time zones set wrongly are within."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. name, version: None for the one that serves, and its newest version.

    accept_labels: also labels other than those of the model that serves. older: also an older version than
    serves. again: also one that failed here.
    """

    name: str | None = None
    version: int | None = None
    accept_labels: bool = False
    older: bool = False
    again: bool = False


def install(
    store: Store,
    fetcher: RepositoryFetcher,
    wish: Wish | None = None,
    now: datetime | None = None,
    prover: Prover = prove_apart,
    software: str = __version__,
) -> tuple[Installed, bool]:
    """Fetch, verify, examine and switch to a model.

    Args:
        store: of the device.
        fetcher: of the repository.
        wish: which model, and what of it is accepted.
        now: the device's time.
        prover: asks the golden vectors.
        software: version of allscope here.

    Returns:
        The model, and whether anything changed: False where it served already.

    Raises:
        Whatever of `refusals` applies, what `alledge.errors` has for model files, StorageFailed.
    """
    wish = wish or Wish()
    now = now or datetime.now(UTC)
    trusted = trusted_root(store)
    store.make()
    with store.installing() as aside:
        repository = Repository(fetcher, trusted, store.trust / SEEN, aside)
        state = store.load()
        offer = choose(repository.offers(), state, wish)
        _hold_clock(offer.release, now)
        hold_to_device(offer.release, software)
        new = _installed(offer, now)
        hold_to_state(new, state, wish)
        if state.serving is not None and (state.serving.sha256, state.serving.target) == (
            new.sha256,
            new.target,
        ):
            _keep_evidence(store, new, repository.evidence())
            return state.serving, False
        data = repository.download(offer)
        examine(data, offer.release, aside, prover)
        _keep(store, new, data, repository.evidence())

        def step(latest: State) -> State:
            hold_to_state(new, latest, wish)
            return steps.switch(latest, new)

        store.forget_unused(store.change(step))
    return new, True


def verify(store: Store, prover: Prover = prove_apart) -> tuple[Installed, ...]:
    """Prove anew what the store holds: bytes, signatures from the trusted root on, golden vectors.

    Raises StoreEmpty, StoreDamaged, InstalledModelDamaged, EvidenceBroken, TrustMissing, SelfTestFailed, ...
    """
    kept = store.load().kept
    if not kept:
        raise no.StoreEmpty("No model is installed.", "Install one: `alledge model install SOURCE`.")
    trusted = trusted_root(store)
    for model in kept:
        path = store.checked_path(model)
        folder = store.evidence / model.sha256
        files = {part.name: read_file(part, MAX_EVIDENCE_BYTES) for part in folder.glob("*.json")}
        check_evidence(trusted, files, model.target, model.sha256)
        prover(path)
    return kept


def choose(offers: Sequence[Offer], state: State, wish: Wish) -> Offer:
    """The model to install: as wished, else as pinned, else the newest of the name that serves.

    Raises ModelUnknown, ModelAmbiguous, ModelPinned.
    """
    name, version = wish.name, wish.version
    if state.pinned is not None:
        if (name or state.pinned[0], version or state.pinned[1]) != state.pinned:
            raise _pinned(state.pinned)
        name, version = state.pinned
    if name is None and state.serving is not None:
        name = state.serving.name
    names = sorted({offer.release.name for offer in offers})
    if name is None and len(names) > 1:
        raise no.ModelAmbiguous(f"There are models called {', '.join(names)}.", "Choose one: --name NAME.")
    found = [
        offer
        for offer in offers
        if offer.release.name == (name or offer.release.name)
        and offer.release.version == (version or offer.release.version)
    ]
    if not found:
        asked = " ".join(part for part in (name, f"v{version}" if version else None) if part) or "at all"
        raise no.ModelUnknown(
            f"The repository has no model {plain(asked)}.", f"It has {', '.join(names) or 'none'}."
        )
    return found[-1]


def hold_to_state(new: Installed, state: State, wish: Wish) -> None:
    """What the device's own past decides.

    Raises ModelPinned, ModelFailedHere, VersionReused, ModelOlder, LabelsChanged.
    """
    if state.pinned not in (None, (new.name, new.version)):
        raise _pinned(state.pinned)
    told = f"{new.name} v{new.version}"
    if new.sha256 in state.failed and not wish.again:
        raise no.ModelFailedHere(f"{told} failed on this device.", "Publish a better one, or give --again.")
    for kept in state.kept:
        if (kept.name, kept.version) == (new.name, new.version) and kept.sha256 != new.sha256:
            raise no.VersionReused(f"Another file is installed as {told}.", "Publish it under a new version.")
    serving = state.serving
    if serving is None:
        return
    if serving.name == new.name and new.version < serving.version and not wish.older:
        raise no.ModelOlder(
            f"{told} is older than v{serving.version}, which serves.",
            "Go back with `alledge model rollback`, or give --older.",
        )
    is_same = (serving.labels, serving.positive_labels) == (new.labels, new.positive_labels)
    if not is_same and not wish.accept_labels:
        raise no.LabelsChanged(
            f"{told} calls cells {', '.join(new.labels)}; now they are {', '.join(serving.labels)}.",
            "Finish open slides, tell those who read the results, and give --accept-labels.",
        )


def _hold_clock(release: Release, now: datetime) -> None:
    # Not `published - CLOCK_SLACK`: a signed year 1 would fall off the calendar.
    if release.published - now > CLOCK_SLACK:
        raise no.ClockBehind(
            f"This device's clock says {now:%Y-%m-%d}, but {release.target} was signed on "
            f"{release.published:%Y-%m-%d}.",
            "Set the clock: `timedatectl set-time`; no date can be judged by it.",
        )


def _installed(offer: Offer, now: datetime) -> Installed:
    release = offer.release
    return Installed(
        sha256=offer.sha256,
        name=release.name,
        version=release.version,
        labels=release.labels,
        positive_labels=release.positive_labels,
        target=release.target,
        published_utc=release.published_utc,
        installed_utc=now.astimezone(UTC).replace(microsecond=0).isoformat(),
    )


def _keep(store: Store, new: Installed, data: bytes, evidence: dict[str, bytes]) -> None:
    store.keep_file(new.sha256, data)
    _keep_evidence(store, new, evidence)


def _keep_evidence(store: Store, model: Installed, evidence: dict[str, bytes]) -> None:
    """Keep the signatures beside a model: those of today, since the keys may have been made anew."""
    folder = store.evidence / model.sha256
    make_folder(folder)
    for name, part in evidence.items():
        if not (folder / name).is_file() or read_file(folder / name, MAX_EVIDENCE_BYTES) != part:
            write_whole(folder / name, part)
    for path in folder.iterdir():
        if path.name not in evidence:
            path.unlink()


def _pinned(pinned: tuple[str, int]) -> no.ModelPinned:
    return no.ModelPinned(
        f"This device is held to {pinned[0]} v{pinned[1]}.", "Let it go with `alledge model pin --off`."
    )
