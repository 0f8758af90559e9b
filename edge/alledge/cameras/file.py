"""An archive as a camera: one image, or the images of a folder in order."""

from pathlib import Path

from alledge.cameras.source import ClosesOnExit
from alledge.errors import CameraFinished, PathUnusable
from alledge.images import list_images, read_image
from alledge.types import Frame


class FileSource(ClosesOnExit):
    """Serves each image once, then says that there are no more."""

    def __init__(self, path: str) -> None:
        if not path:
            raise PathUnusable("file: needs a path.", "Write file:IMAGE or file:FOLDER.")
        root = Path(path)
        self._paths = iter(list_images(root) if root.is_dir() else (root,))

    def capture(self) -> Frame:
        """Decodes the next image.

        Raises:
            ImageUnreadable, PathUnusable: the file is missing or no image.
            CameraFinished: every image was served.
        """
        path = next(self._paths, None)
        if path is None:
            raise CameraFinished("There are no more images.", "Use `alledge scan` for a whole folder.")
        return Frame(pixels=read_image(path), source=str(path))
