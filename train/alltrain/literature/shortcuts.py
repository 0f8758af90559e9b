"""Rows that never look at a cell: what image size, colour and background alone would score.

A system is only shown to read cells where it beats these. Each is a logistic regression on a few numbers
of the image (or of the rim of the patch), fitted, calibrated and judged as every other row. The numbers are
those of the audit's probes; the audit asks whether a study gives its classes away, these rows ask what a
published figure would be worth on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from alledge.types import F64, U8
from alltrain.audit.image_records import ImageRecord, colour_numbers, frame_of, read_records, study_images
from alltrain.datasets.dataset import PatchSet
from alltrain.literature.system import FittedSystem, System, TrainingSide

if TYPE_CHECKING:
    from collections.abc import Callable

    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

_RIM: Final = 0.08  # of the side, 4 of 50 pixels: a cell of 16 um leaves it free
_LEAST_P: Final = 1e-4  # a label that a training side lacks is unlikely, not impossible
_MOST_STEPS: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class _Regression:
    """A fitted logistic regression over the labels that its training side held."""

    scaler: "StandardScaler"
    model: "LogisticRegression"
    n_labels: int
    n_parameters: int | None
    macs: int | None = None

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        """(N, L) float64; `morphology` holds the numbers that the shortcut is told."""
        del patches
        p = np.full((len(morphology), self.n_labels), _LEAST_P)
        p[:, self.model.classes_] = np.maximum(
            self.model.predict_proba(self.scaler.transform(morphology)), _LEAST_P
        )
        return np.asarray(p / p.sum(axis=1, keepdims=True))


def fit_shortcut(side: TrainingSide) -> FittedSystem:
    """Logistic regression on standardised numbers, labels weighed alike."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train = ~side.is_validation
    scaler = StandardScaler().fit(side.morphology[train])
    model = LogisticRegression(class_weight="balanced", max_iter=_MOST_STEPS)
    model.fit(scaler.transform(side.morphology[train]), side.labels[train])
    return _Regression(scaler, model, side.n_labels, int(model.coef_.size + model.intercept_.size))


def shortcut_systems(
    data: Path, patch_set: PatchSet, progress: "Callable[[int, int], None] | None" = None
) -> tuple[System, ...]:
    """A row for each shortcut of a study; of a patches folder, which holds no images, only the rim.

    Raises ImageUnreadable, PathUnusable.
    """
    wanted = set(patch_set.sources)
    images = [image for image in study_images(data) if image.source in wanted]
    records = {record.image.source: record for record in read_records(images, progress)}
    rim = np.stack([colour_numbers(frame_of(patch, _RIM)) for patch in patch_set.patches])
    rows = [_system("rim", "Rim of the patch", "the outer 4 pixels of the patch, beyond most cells", rim)]
    if all(source in records for source in patch_set.sources):
        rows = [*_image_rows(patch_set.sources, records), *rows]
    return tuple(rows)


def _image_rows(sources: Sequence[str], records: Mapping[str, ImageRecord]) -> list[System]:
    of_patches = [records[source] for source in sources]
    sizes = np.array(
        [(np.log(r.facts.width), np.log(r.facts.height), r.facts.width / r.facts.height) for r in of_patches]
    )
    return [
        _system("size", "Image size", "width, height and their ratio", sizes, are_colours=False),
        _system(
            "whole-colour", "Colour of the whole image", "the image", np.stack([r.colour for r in of_patches])
        ),
        _system(
            "background",
            "Colour of the background",
            "the brightest tenth of the pixels, where no cell is",
            np.stack([r.background for r in of_patches]),
        ),
    ]


def _system(key: str, title: str, words: str, values: F64, *, are_colours: bool = True) -> System:
    numbers = f"mean and deviation (logarithms) of red, green and blue of {words}" if are_colours else words
    return System(
        key=key,
        title=f"{title} (shortcut)",
        kind="shortcut",
        claim=None,
        description=f"A logistic regression on {numbers}. It never sees a cell's shape.",
        choices=("No paper proposes it: it is what any system must beat.",),
        fit=fit_shortcut,
        told=np.asarray(values, dtype=np.float64),
    )
