"""Files and folders appear whole or not at all, whatever happens to the power.

A file is written beside its final name, flushed to the medium, renamed over it, and the folder's
entry is flushed too (the order that rename(2) and fsync(2) ask for; a rename alone can survive a
power cut while the bytes do not). When the disk is full or read-only nothing is left behind.
"""

import contextlib
import os
import secrets
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from alledge.errors import PathUnusable, StorageFailed

_FLUSHES_AT_ONCE: Final = 16


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path`, replacing what was there in one step.

    Raises StorageFailed when the medium refuses (full, read-only, no permission, no such folder);
    then `path` is as it was before and no other file is left.
    """
    with replace_whole(path) as file:
        file.write(data)


def write_unflushed(path: Path, data: bytes) -> None:
    """Write a file of /run, which lies in memory: readers see the old one or the new one, never a part.

    Raises StorageFailed when the medium refuses; then the old one stays and no other file is left.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise _storage_failed(path, error) from error


@contextlib.contextmanager
def replace_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file to fill, however long; at the end of the block it becomes `path` in one step.

    Raises StorageFailed as `write_whole`; when the block raises, `path` is as it was before.
    """
    partial = _beside(path, "partial")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise _storage_failed(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make `path` and its parents where they are missing.

    Raises PathUnusable when a file is in the way, StorageFailed when the medium refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise PathUnusable(f"{path} cannot be a folder, a file is in the way.", "Name another.") from error
    except OSError as error:
        raise _storage_failed(path, error) from error


@contextlib.contextmanager
def write_folder_whole(path: Path, marker: str) -> Iterator[Path]:
    """Give an empty folder to fill; at the end of the block it becomes `path` in one rename.

    marker: name of a file that every such folder holds and that the block must write. An existing
    `path` is replaced only if it is empty or holds that file, so a folder of the user's is never lost.
    When the block raises, the folder is removed and `path` stays as it was.

    Raises PathUnusable when `path` exists and is not ours, StorageFailed when the medium refuses.
    """
    _refuse_foreign(path, marker)
    partial = _beside(path, "partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        yield partial
        _flush_tree(partial)
        _swap_in(partial, path)
    except OSError as error:
        raise _storage_failed(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _refuse_foreign(path: Path, marker: str) -> None:
    if not os.path.lexists(path):
        return
    if path.is_dir() and ((path / marker).is_file() or not any(path.iterdir())):
        return
    raise PathUnusable(
        f"{path} exists and holds something else than what is to be written there (no {marker}).",
        "Name a new folder.",
    )


def _beside(path: Path, role: str) -> Path:
    """A free hidden name in the folder of `path`: renames within one folder never cross a file system."""
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.{role}")


def _swap_in(partial: Path, path: Path) -> None:
    """Rename `partial` to `path`; what was there steps aside first and goes when all is done."""
    aside = _beside(path, "old") if os.path.lexists(path) else None
    if aside is not None:
        path.rename(aside)
    try:
        partial.rename(path)
    except OSError:
        if aside is not None:
            aside.rename(path)
        raise
    _flush(path.parent)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def _flush_tree(root: Path) -> None:
    files = [path for path in root.rglob("*") if path.is_file()]
    # The medium writes many files in one go when it is asked for them together.
    with ThreadPoolExecutor(_FLUSHES_AT_ONCE) as pool:
        deque(pool.map(_flush, files), maxlen=0)
    for folder, _, _ in os.walk(root):
        _flush(Path(folder))


def _flush(path: Path) -> None:
    """Wait until a file or folder lies on the medium."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _storage_failed(path: Path, error: OSError) -> StorageFailed:
    why = error.strerror or type(error).__name__
    return StorageFailed(f"{path} could not be written ({why}).", "Free space there or name another place.")
