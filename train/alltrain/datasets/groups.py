"""Who belongs together: patients, slides or sessions, the unit that folds must never split.

Cells of one slide share stain, lamp and patient. A model judged on cells whose neighbours it was fitted
on looks far better than it is, so a dataset without groups is refused until the user says that the
figures may be optimistic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from alledge.errors import GroupsMissing
from alltrain.datasets.folder import DataFolder, ImageIndex
from alltrain.datasets.study import LabelledImage
from alltrain.datasets.tables import Aliases, read_table

GROUPS_FILE: Final = "groups.csv"
_COLUMNS: Final[Aliases] = {
    "image": ("image", "filename", "file", "name"),
    "group": ("group", "patient", "patient_id", "subject", "slide", "session"),
}
_HOW_TO: Final = (
    f"Write {GROUPS_FILE} there with the header 'image,group' and one line per image (group = patient, slide "
    "or session), or pass --no-groups and accept that figures may be optimistic."
)
NO_GROUPS_NOTE: Final = (
    "No patients or slides are known for this dataset (--no-groups): cells of one slide may stand on both "
    "sides of a fold, and all figures may be optimistic."
)


@dataclass(frozen=True, slots=True)
class GroupedImages:
    """Images that all have a group, and whether those groups are real."""

    images: tuple[LabelledImage, ...]
    grouped: bool
    notes: tuple[str, ...] = ()


def assign_groups(
    folder: DataFolder, images: Sequence[LabelledImage], *, allow_no_groups: bool
) -> GroupedImages:
    """Give every image its group: from groups.csv where there is one, else from the layout.

    Raises GroupsMissing when an image has none and `allow_no_groups` is False, or when groups.csv cannot
    be read, contradicts itself or is ambiguous.
    """
    listed, notes = _read_groups(folder, [PurePosixPath(image.source) for image in images])
    known = tuple(replace(image, group=listed.get(image.source, image.group)) for image in images)
    without = [image.source for image in known if image.group is None]
    if not without:
        return GroupedImages(known, True, notes)
    if not allow_no_groups:
        raise GroupsMissing(f"{_who_lacks_a_group(folder, without, len(known), bool(listed))}", _HOW_TO)
    own = tuple(image if image.group is not None else replace(image, group=image.source) for image in known)
    return GroupedImages(own, False, (*notes, NO_GROUPS_NOTE))


def _who_lacks_a_group(folder: DataFolder, without: Sequence[str], n_images: int, have_some: bool) -> str:
    if not have_some and len(without) == n_images:
        return f"{folder.root} does not say which images belong to one patient or slide."
    some = ", ".join(without[:3]) + (", ..." if len(without) > 3 else "")
    return f"{len(without)} of {n_images} images have no group: {some}."


def _read_groups(
    folder: DataFolder, images: Sequence[PurePosixPath]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Group of each image that groups.csv lists, by source; the file lies in DATA or beside the layout."""
    file = next((file for file in _candidates(folder) if file.root.joinpath(GROUPS_FILE).is_file()), None)
    if file is None:
        return {}, ()
    rows = read_table(file, PurePosixPath(GROUPS_FILE), _COLUMNS)
    if rows is None:
        raise GroupsMissing(f"{file.root / GROUPS_FILE} has no columns 'image' and 'group'.", _HOW_TO)
    index = ImageIndex(images)
    groups: dict[str, str] = {}
    n_strangers = 0
    for row in rows:
        found = index.find(row["image"])
        if len(found) > 1:
            raise GroupsMissing(
                f"{GROUPS_FILE}: '{row['image']}' can mean {found[0]} or {found[1]}.",
                "Write the folder too, as in that list.",
            )
        n_strangers += not found
        if found and row["group"]:
            source = found[0].as_posix()
            if groups.setdefault(source, row["group"]) != row["group"]:
                raise GroupsMissing(
                    f"{GROUPS_FILE} puts {source} into '{groups[source]}' and into '{row['group']}'.",
                    "Keep one line per image.",
                )
    return groups, _strangers_note(n_strangers, len(rows))


def _candidates(folder: DataFolder) -> tuple[DataFolder, ...]:
    """Folders where groups.csv may lie: as given, and where the layout was found."""
    inner = folder.root / folder.inside
    return (
        DataFolder(folder.root, PurePosixPath(), ()),
        DataFolder(inner, PurePosixPath(), ()),
    )


def _strangers_note(n_strangers: int, n_rows: int) -> tuple[str, ...]:
    if not n_strangers:
        return ()
    return (f"Lines of {GROUPS_FILE} that name no image of this dataset: {n_strangers} of {n_rows}.",)
