"""The camera in a process of its own: a driver that hangs is killed, and never waited for."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import alledge
from alledge.service.camera_child import CameraJob, job_as_json
from alledge.service.camera_keeper import CameraLimits
from alledge.service.camera_port import CameraFailure, VitalSigns
from alledge.service.ring import (
    MAX_FRAME_BYTES,
    Claimed,
    FrameRing,
    OverwritePolicy,
    Phase,
    create_ring_memory,
)

_REAP_S: Final = 0.2  # a killed process is gone by then, or it hangs in the kernel and is left to it
_REAL_TIME: Final = ("picamera2:", "v4l2:")
_FAULTY: Final = "faulty:"
_RENDERING_S: Final = 25.0  # less than the WatchdogSec of alledge.service, so that a hang is told by name


def policy_for(spec: str) -> OverwritePolicy:
    """Newest wins for cameras, which cannot wait; archives and simulators lose nothing by waiting."""
    return OverwritePolicy.NEWEST_WINS if _is_real(spec) else OverwritePolicy.WAIT


def limits_for(spec: str, open_s: float, capture_s: float) -> CameraLimits:
    """How long a camera may take: as set for a camera and for faults put on purpose.

    A phantom renders for seconds on a busy machine, and a large picture takes as long to decode.
    """
    is_patient = not _is_real(spec) and not spec.startswith(_FAULTY)
    return CameraLimits(open_s, max(capture_s, _RENDERING_S) if is_patient else capture_s)


def _is_real(spec: str) -> bool:
    return any(part.startswith(_REAL_TIME) for part in spec.split("|"))


class CameraProcess:
    """A camera named by a SPEC, served by `camera_child` through a ring. Not for two threads at once.

    Start it from the main thread: the kernel ends the child when the thread that started it ends.
    """

    def __init__(
        self,
        spec: str,
        policy: OverwritePolicy | None = None,
        least_interval_s: float = 0.0,
        max_frame_bytes: int = MAX_FRAME_BYTES,
    ) -> None:
        self._spec = spec
        self._policy = policy or policy_for(spec)
        self._least_interval_s = least_interval_s
        self._memory = create_ring_memory(max_frame_bytes)
        self._ring = FrameRing(self._memory)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._process: subprocess.Popen[bytes] | None = None
        self._abandoned: list[subprocess.Popen[bytes]] = []

    @property
    def bell(self) -> int:
        """A descriptor that becomes readable when a frame may have come."""
        return self._bell

    @property
    def pid(self) -> int | None:
        """Of the process that runs now, None when there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, in a session of its own so that its helpers can be killed with it."""
        assert self._process is None
        self._ring.begin_anew(time.monotonic_ns())
        job = CameraJob(
            self._spec, self._memory, self._bell, os.getpid(), self._policy, self._least_interval_s
        )
        packages = str(Path(alledge.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(  # noqa: S603 - our own module, in our own interpreter
            [sys.executable, "-P", "-m", "alledge.service.camera_child", job_as_json(job)],
            pass_fds=(self._memory, self._bell),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": path},
        )

    def kill(self) -> None:
        """SIGKILL the process and its helpers. Returns within a quarter of a second, dead or not."""
        process, self._process = self._process, None
        self._abandoned = [left for left in self._abandoned if left.poll() is None]
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            self._abandoned.append(process)

    def vital_signs(self) -> VitalSigns:
        """How it does now; never waits."""
        is_running = self._process is not None and self._process.poll() is None
        return VitalSigns(is_running, self._ring.phase, self._ring.heart_beat_ns, self._failure())

    def wait(self, timeout_s: float) -> None:
        """Return when a frame may have come, or after `timeout_s`."""
        ready, _, _ = select.select([self._bell], [], [], timeout_s)
        if ready:
            self.hush()

    def hush(self) -> None:
        """Silence the bell before frames are taken."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    @property
    def captured(self) -> int:
        """Number of the last frame that was captured, over all processes so far."""
        return self._ring.captured

    def take(self) -> Claimed | None:
        """Hold the newest frame, None when there is no new one."""
        return self._ring.take()

    def is_intact(self, claimed: Claimed) -> bool:
        """Whether the held frame was left alone since it was taken."""
        return self._ring.is_intact(claimed)

    def release(self) -> None:
        """Give the held frame back."""
        self._ring.release()

    def close(self) -> None:
        """Kill the process and give back the descriptors; views of frames stay readable."""
        self.kill()
        os.close(self._bell)
        os.close(self._memory)

    def _failure(self) -> CameraFailure | None:
        if self._ring.phase not in (Phase.FAILED, Phase.FINISHED):
            return None
        told = json.loads(self._ring.error or "{}")
        return CameraFailure(
            told.get("code", "camera-died"),
            told.get("what", "The camera ended."),
            told.get("next", "Look at the log of the service."),
        )
