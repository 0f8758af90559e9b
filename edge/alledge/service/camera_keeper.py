"""Keep a camera running: watch its signs of life by the monotonic clock, kill it when they stop, restart it.

Nothing here waits. Each call looks at the state, does what is due, and returns what is wrong, if anything.
Restarts back off to at most two seconds, so that a camera which comes back is in use within three.
"""

from dataclasses import dataclass
from typing import Final

from alledge.errors import CameraFinished
from alledge.service.camera_port import CameraPort, VitalSigns
from alledge.service.ring import Phase
from alledge.service.troubles import Trouble

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 2.0
_CHECK_CAMERA: Final = "Check its cable and its power; the camera is started again by itself."


@dataclass(frozen=True, slots=True)
class CameraLimits:
    """How long a camera may take, in seconds, before it counts as hung.

    open_s: from the start of its process to its first capture; picamera2 alone imports for seconds on a Pi.
    capture_s: for one capture. hand_over_s: between captures, with a heart-beat every tenth of a second.
    """

    open_s: float = 20.0
    capture_s: float = 5.0
    hand_over_s: float = 2.0

    def of(self, phase: Phase) -> float:
        """The limit of a phase."""
        if phase is Phase.CAPTURING:
            return self.capture_s
        return self.open_s if phase in (Phase.STARTING, Phase.OPENING) else self.hand_over_s


class CameraKeeper:
    """Starts, watches and replaces one camera's process."""

    def __init__(self, camera: CameraPort, limits: CameraLimits) -> None:
        self._camera = camera
        self._limits = limits
        self._started = False
        self._failures = 0
        self._next_start_ns = 0
        self._trouble: Trouble | None = None
        self._finished = False
        self._generation = 0

    @property
    def generation(self) -> int:
        """Goes up by one each time a process is killed to be replaced."""
        return self._generation

    @property
    def is_finished(self) -> bool:
        """Whether the camera, an archive, has no more frames."""
        return self._finished

    @property
    def n_failures(self) -> int:
        """Failures since the last good frame."""
        return self._failures

    def tend(self, now_ns: int) -> Trouble | None:
        """Do what is due at monotonic `now_ns`; gives what is wrong with the camera, None when nothing is."""
        if self._finished:
            return self._trouble
        if not self._started:
            if now_ns >= self._next_start_ns:
                self._camera.start()
                self._started = True
            return self._trouble
        signs = self._camera.vital_signs()
        if signs.phase is Phase.FINISHED:
            self._finished = True
            self._trouble = _last_word(signs)
            self._camera.kill()
            return self._trouble
        wrong = self._diagnose(signs, now_ns)
        if wrong is not None:
            self.replace(wrong, now_ns)
        return self._trouble

    def replace(self, why: Trouble, now_ns: int) -> None:
        """Kill the camera's process and start another when its pause is over. The first comes at once."""
        self._camera.kill()
        self._started = False
        self._generation += 1
        self._trouble = why
        pause_s = min(_FIRST_PAUSE_S * 2 ** (self._failures - 1), _LONGEST_PAUSE_S) if self._failures else 0.0
        self._failures = min(self._failures + 1, 16)
        self._next_start_ns = now_ns + round(pause_s * 1e9)

    def good_frame(self) -> None:
        """Note that the camera gave a frame that can be used: it is well again."""
        self._failures = 0
        if not self._finished:
            self._trouble = None

    def stop(self) -> None:
        """Kill the camera's process; returns within a quarter of a second."""
        self._camera.kill()
        self._started = False

    def _diagnose(self, signs: VitalSigns, now_ns: int) -> Trouble | None:
        if signs.failure is not None:
            return Trouble(signs.failure.code, signs.failure.what, signs.failure.next_step)
        if not signs.is_running:
            return Trouble("camera-died", "The camera's process ended without a word.", _CHECK_CAMERA)
        silent_s = (now_ns - signs.heart_beat_ns) / 1e9
        if silent_s > self._limits.of(signs.phase):
            doing = signs.phase.name.lower().replace("_", " ")
            return Trouble(
                "camera-hung", f"The camera hung for {silent_s:.1f} s while {doing}.", _CHECK_CAMERA
            )
        return None


def _last_word(signs: VitalSigns) -> Trouble | None:
    """What is wrong with an archive that is over; None when each of its images was served."""
    failure = signs.failure
    if failure is None or failure.code == CameraFinished.code:
        return None
    return Trouble(failure.code, failure.what, failure.next_step)
