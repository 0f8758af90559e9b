"""Cameras behind one small port, named by a SPEC and imported only when asked for.

- `picamera2:N`, camera N of a Raspberry Pi
- `v4l2:/dev/videoN`, a USB microscope
- `file:PATH`, an image, or a folder whose images are served in order
- `phantom:[seed=..,..]`, rendered smears with known truth; `phantom:slide=..`, one slide under a moving hand
- `faulty:KIND[,after=N]|SPEC`, any of these with something wrong, to try out what the device does
"""

from collections.abc import Callable

from alledge.cameras.source import FrameSource
from alledge.errors import CameraUnavailable

__all__ = ["FrameSource", "open_camera"]


def open_camera(spec: str) -> FrameSource:
    """Opens the camera that a SPEC names.

    Raises:
        CameraUnavailable: the SPEC names no known kind, or the device cannot be opened.
        PathUnusable, FolderEmpty: a `file:` SPEC points at nothing usable.
    """
    kind, colon, rest = spec.partition(":")
    opener = _OPENERS.get(kind)
    if opener is None or not colon:
        raise CameraUnavailable(
            f"'{spec}' names no camera.",
            "Use picamera2:0, v4l2:/dev/video0, file:PATH or phantom:seed=1.",
        )
    return opener(rest)


def _open_file(path: str) -> FrameSource:
    from alledge.cameras.file import FileSource

    return FileSource(path)


def _open_faulty(spec: str) -> FrameSource:
    from alledge.faults.camera import open_faulty

    return open_faulty(spec, open_camera)


def _open_phantom(spec: str) -> FrameSource:
    from alledge.cameras.phantom import open_phantom

    return open_phantom(spec)


def _open_picamera2(index: str) -> FrameSource:
    from alledge.cameras.picamera2 import open_picamera2

    return open_picamera2(index)


def _open_v4l2(device: str) -> FrameSource:
    from alledge.cameras.v4l2 import open_v4l2

    return open_v4l2(device)


_OPENERS: dict[str, Callable[[str], FrameSource]] = {
    "faulty": _open_faulty,
    "file": _open_file,
    "phantom": _open_phantom,
    "picamera2": _open_picamera2,
    "v4l2": _open_v4l2,
}
