"""An archive as a camera: one image, or the images of a folder in order."""

from pathlib import Path

from alledge.cameras.source import ClosesOnExit, FrameSource
from alledge.errors import AllscopeError, CameraFinished, ImageUnreadable, PathUnusable
from alledge.images import list_images, read_image
from alledge.types import Frame


class ImagesSkipped(CameraFinished):
    """An archive has served its last image, and some before it could not be read."""

    code = "images-skipped"


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


class WholeImages(ClosesOnExit):
    """An archive without its damaged images: a service that began anew at each would never get past it."""

    def __init__(self, archive: FrameSource) -> None:
        self._archive = archive
        self._unread: list[AllscopeError] = []

    def capture(self) -> Frame:
        """The next image that can be read.

        Raises:
            CameraFinished: every image was served; as ImagesSkipped where some could not be.
        """
        while True:
            try:
                return self._archive.capture()
            except (ImageUnreadable, PathUnusable) as error:
                self._unread.append(error)
            except CameraFinished as error:
                if self._unread:
                    raise self._skipped() from error
                raise

    def close(self) -> None:
        """Let go of the archive."""
        self._archive.close()

    def _skipped(self) -> ImagesSkipped:
        n, first = len(self._unread), self._unread[0]
        left_out = "One image was left out" if n == 1 else f"{n} images were left out; the first"
        return ImagesSkipped(f"{left_out}: {first.what_happened}", first.next_step)
