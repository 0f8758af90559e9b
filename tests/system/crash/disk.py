"""A disk that forgets: what may lie on a medium after the power went, given what a process wrote and flushed.

What was flushed (fsync, fdatasync) is there. Of what was written since, every sector of 512 bytes may be
there or not, whatever the order of the writes. A name made or removed since the folder was flushed may or
may not be. What a refused flush was to bring is in doubt for good, even if a later flush succeeds: the
kernel counts it as written (Rebello et al., USENIX ATC 2020). This is the model of Pillai et al., "All
File Systems Are Not Created Equal" (OSDI 2014), at its worst: no file system promises less.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.system.crash.tracing import Call

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset of a file."""

    name: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file cut or grown to a size."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Unlink:
    """A name removed."""

    name: str


@dataclass(frozen=True, slots=True)
class Flush:
    """A file flushed, or with the name "" the folder."""

    name: str


@dataclass(frozen=True, slots=True)
class RefusedFlush:
    """A file whose flush failed."""

    name: str


Operation: TypeAlias = Write | Truncate | Unlink | Flush | RefusedFlush


class Disk:
    """The operations on the files of one folder, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.operations: list[Operation] = []

    def see(self, call: Call, *, is_refused: bool = False) -> None:
        """Take down a call that writes into the folder; shared memory (`-shm`) never reaches a disk."""
        if is_refused:
            self.operations.append(RefusedFlush(Path(call.path()).name))
        elif call.name in ("unlink", "unlinkat"):
            self._see_unlink(Path(call.text(1 if call.name == "unlinkat" else 0)))
        elif call.name:
            self._see_file(call, Path(call.path()))

    def _see_unlink(self, path: Path) -> None:
        if path.parent == self.folder:
            self.operations.append(Unlink(path.name))

    def _see_file(self, call: Call, path: Path) -> None:
        if path == self.folder:
            self.operations.append(Flush(""))
        if path.parent != self.folder or path.name.endswith("-shm"):
            return
        _, second, third, fourth, *_ = call.arguments
        if call.name == "pwrite64":
            self.operations.append(Write(path.name, fourth, call.memory(second, third)))
        elif call.name == "ftruncate":
            self.operations.append(Truncate(path.name, second))
        elif call.name in ("fsync", "fdatasync"):
            self.operations.append(Flush(path.name))
        else:
            raise AssertionError(f"a plain {call.name} into {path.name}: its offset is not known here")

    def rebuild(self, folder: Path, n_done: int, chance: random.Random) -> None:
        """Put into `folder` what may be left when the power goes after `n_done` operations."""
        done = self.operations[:n_done]
        files = {operation.name for operation in done if operation.name}
        for name in files:
            content = self._content(done, name, chance)
            if content is not None:
                (folder / name).write_bytes(content)
        (folder / "journal.sqlite3-shm").write_bytes(chance.randbytes(32768))

    def _content(self, done: list[Operation], name: str, chance: random.Random) -> bytes | None:
        """What a file may hold; None when its name may be gone, and is."""
        of_file = [(at, operation) for at, operation in enumerate(done) if operation.name == name]
        last_flush = max((at for at, o in of_file if isinstance(o, Flush)), default=-1)
        folder_flush = max((at for at, o in enumerate(done) if o == Flush("")), default=-1)
        content, exists, named_at = bytearray(), False, -1
        for at, operation in of_file:
            is_sure = at <= last_flush and not _was_dropped(of_file, at)
            if isinstance(operation, Unlink):
                if at <= folder_flush or chance.random() < 0.5:
                    content, exists = bytearray(), False
            elif not isinstance(operation, Flush | RefusedFlush):
                if not exists:
                    exists, named_at = True, at
                _apply(content, operation, is_sure, chance)
        # A new file's flush does not flush its name; ext4 does so all the same, others need not.
        if not exists or (named_at > folder_flush and chance.random() < 0.5):
            return None
        return bytes(content)


def _was_dropped(of_file: list[tuple[int, Operation]], at: int) -> bool:
    """Whether the first flush after a write was refused."""
    flushes = (o for later, o in of_file if later > at and isinstance(o, Flush | RefusedFlush))
    return isinstance(next(flushes, None), RefusedFlush)


def _apply(
    content: bytearray, operation: Write | Truncate | Unlink, is_sure: bool, chance: random.Random
) -> None:
    if isinstance(operation, Truncate):
        if is_sure or chance.random() < 0.5:
            del content[operation.size :]
            content.extend(bytes(operation.size - len(content)))
        return
    assert isinstance(operation, Write)
    end = operation.offset + len(operation.data)
    content.extend(bytes(max(0, end - len(content))))
    for start in range(0, len(operation.data), SECTOR):
        if is_sure or chance.random() < 0.5:
            part = operation.data[start : start + SECTOR]
            content[operation.offset + start : operation.offset + start + len(part)] = part
