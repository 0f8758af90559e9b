"""What the ladder tried, in order, and why each rung was left: the story that both reports tell.

A model that ships says how hard it was to get there; one that is refused says what was tried for it.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from alledge.strict_json import Json

Precision: TypeAlias = Literal["16x8", "float32"]


@dataclass(frozen=True, slots=True)
class PrecisionException:
    """A layer that is not int8, and why it may not be.

    layer: its name in the float network. precision: what it computes in instead: int16 activations with
    int8 weights, or float32.
    """

    layer: str
    precision: Precision
    reason: str

    def as_json(self) -> dict[str, Json]:
        """The exception as fidelity.json holds it."""
        return {"layer": self.layer, "precision": self.precision, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class RungOutcome:
    """One rung of the ladder: how the network was made int8, and what the gate said.

    objections: why it must not ship; empty for the rung that was taken. exceptions: layers that it leaves
    in a higher precision. agreement: share of equal calls on all test folds; worst_loss: greatest loss of a
    gated figure, as a share; both None when nothing could be judged. lost_positives: patches that float
    calls positive and int8 does not. seconds: of wall clock.
    """

    name: str
    method: str
    objections: tuple[str, ...]
    exceptions: tuple[PrecisionException, ...]
    agreement: float | None
    worst_loss: float | None
    lost_positives: int
    seconds: float

    @property
    def is_accepted(self) -> bool:
        """Nothing speaks against shipping it."""
        return not self.objections

    def as_json(self) -> dict[str, Json]:
        """The rung as fidelity.json holds it. Seconds are told on the page only: they differ every time."""
        return {
            "name": self.name,
            "method": self.method,
            "accepted": self.is_accepted,
            "objections": list(self.objections),
            "exceptions": [exception.as_json() for exception in self.exceptions],
            "agreement": self.agreement,
            "worst_loss": self.worst_loss,
            "lost_positives": self.lost_positives,
        }
