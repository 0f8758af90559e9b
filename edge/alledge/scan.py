"""An archive of images through the same pixel path as the camera: one line of JSON a field.

An image that cannot be read does not stop the others; it is told at the end. The results file
appears whole or not at all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alledge.durable import write_whole
from alledge.errors import ImageUnreadable, PathUnusable
from alledge.field_json import field_to_json
from alledge.images import list_images, read_image
from alledge.pipeline import FieldModel, analyse_field
from alledge.snap import write_field
from alledge.types import FieldResult, Frame, Verdict


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan did, for the person who started it."""

    n_fields: int
    n_cells: int
    n_refused: int
    unreadable: tuple[ImageUnreadable, ...]


def find_images(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Lists the images that paths (files or folders) stand for, each once, in the order given.

    Raises:
        PathUnusable: a path does not exist.
        FolderEmpty: a folder holds no image.
    """
    images: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            images |= dict.fromkeys(list_images(path))
        elif path.is_file():
            images[path] = None
        else:
            raise PathUnusable(f"{path} does not exist.", "Give image files or folders of images.")
    return tuple(images)


def scan_images(
    images: Sequence[Path],
    out: Path,
    model: FieldModel | None,
    pixel_um: float | None,
    pictures: Path | None,
    progress: Callable[[], None],
) -> ScanReport:
    """Analyses images in order and writes one field a line to `out`.

    Args:
        images: files to read.
        out: the JSON Lines file, written whole at the end.
        model: None finds cells without calling them.
        pixel_um: micrometres a pixel of every image; None estimates it image by image.
        pictures: folder for annotated pictures; None writes none.
        progress: called once an image.

    Raises:
        ImageUnreadable: not a single image could be read.
        StorageFailed: `out` or a picture cannot be written.
    """
    results: list[FieldResult] = []
    unreadable: list[ImageUnreadable] = []
    for path in images:
        try:
            frame = Frame(pixels=read_image(path), source=str(path))
        except ImageUnreadable as error:
            unreadable.append(error)
        else:
            results.append(analyse_field(frame, model, pixel_um))
            if pictures is not None:
                write_field(frame, results[-1], model, pictures, _picture_name(path))
        progress()
    if unreadable and not results:
        raise unreadable[0]
    write_whole(out, "".join(f"{field_to_json(result)}\n" for result in results).encode())
    return ScanReport(
        n_fields=len(results),
        n_cells=sum(len(result.cells) for result in results),
        n_refused=sum(result.quality.verdict is not Verdict.OK for result in results),
        unreadable=tuple(unreadable),
    )


def _picture_name(path: Path) -> str:
    """Keeps the parent folder in the name: archives repeat file names from folder to folder."""
    return f"{path.parent.name}-{path.stem}" if path.parent.name else path.stem
