"""ALL-IDB2: crops of 257 x 257 pixels with one cell in the centre.

    img/Im001_1.tif     a blast in the centre
    img/Im131_0.tif     something else in the centre

The crops are cut from ALL-IDB1, so a model fitted on one of the two must never be judged on the other.
"""

from pathlib import PurePosixPath
from typing import Final

from alltrain.datasets.all_idb import leukaemic
from alltrain.datasets.folder import DataFolder
from alltrain.datasets.study import BLAST, NORMAL, CentreCell, LabelledImage, Layout, Study

_OVERLAP: Final = "ALL-IDB2 is cut from ALL-IDB1: never fit on one and judge on the other."


def _recognise(folder: DataFolder) -> bool:
    return bool(_crops(folder)) and not folder.with_suffix(".xyc")


def _read(folder: DataFolder) -> Study:
    images = tuple(
        LabelledImage(
            folder.source(crop), folder.path(crop), CentreCell(BLAST if leukaemic(crop) else NORMAL)
        )
        for crop in _crops(folder)
    )
    return Study(LAYOUT.name, images, (_OVERLAP,))


def _crops(folder: DataFolder) -> list[PurePosixPath]:
    """TIFF files by name, in img/ or, when the user gave that folder itself, right here."""
    tiffs = [image for image in folder.images if image.suffix.lower() in (".tif", ".tiff")]
    return [crop for crop in tiffs if _is_placed(crop) and leukaemic(crop) is not None]


def _is_placed(crop: PurePosixPath) -> bool:
    return len(crop.parts) == 1 or (len(crop.parts) == 2 and crop.parts[0].lower() == "img")


LAYOUT: Final = Layout(
    name="ALL-IDB2",
    looks_like="img/ImNNN_Y.tif",
    recognise=_recognise,
    read=_read,
)
