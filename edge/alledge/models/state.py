"""Which model serves, which was the last good one, how a new one is doing: values, and steps between them.

    install: serving' = new, on trial; good' = what served, when that had proven itself
    begin:   one more start on trial; after `MAX_STARTS` without a confirmation the last good one serves;
             one that ended with the machine itself is forgiven, since people switch microscopes off
    confirm: the trial is over; what serves has proven itself
    fall back: what serves is refused here from now on, the last good one serves

Nothing here touches a disk or a clock, so every order of events can be tried out.
"""

from dataclasses import dataclass, replace
from typing import Final

from alledge.models.refusals import NoEarlierModel, StoreEmpty
from alledge.plain import plain

MAX_STARTS: Final = 3
"""Starts of the service without a confirmation, after which a new model counts as failed."""

MAX_FORGIVEN: Final = 6
"""Of a model on trial, starts that ended with the machine; one that takes the machine down has no more."""

MAX_FAILED: Final = 32  # remembered; older ones are forgotten


@dataclass(frozen=True, slots=True)
class Installed:
    """A model in the store. target: its name in the repository. published_utc, installed_utc: ISO 8601."""

    sha256: str
    name: str
    version: int
    labels: tuple[str, ...]
    positive_labels: tuple[str, ...]
    target: str
    published_utc: str
    installed_utc: str


@dataclass(frozen=True, slots=True)
class State:
    """What the store knows.

    serving: what the next start of the service takes. good: the last one that had proven itself. starts: of
    the service since `serving` was installed, None when it is not on trial. pinned: (name, version) that the
    device is held to. failed: SHA-256 of models that failed here. fell_back: why, where the last thing that
    happened is that a model failed. boot: of the machine, in which the last start was counted, "" where it
    ended as somebody asked. forgiven: starts on trial that ended with the machine.
    """

    serving: Installed | None = None
    good: Installed | None = None
    starts: int | None = None
    pinned: tuple[str, int] | None = None
    failed: tuple[str, ...] = ()
    fell_back: str = ""
    boot: str = ""
    forgiven: int = 0

    @property
    def on_trial(self) -> bool:
        """Whether what serves has yet to prove itself."""
        return self.starts is not None

    @property
    def kept(self) -> tuple[Installed, ...]:
        """Models whose files must stay."""
        return tuple(model for model in (self.serving, self.good) if model is not None)


def switch(state: State, new: Installed) -> State:
    """`new` serves, on trial. A model that was itself on trial is no good one to go back to.

    The same file under another name or number, as after a new ceremony, goes on as it was.
    """
    if state.serving is not None and state.serving.sha256 == new.sha256:
        return replace(state, serving=new)
    good = state.good if state.on_trial else state.serving
    failed = tuple(sha256 for sha256 in state.failed if sha256 != new.sha256)
    return replace(state, serving=new, good=good, starts=0, failed=failed, fell_back="", boot="", forgiven=0)


def begin(state: State, boot: str = "") -> State:
    """The service starts. Raises StoreEmpty when nothing was ever installed.

    boot: identifier of the machine's boot, "" where there is none. A first model has no other to go back to,
    so it stays on trial however often it starts.
    """
    if state.serving is None:
        raise StoreEmpty("No model is installed.", "Install one: `alledge model install SOURCE`.")
    if state.starts is None:
        return state
    starts, forgiven = state.starts, state.forgiven
    if starts and state.boot not in ("", boot) and boot and forgiven < MAX_FORGIVEN:
        starts, forgiven = starts - 1, forgiven + 1
    if starts >= MAX_STARTS and state.good is not None:
        return fall_back(state, f"the service started {starts} times with it and never ran for long")
    return replace(state, starts=starts + 1, boot=boot, forgiven=forgiven)


def confirm(state: State) -> State:
    """What serves has proven itself."""
    return replace(state, starts=None, fell_back="", boot="", forgiven=0)


def stopped(state: State) -> State:
    """The service was asked to stop: that start is no failure."""
    return state if not state.starts else replace(state, starts=state.starts - 1, boot="")


def fall_back(state: State, why: str, *, is_its_fault: bool = True) -> State:
    """The last good model serves again, and the one that failed is not taken again by itself.

    is_its_fault: False where the medium spoilt its file, so that installing it again is the cure.

    Raises NoEarlierModel when there is none.
    """
    if state.serving is None or state.good is None:
        raise NoEarlierModel(
            f"The model failed ({why}), and there is none to go back to.", "Install another."
        )
    told = plain(f"{state.serving.name} v{state.serving.version} failed: {why}", 300)
    failed = tuple(sha for sha in state.failed if sha != state.serving.sha256)
    failed += (state.serving.sha256,) if is_its_fault else ()
    return replace(
        state, serving=state.good, good=None, starts=None, failed=failed[-MAX_FAILED:], fell_back=told
    )


def roll_back(state: State) -> State:
    """A person goes back to the last good model; a proven one that served may be gone back to in turn.

    Raises NoEarlierModel when there is none.
    """
    if state.serving is None or state.good is None:
        raise NoEarlierModel("There is no earlier model to go back to.", "Install one from its repository.")
    forward = None if state.on_trial else state.serving
    return replace(state, serving=state.good, good=forward, starts=None, fell_back="")


def pin(state: State, name: str, version: int) -> State:
    """Hold the device to one model, installed or to come."""
    return replace(state, pinned=(name, version))


def unpin(state: State) -> State:
    """Let the device take the newest model again."""
    return replace(state, pinned=None)
