"""The table of faults: what goes wrong, and the code that it must be told by.

Every row is lived through with many seeds: the fault is noticed under its own code, no wrong result is stored
while it lasts, work goes on within three seconds of its notice, every frame is in the ledger, and stopping
takes less than half a second at any time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alledge.faults.clocks import TEN_YEARS_S
from alledge.faults.network import ANSWERS
from alledge.faults.world import FaultPlan, Scenery, World
from alledge.service.result_store import MOST_WAITING
from alledge.service.ring import SLOTS

NOTICED_WITHIN_S: Final = 12.0
RECOVERED_WITHIN_S: Final = 3.0
STOPPED_WITHIN_S: Final = 0.5
_GOOD_FIELDS: Final = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the table. codes: any of them tells the fault by its name."""

    name: str
    plan: FaultPlan
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a world lived through its fault; None for what did not happen in time. Times are simulated."""

    codes: frozenset[str]
    noticed_s: float | None
    recovered_s: float | None
    stopped_s: float
    wrong: tuple[str, ...]
    ledger_fault: str

    def failure(self, fault: Fault) -> str:
        """What is wrong with it, "" when nothing is."""
        if self.noticed_s is None:
            return f"not noticed as {' or '.join(fault.codes)}, but as {sorted(self.codes)}"
        if self.wrong:
            return f"wrong results: {self.wrong[:3]}"
        if self.ledger_fault:
            return self.ledger_fault
        if self.recovered_s is None or self.recovered_s > RECOVERED_WITHIN_S:
            return f"back after {self.recovered_s} s"
        return "" if self.stopped_s < STOPPED_WITHIN_S else f"stopped after {self.stopped_s:.2f} s"


def live_through(fault: Fault, scenery: Scenery, seed: int) -> Outcome:
    """Let a world work, fail, recover and stop."""
    life = _Life(World(scenery, fault.plan, seed))
    world = life.world
    life.work(lambda: world.n_good >= _GOOD_FIELDS + seed % 4, 10.0)
    began_s = life.now_s
    if fault.plan.opening:
        world.camera.kill()
    world.is_on = True
    was_noticed = life.work(lambda: bool(life.codes & set(fault.codes)), NOTICED_WITHIN_S)
    noticed_s = life.now_s
    life.work(lambda: False, fault.plan.lasts_s)
    ended_s, n_good = life.now_s, world.n_good
    world.is_on = False
    has_recovered = life.work(lambda: world.n_good > n_good, 10.0)
    recovered_s = life.now_s
    return Outcome(
        codes=frozenset(life.codes),
        noticed_s=noticed_s - began_s if was_noticed else None,
        recovered_s=recovered_s - ended_s if has_recovered else None,
        stopped_s=life.stop(),
        wrong=tuple(world.wrong_results()),
        ledger_fault=life.ledger_fault,
    )


class _Life:
    """A world, step by step, with its ledger added up after each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.codes: set[str] = set()
        self.ledger_fault = ""

    @property
    def now_s(self) -> float:
        """Simulated seconds."""
        return self.world.clock.monotonic_ns() / 1e9

    def work(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Step until something is true; False when it took longer than the limit."""
        end_s = self.now_s + limit_s
        while not until():
            if self.now_s >= end_s:
                return False
            self.world.step()
            self.codes |= self.world.codes
            self._audit(MOST_WAITING + SLOTS)
        return True

    def stop(self) -> float:
        """Stop the service; simulated seconds that it took."""
        began_s = self.now_s
        self.world.station.stop()
        self._audit(0)
        return self.now_s - began_s

    def _audit(self, most_in_flight: int) -> None:
        """Hold the ledger against the number of frames that the camera really handed over."""
        state = self.world.station.ledger.state()
        captured = self.world.camera.captured
        # While it works, frames may have come since the loop looked last; in the end none has.
        if state.captured > captured or (most_in_flight == 0 and state.captured < captured):
            self.ledger_fault = f"{captured} frames were captured, the ledger knows {state.captured}"
        if not state.adds_up or state.in_flight > most_in_flight:
            self.ledger_fault = f"the ledger does not add up: {state}"


def _of(name: str, plan: FaultPlan, *codes: str) -> Fault:
    return Fault(name, plan, codes)


def _camera(kind: str, *codes: str) -> Fault:
    return _of(f"camera {kind}", FaultPlan(camera=kind), *codes)


def _network(kind: str) -> Fault:
    return _of(f"network {kind}", FaultPlan(network=kind), "classifier-failed")


def _disk(kind: str, code: str, lasts_s: float = 0.0) -> Fault:
    return _of(f"disk {kind} for {lasts_s:g} s", FaultPlan(storage=kind, lasts_s=lasts_s), code)


SIMULATED_FAULTS: Final = (
    _camera("hang", "camera-hung"),
    _camera("stand-still", "camera-hung"),
    _camera("die", "camera-died"),
    _camera("unplugged", "camera-unavailable"),
    _camera("hang-in-stop", "camera-unavailable"),
    _camera("undecodable", "image-unreadable"),
    _of("camera refused at opening", FaultPlan(opening="refused"), "camera-unavailable"),
    _of("camera hangs at opening", FaultPlan(opening="hang"), "camera-hung"),
    _of("camera refused for a while", FaultPlan(opening="refused", lasts_s=20.0), "camera-unavailable"),
    _camera("stale", "camera-stale"),
    _camera("same-time", "camera-stale"),
    _camera("backwards", "camera-stale"),
    _camera("other-clock", "camera-clock"),
    _camera("frozen", "camera-frozen"),
    _camera("half-frozen", "camera-frozen"),
    _of("camera frozen for long", FaultPlan(camera="frozen", lasts_s=8.0), "camera-frozen"),
    _camera("torn-black", "frame-torn"),
    _camera("torn-grey", "frame-torn"),
    _camera("torn-shifted", "frame-torn"),
    _of("frame damaged in the ring", FaultPlan(ring="damaged"), "frame-torn"),
    _of("frame overwritten in use", FaultPlan(ring="overwritten"), "frame-torn"),
    _camera("turned", "frame-shape"),
    _camera("binned", "frame-shape"),
    _camera("colourless", "frame-shape"),
    _camera("ten-bit", "frame-shape"),
    _camera("black", "field-too-dark"),
    _camera("dim", "field-too-dark"),
    _camera("saturated", "field-saturated"),
    _camera("defocused", "field-out-of-focus"),
    _camera("colour-drift", "field-illumination-changed"),
    _camera("colour-cast", "field-not-a-smear"),
    _camera("shading-flip", "field-illumination-changed"),
    _camera("negative", "field-not-a-smear"),
    _camera("static", "field-not-a-smear"),
    _camera("stripes", "field-not-a-smear", "frame-torn"),
    _camera("one-colour-lost", "field-not-a-smear"),
    *(_network(kind) for kind in ANSWERS),
    _disk("full", "journal-full"),
    _disk("full", "journal-full", lasts_s=8.0),
    _disk("io-error", "journal-io"),
    _disk("io-error", "journal-io", lasts_s=3.0),
    _disk("read-only", "journal-read-only"),
    _disk("locked", "journal-busy"),
    _of("clock ten years on", FaultPlan(wall_jump_s=TEN_YEARS_S), "clock-jumped"),
    _of("clock ten years back", FaultPlan(wall_jump_s=-TEN_YEARS_S), "clock-jumped"),
)
"""Faults that a world lives through; those of files (settings, model, calibration) are in `files`."""
