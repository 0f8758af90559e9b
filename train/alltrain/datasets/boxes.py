"""What all box layouts share: annotated images become a Study, and a nameless truth is refused."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import PurePosixPath

from alledge.errors import DatasetUnrecognised
from alltrain.datasets.folder import DataFolder
from alltrain.datasets.study import Boxes, LabelledImage, Study


def boxed_study(
    layout: str,
    folder: DataFolder,
    truths: Mapping[PurePosixPath, Boxes],
    notes: Sequence[str] = (),
    *,
    is_phantom: bool = False,
) -> Study:
    """Study of the images that have an annotation, in the order of the folder.

    Raises DatasetUnrecognised when no annotation belongs to an image of the folder, or a box is no box.
    """
    annotated = [image for image in folder.images if image in truths]
    if not annotated:
        raise DatasetUnrecognised(
            f"{folder.root}: the annotations ({layout}) name none of the {len(folder.images)} images there.",
            "Keep the images beside their annotations, under the names written in them.",
        )
    for image in annotated:
        _require_boxes(image, truths[image])
    n_bare = len(folder.images) - len(annotated)
    bare = (f"Images without annotation, left out: {n_bare}.",) if n_bare else ()
    images = tuple(LabelledImage(folder.source(im), folder.path(im), truths[im]) for im in annotated)
    return Study(layout, images, (*notes, *bare), is_phantom)


def _require_boxes(image: PurePosixPath, truth: Boxes) -> None:
    for box in truth.boxes:
        corners = (box.x0, box.y0, box.x1, box.y1)
        if not all(map(isfinite, corners)) or box.x1 < box.x0 or box.y1 < box.y0 or not box.label:
            raise DatasetUnrecognised(
                f"{image}: {corners} with label '{box.label}' is no box.", "Correct its annotation."
            )
