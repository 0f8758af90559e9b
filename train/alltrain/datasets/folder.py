"""The user's folder, listed once: layouts look at names, and only names on this list are ever opened.

Annotation files and groups.csv come from strangers. A name in them is looked up among the images found
here, never joined to a path, so "../../secret.jpg" finds nothing.
"""

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from alledge.errors import DatasetUnrecognised, FolderEmpty, PathUnusable
from alledge.images import IMAGE_SUFFIXES

_NOT_DATA: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_MAX_LINE_BYTES: Final = 4096
_MAX_TEXT_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A dataset's folder, or the folder inside it that holds the layout.

    root: the folder as given by the user. inside: path from there to the layout, "." in most cases.
    files: every file below root/inside, relative to it, sorted; hidden files are left out.
    """

    root: Path
    inside: PurePosixPath
    files: tuple[PurePosixPath, ...]
    images: tuple[PurePosixPath, ...] = field(init=False)

    def __post_init__(self) -> None:
        images = tuple(file for file in self.files if file.suffix.lower() in IMAGE_SUFFIXES)
        object.__setattr__(self, "images", images)

    def path(self, file: PurePosixPath) -> Path:
        """Where a listed file lies on disk."""
        return self.root / self.inside / file

    def source(self, file: PurePosixPath) -> str:
        """Name of a listed file relative to the user's folder, as every report shows it."""
        return (self.inside / file).as_posix()

    def with_suffix(self, *suffixes: str) -> tuple[PurePosixPath, ...]:
        """Listed files with one of these suffixes, whatever their case."""
        return tuple(file for file in self.files if file.suffix.lower() in suffixes)

    def subfolders(self) -> tuple[str, ...]:
        """Names of the folders directly inside that hold any file, sorted."""
        return tuple(sorted({file.parts[0] for file in self.files if len(file.parts) > 1}))

    def enter(self, name: str) -> "DataFolder":
        """The same listing, seen from the subfolder `name`."""
        below = tuple(file.relative_to(name) for file in self.files if file.parts[0] == name)
        return DataFolder(self.root, self.inside / name, below)

    def first_line(self, file: PurePosixPath) -> str:
        """First line of a listed file as far as it goes and is UTF-8; "" for anything else."""
        try:
            with self.path(file).open("rb") as stream:
                return stream.readline(_MAX_LINE_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            return ""
        except OSError as error:
            raise _unreadable(self.path(file), error) from error

    def read_text(self, file: PurePosixPath) -> str:
        """Text of a listed file, UTF-8 with or without a byte-order mark.

        Raises DatasetUnrecognised when it is unreadable, no text, or far too large.
        """
        path = self.path(file)
        try:
            if path.stat().st_size > _MAX_TEXT_BYTES:
                raise DatasetUnrecognised(f"{path} is too large for an annotation.", "Check the file.")
            return path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise _unreadable(path, error) from error
        except UnicodeDecodeError as error:
            raise DatasetUnrecognised(f"{path} is no UTF-8 text.", "Save it as UTF-8.") from error


def list_folder(data: Path) -> DataFolder:
    """List a dataset's folder and everything below it.

    Raises PathUnusable when it is no folder, FolderEmpty when there is no file in it.
    """
    if not data.is_dir():
        raise PathUnusable(f"{data} is no folder.", "Give the folder that holds the dataset.")
    files: list[PurePosixPath] = []
    seen = {data.resolve()}
    for folder, subfolders, names in os.walk(data, onerror=_refuse_unlisted, followlinks=True):
        # A link may lead back to where the walk came from.
        new = [name for name in subfolders if _is_data(name) and Path(folder, name).resolve() not in seen]
        seen.update(Path(folder, name).resolve() for name in new)
        subfolders[:] = new
        here = Path(folder).relative_to(data)
        files += [PurePosixPath(here.as_posix()) / name for name in names if _is_data(name)]
    if not files:
        raise FolderEmpty(f"{data} is empty.", "Put images there, in one of the layouts of docs/data.md.")
    return DataFolder(data, PurePosixPath(), tuple(sorted(files)))


def _refuse_unlisted(error: OSError) -> None:
    raise _unreadable(Path(error.filename), error) from error


def _unreadable(path: Path, error: OSError) -> PathUnusable:
    return PathUnusable(f"{path} cannot be read ({error.strerror}).", "Check its permissions.")


def _is_data(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NOT_DATA


class ImageIndex:
    """Finds the image that an annotation or a groups.csv names, however much of the path it gives."""

    def __init__(self, images: Iterable[PurePosixPath]) -> None:
        self._by_tail: dict[str, list[PurePosixPath]] = defaultdict(list)
        for image in images:
            for start in range(len(image.parts)):
                tail = PurePosixPath(*image.parts[start:])
                self._by_tail[tail.as_posix().lower()].append(image)
                self._by_tail[tail.with_suffix("").as_posix().lower()].append(image)

    def find(self, name: str, near: PurePosixPath | None = None) -> tuple[PurePosixPath, ...]:
        """Images that `name` can mean: none, one, or several of the same name in different folders.

        name: file name or the end of a path, with or without suffix, upper or lower case.
        near: a file; among several images those that share the most folders with it are meant.
        """
        parts = PurePosixPath(name.strip().replace("\\", "/")).parts
        if not parts or ".." in parts:
            return ()
        found = self._by_tail.get("/".join(parts).lower(), [])
        if near is not None and len(found) > 1:
            shared = [_shared_folders(image, near) for image in found]
            found = [image for image, n in zip(found, shared, strict=True) if n == max(shared)]
        return tuple(found)


def _shared_folders(a: PurePosixPath, b: PurePosixPath) -> int:
    pairs = zip(a.parent.parts, b.parent.parts, strict=False)
    return next((k for k, (x, y) in enumerate(pairs) if x != y), min(len(a.parts), len(b.parts)) - 1)
