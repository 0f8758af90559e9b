"""A disk that forgets: what may lie on a medium after the power went, given what a process wrote and flushed.

What was flushed (fsync, fdatasync) is there. Of what was written since, every sector of 512 bytes may be
there or not, whatever the order of the writes. A name made or removed since the folder was flushed may or
may not be. What a refused flush was to bring is in doubt for good, even if a later flush succeeds: the
kernel counts it as written (Rebello et al., USENIX ATC 2020). This is the model of Pillai et al., "All
File Systems Are Not Created Equal" (OSDI 2014), at its worst: no file system promises less.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.system.crash.tracing import Call

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset of a file. Files are numbered in the order they appear: names move."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file cut or grown to a size."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Flush:
    """A file flushed; if it was refused, what it was to bring stays in doubt."""

    file: int
    is_refused: bool


@dataclass(frozen=True, slots=True)
class Naming:
    """A name given to a file, or to none; two of them are one rename, and happen together."""

    names: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class FolderFlush:
    """The names of the folder flushed."""


Operation: TypeAlias = Write | Truncate | Flush | Naming | FolderFlush


class Disk:
    """The operations on the files of one folder, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.operations: list[Operation] = []
        self._files: dict[str, int] = {}  # by the name of today
        self._sizes: list[int] = []

    def see(self, call: Call, *, is_refused: bool = False) -> None:
        """Take down a call that writes into the folder; shared memory (`-shm`) never reaches a disk."""
        at = call.name.endswith("at")
        if call.name.startswith("unlink"):
            self._rename(Path(call.text(1 if at else 0)), None)
        elif call.name.startswith("rename"):
            self._rename(Path(call.text(1 if at else 0)), Path(call.text(3 if at else 1)))
        elif call.name:
            self._see_file(call, Path(call.path()), is_refused=is_refused)

    def _rename(self, old: Path, new: Path | None) -> None:
        if old.parent != self.folder or old.name not in self._files:
            return
        file = self._files.pop(old.name)
        names: list[tuple[str, int | None]] = [(old.name, None)]
        if new is not None:
            self._files[new.name] = file
            names.append((new.name, file))
        self.operations.append(Naming(tuple(names)))

    def _see_file(self, call: Call, path: Path, *, is_refused: bool) -> None:
        if path == self.folder and not is_refused:
            self.operations.append(FolderFlush())
        if path.parent != self.folder or path.name.endswith("-shm"):
            return
        file = self._file(path.name)
        _, second, third, fourth, *_ = call.arguments
        if call.name in ("fsync", "fdatasync"):
            self.operations.append(Flush(file, is_refused))
        elif call.name == "ftruncate":
            self._sizes[file] = second
            self.operations.append(Truncate(file, second))
        else:
            # Only files written once from their beginning are written without an offset here.
            offset = fourth if call.name == "pwrite64" else self._sizes[file]
            self._sizes[file] = max(self._sizes[file], offset + third)
            self.operations.append(Write(file, offset, call.memory(second, third)))

    def _file(self, name: str) -> int:
        if name not in self._files:
            self._files[name] = len(self._sizes)
            self._sizes.append(0)
            self.operations.append(Naming(((name, self._files[name]),)))
        return self._files[name]

    def rebuild(self, folder: Path, n_done: int, chance: random.Random) -> None:
        """Put into `folder` what may be left when the power goes after `n_done` operations."""
        done = self.operations[:n_done]
        for name, file in _names(done, chance).items():
            (folder / name).write_bytes(_content(done, file, chance))
        (folder / "journal.sqlite3-shm").write_bytes(chance.randbytes(32768))


def _names(done: list[Operation], chance: random.Random) -> dict[str, int]:
    """Which file each name may stand for. ext4 flushes a new file's name with it; others need not."""
    names: dict[str, int] = {}
    last_flush = max((at for at, o in enumerate(done) if isinstance(o, FolderFlush)), default=-1)
    for at, operation in enumerate(done):
        if isinstance(operation, Naming) and (at < last_flush or chance.random() < 0.5):
            for name, file in operation.names:
                names.pop(name, None)
                if file is not None:
                    names[name] = file
    return names


def _content(done: list[Operation], file: int, chance: random.Random) -> bytes:
    """What a file may hold."""
    content = bytearray()
    is_sure = False
    for operation in _with_certainty(done, file):
        if isinstance(operation, bool):
            is_sure = operation
        elif isinstance(operation, Truncate):
            if is_sure or chance.random() < 0.5:
                del content[operation.size :]
                content.extend(bytes(operation.size - len(content)))
        else:
            _write(content, operation, is_sure, chance)
    return bytes(content)


def _with_certainty(done: list[Operation], file: int) -> Iterator[Write | Truncate | bool]:
    """Each write to a file, after whether the first flush that follows it brought it to the medium."""
    of_file = [o for o in done if isinstance(o, Write | Truncate | Flush) and o.file == file]
    for at, operation in enumerate(of_file):
        if not isinstance(operation, Flush):
            flush = next((o for o in of_file[at:] if isinstance(o, Flush)), None)
            yield flush is not None and not flush.is_refused
            yield operation


def _write(content: bytearray, write: Write, is_sure: bool, chance: random.Random) -> None:
    content.extend(bytes(max(0, write.offset + len(write.data) - len(content))))
    for start in range(0, len(write.data), SECTOR):
        if is_sure or chance.random() < 0.5:
            part = write.data[start : start + SECTOR]
            content[write.offset + start : write.offset + start + len(part)] = part
