"""The camera's own process: captures, copies each frame into the ring once, rings the bell; nothing else.

A driver can hang in ways that no thread survives (picamera2 issues 1086 and 1090), so it lives alone, is
never waited for, and dies with the service: the kernel kills it when its parent ends (PR_SET_PDEATHSIG).
Started as `python -m alledge.service.camera_child`, and not forked: a camera stack cannot be forked.
"""

import ctypes
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from alledge.cameras import FrameSource, open_camera
from alledge.cameras.file import WholeImages
from alledge.cameras.source import borrowed
from alledge.errors import AllscopeError, CameraFinished
from alledge.service.ring import FrameRing, OverwritePolicy, Phase

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_BEAT_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class CameraJob:
    """What the camera's process is told, as JSON on its command line.

    least_interval_s: time between two captures, so that a fast camera does not eat the processor.
    """

    spec: str
    ring: int
    bell: int
    parent: int
    policy: OverwritePolicy
    least_interval_s: float


def serve(source: FrameSource, ring: FrameRing, bell: int, job: CameraJob) -> None:
    """Capture and hand over for ever; the source's errors end it."""
    while True:
        asked_ns = time.monotonic_ns()
        ring.beat(Phase.CAPTURING, asked_ns)
        with borrowed(source) as frame:
            ring.beat(Phase.HANDING_OVER, time.monotonic_ns())
            ring.write(frame, asked_ns)  # from the camera's own memory, where it lends it: the only copy
        del frame
        os.eventfd_write(bell, 1)
        if job.policy is OverwritePolicy.WAIT:
            ring.wait_until_taken(lambda: ring.beat(Phase.HANDING_OVER, time.monotonic_ns()))
        _rest(ring, asked_ns, job.least_interval_s)


def main(arguments: list[str]) -> int:
    """Run one camera until it fails or somebody kills us. Returns the exit status."""
    told = json.loads(arguments[0])
    job = CameraJob(**(told | {"policy": OverwritePolicy(told["policy"])}))
    _die_with(job.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service; it ends us
    ring = FrameRing(job.ring)
    ring.beat(Phase.OPENING, time.monotonic_ns())
    try:
        with open_camera(job.spec) as source:
            _serve_until_failure(WholeImages(source) if _is_folder(job.spec) else source, ring, job)
    except AllscopeError as error:
        _leave_word(ring, job.bell, error)
        return error.exit_status
    return 0


def _is_folder(spec: str) -> bool:
    """Whether a SPEC names a folder of images; a single one may still be made whole, and is tried again."""
    kind, _, path = spec.partition(":")
    return kind == "file" and Path(path).is_dir()


def job_as_json(job: CameraJob) -> str:
    """What `main` reads."""
    return json.dumps(asdict(job))


def _serve_until_failure(source: FrameSource, ring: FrameRing, job: CameraJob) -> None:
    """Say why the camera failed before it is closed: closing may hang as well."""
    try:
        serve(source, ring, job.bell, job)
    except AllscopeError as error:
        _leave_word(ring, job.bell, error)
        raise


def _leave_word(ring: FrameRing, bell: int, error: AllscopeError) -> None:
    if ring.phase in (Phase.FAILED, Phase.FINISHED):
        return
    ring.fail(json.dumps({"code": error.code, "what": error.what_happened, "next": error.next_step}))
    ring.beat(
        Phase.FINISHED if isinstance(error, CameraFinished) else Phase.FAILED,
        time.monotonic_ns(),
    )
    os.eventfd_write(bell, 1)


def _rest(ring: FrameRing, asked_ns: int, least_interval_s: float) -> None:
    """Wait for the next frame's turn, with a heart-beat all the while."""
    while (left_s := least_interval_s - (time.monotonic_ns() - asked_ns) / 1e9) > 0:
        ring.beat(Phase.HANDING_OVER, time.monotonic_ns())
        time.sleep(min(left_s, _BEAT_S))


def _die_with(parent: int) -> None:
    """Have the kernel kill us when the service ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel knew
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
