"""What a camera is to the service: frames to take, signs of life to watch, and a process to end.

The real one is `camera_process.CameraProcess`; the simulated one of `alledge.faults` runs a whole day of
faults in a second, on a clock of its own.
"""

from dataclasses import dataclass
from typing import Protocol

from alledge.service.ring import Claimed, Phase


@dataclass(frozen=True, slots=True)
class CameraFailure:
    """The last word of a camera that gave up: a code, what happened, what to do."""

    code: str
    what: str
    next_step: str


@dataclass(frozen=True, slots=True)
class VitalSigns:
    """How the camera's process does.

    is_running: it was started and has not ended. heart_beat_ns: monotonic time of its last sign of life.
    failure: why it gave up, where it could say so.
    """

    is_running: bool
    phase: Phase
    heart_beat_ns: int
    failure: CameraFailure | None = None


class CameraPort(Protocol):
    """A camera in a process of its own."""

    def start(self) -> None:
        """Start the process. It must not run already."""

    def kill(self) -> None:
        """End the process at once and without asking it; harmless when there is none."""

    def vital_signs(self) -> VitalSigns:
        """How it does now; never waits."""

    def wait(self, timeout_s: float) -> None:
        """Return when a frame may have come, or after `timeout_s`."""

    @property
    def captured(self) -> int:
        """Number of the last frame that was captured, over all processes so far."""

    def take(self) -> Claimed | None:
        """Hold the newest frame, None when there is no new one."""

    def is_intact(self, claimed: Claimed) -> bool:
        """Whether the held frame was left alone since it was taken."""

    def release(self) -> None:
        """Give the held frame back."""
