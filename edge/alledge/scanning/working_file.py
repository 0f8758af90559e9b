r"""The file that a scan writes while it runs, and the only one that says what is done.

One line an image, in the order of the images, each only ever appended whole:

    CRC-32, blank, JSON of what it is (index, identity, cells), tab, line of the results, newline

and one such line at the head with the settings and the list of images. Whatever is cut off or spoilt
by a kill or a power cut fails its checksum; everything from there on is cut away and done again. As the
images come in order, the number of lines is the place to go on from, and no image can be in it twice.
"""

import fcntl
import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from alledge.errors import StorageFailed
from alledge.scanning.refusals import ScanForeign, ScanRunning, ScanUnfinished
from alledge.scanning.work import Answer, Identity

FORMAT: Final = "allscope scan 1"
_FLUSH_S: Final = 1.0  # a power cut costs what was looked at since, which is done again
_HEAD_BYTES: Final = 1 << 16
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Header:
    """What a working file is of.

    fingerprint: of the settings. images_sha256: over the paths of all images of all shards, in order.
    first, n_here: the slice of the images that this shard has.
    """

    fingerprint: dict[str, str]
    n_images: int
    images_sha256: str
    shard: int
    n_shards: int
    first: int
    n_here: int

    def to_json(self) -> str:
        """One line, without newline."""
        return json.dumps({"format": FORMAT} | asdict(self))


def images_sha256(images: Sequence[Path]) -> str:
    """A hash over the paths in order."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(os.fsencode(image) + b"\0")
    return digest.hexdigest()


class WorkingFile:
    """Open for appending, and for no other process. `n_done` images are in it, the first of its slice.

    resume: go on with what is in it; without, a file in which something is done is refused.

    Raises ScanUnfinished for that, ScanRunning when another process has it, ScanForeign when it is none.
    """

    def __init__(self, path: Path, header: Header, *, resume: bool) -> None:
        self.path = path
        self.n_done = 0
        self._flushed_s = time.monotonic()
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        except OSError as error:
            raise _storage_failed(path, error) from error
        try:
            self._lock()
            self._is_new = _holds_nothing(self._file)
            self.header = self._begin(header) if self._is_new else self._go_on(resume=resume)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._is_new and self.n_done == 0 and kind is not None:
                self.path.unlink(missing_ok=True)  # nothing is lost with it
            else:
                self.flush()
        finally:
            self._file.close()

    def append(self, answer: Answer) -> None:
        """Adds one image. Raises StorageFailed when the medium refuses; then the image is not in it."""
        end = self._file.tell()
        try:
            self._write(answer_to_line(answer))
        except OSError as error:
            self._file.truncate(end)
            self._file.seek(end)
            raise _storage_failed(self.path, error) from error
        self.n_done += 1
        if time.monotonic() - self._flushed_s > _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Wait until all of it lies on the medium."""
        os.fsync(self._file.fileno())
        self._flushed_s = time.monotonic()

    def _lock(self) -> None:
        running = ScanRunning(f"Another process scans into {self.path}.", "Wait, or stop it.")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise running from error
        except OSError as error:
            raise StorageFailed(
                f"{self.path} cannot be locked ({error.strerror}).",
                "Mount that file system with locks (flock), or name another --out.",
            ) from error
        # It may have been finished, and gone, between opening and locking.
        if not self.path.exists() or not os.path.samestat(self.path.stat(), os.fstat(self._file.fileno())):
            raise running

    def _begin(self, header: Header) -> Header:
        try:
            self._file.truncate(0)
            self._write(_sealed(f"{header.to_json()}\t".encode()))
            self.flush()
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise _storage_failed(self.path, error) from error
        return header

    def _go_on(self, *, resume: bool) -> Header:
        header = read_header(self.path)
        if not resume:
            raise ScanUnfinished(
                f"{self.path} is what an earlier scan got done.",
                "Go on with it by --resume, or take it away to start anew.",
            )
        self.n_done, end = _whole_lines(self.path)
        self._file.truncate(end)
        self._file.seek(end)
        return header

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]


def answer_to_line(answer: Answer) -> bytes:
    """One image as a line of a working file."""
    told = asdict(answer)
    text = _SURROGATE.sub(_escaped, told.pop("text"))
    return _sealed(f"{json.dumps(told)}\t{text}".encode())


def read_header(path: Path) -> Header:
    """The head of a working file. Raises ScanForeign when it has none, or is of another format."""
    with path.open("rb") as file:
        content = _unsealed(file.readline())
    try:
        told = json.loads(content[:-1]) if content else None
        if not isinstance(told, dict) or told.pop("format") != FORMAT:
            raise ScanForeign(f"{path} is no working file of a scan.", "Take it away, or name another --out.")
        return Header(**told)
    except (ValueError, KeyError, TypeError) as error:
        raise ScanForeign(f"{path} is of another version of alledge.", "Take it away.") from error


def read_answers(path: Path) -> Iterator[Answer]:
    """The images of a working file in order, one in memory at a time, up to the first torn one."""
    with path.open("rb") as file:
        file.readline()
        for line in file:
            content = _unsealed(line)
            if content is None:
                return
            head, _, text = content.partition(b"\t")
            told = json.loads(head)
            yield Answer(**told | {"identity": Identity(**told["identity"]), "text": text.decode()})


def _holds_nothing(file: FileIO) -> bool:
    """Whether a kill or a power cut came before the head was written: empty, zeros, or a torn head."""
    start = file.read(_HEAD_BYTES)
    file.seek(0)
    begun = f'{{"format": "{FORMAT}"'.encode()
    is_torn_head = (
        b"\n" not in start
        and not start[:8].strip(b"0123456789abcdef")
        and begun.startswith(start[9 : 9 + len(begun)])
    )
    return not start.strip(b"\0") or is_torn_head


def _whole_lines(path: Path) -> tuple[int, int]:
    """(images, bytes) up to the first line that is not whole; the head is in the bytes."""
    n_lines = end = 0
    with path.open("rb") as file:
        for line in file:
            if _unsealed(line) is None:
                break
            n_lines += 1
            end += len(line)
    return n_lines - 1, end


def _sealed(content: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(content), content)


def _unsealed(line: bytes) -> bytes | None:
    """What `_sealed` was given; None when it is not all there."""
    content = line[9:-1]
    return content if line == _sealed(content) else None


def _escaped(surrogate: re.Match[str]) -> str:
    """A byte of a path that is no UTF-8, as JSON can hold it."""
    return f"\\u{ord(surrogate[0]):04x}"


def _storage_failed(path: Path, error: OSError) -> StorageFailed:
    why = error.strerror or type(error).__name__
    return StorageFailed(
        f"{path} could not be written ({why}).",
        "Make room there, and go on with `alledge scan ... --resume`.",
    )
