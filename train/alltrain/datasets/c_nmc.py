"""C-NMC 2019: segmented cells on black, 450 x 450, the subject in the name.

    fold_0/all/UID_11_10_1_all.bmp      subject 11, image 10, cell 1, leukaemic
    fold_0/hem/UID_H10_3_2_hem.bmp      subject H10, image 3, cell 2, healthy

A. Gupta, R. Gupta (eds.), "ISBI 2019 C-NMC Challenge: Classification in Cancer Cell Imaging", Springer
2019. The cells were cut out of 2560 x 1920 frames of one microscope at 100x and never rescaled. No red
cell is left to measure by, and the authors give no pixel size; see NOMINAL_PIXEL_UM.
"""

import re
from pathlib import PurePosixPath
from typing import Final

from alltrain.datasets.folder import DataFolder
from alltrain.datasets.study import CentreCell, LabelledImage, Layout, Study

NOMINAL_PIXEL_UM: Final = 0.06
"""Assumed, not measured: cells about 200 pixels wide are taken for lymphoid cells of 12 um, which is also
what a 3.4 um sensor pixel behind a 100x objective and a 0.6x camera adapter would give. The device assumes
the same for images on black (alledge.pixel_size)."""

_NAME: Final = re.compile(r"UID_(H?\d+)_\d+_\d+_(all|hem)", re.IGNORECASE)
_SCALE: Final = f"The pixel size of C-NMC is not published: {NOMINAL_PIXEL_UM} um was assumed for all cells."


def _recognise(folder: DataFolder) -> bool:
    return any(_NAME.fullmatch(image.stem) for image in folder.images)


def _read(folder: DataFolder) -> Study:
    named = [(image, match) for image in folder.images if (match := _NAME.fullmatch(image.stem))]
    notes = [_SCALE]
    n_other = len(folder.images) - len(named)
    if n_other:
        notes.append(f"Images without subject and label in their name, left out: {n_other}.")
    return Study(LAYOUT.name, tuple(_cell(folder, image, match) for image, match in named), tuple(notes))


def _cell(folder: DataFolder, image: PurePosixPath, match: re.Match[str]) -> LabelledImage:
    subject, label = match.group(1).upper(), match.group(2).lower()
    truth = CentreCell(label)
    return LabelledImage(folder.source(image), folder.path(image), truth, subject, NOMINAL_PIXEL_UM)


LAYOUT: Final = Layout(
    name="C-NMC 2019",
    looks_like="UID_subject_image_cell_all.bmp and ..._hem.bmp",
    recognise=_recognise,
    read=_read,
)
