"""What every camera is to the rest of the device: something that gives one frame when asked."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from alledge.types import Frame


class FrameSource(Protocol):
    """A camera, an archive or a simulator. A context manager: leaving it frees the device."""

    def capture(self) -> Frame:
        """Gives one frame, exposed after the call where the source can tell.

        Raises:
            CameraUnavailable: no frame came in time, or the source has none left.
            ImageUnreadable: a file of an archive cannot be decoded.
        """
        ...

    def close(self) -> None:
        """Frees the device; harmless when called twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Lender(Protocol):
    """A camera that can hand out its own memory instead of a copy."""

    def lend(self) -> AbstractContextManager[Frame]:
        """Like `capture`, but the pixels are read-only and valid only within the `with`."""
        ...


@contextmanager
def borrowed(source: FrameSource) -> Iterator[Frame]:
    """One frame in the camera's own memory where the source can lend it, else one that was captured.

    For whoever copies the pixels at once; they must not be looked at after the `with`.
    """
    if isinstance(source, Lender):
        with source.lend() as frame:
            yield frame
    else:
        yield source.capture()


class ClosesOnExit:
    """Gives a source its `with` form from its `close`."""

    def close(self) -> None:
        """Frees the device; nothing to free unless a source says otherwise."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
