"""Shortcut probes: how much of the class can be told without looking at a cell.

Each probe is a logistic regression on a handful of numbers that hold no cell, or no shape: image size,
colour, plasma, frame, rim of the patch, colour histogram. It is judged out of fold, on the same cells and
folds as the model. Whatever it reaches, a model reaches by the same shortcut; only what lies above is
evidence that cells were looked at. Random folds (images dealt singly) are shown beside the grouped ones:
the difference is what a lamp, a stain or a slide gives away when folds split groups.

Where each image has one label, whole images are judged too, for most papers report that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.errors import DatasetTooSmall
from alledge.strict_json import Json
from alledge.types import F64, I64, U8
from alltrain.audit.figures import few_figures
from alltrain.audit.image_records import ImageRecord, colour_numbers, frame_of
from alltrain.datasets.dataset import PatchSet
from alltrain.folds import assign_folds
from alltrain.judging import positive_indices
from alltrain.metrics import Figure, Predictions

MARGIN: Final = 0.1
"""A probe tells the class when the interval of its area, or of its balanced accuracy, lies this far above
chance. The margin keeps two dozen intervals on a clean study from one false alarm. Both are asked, since
the area compares scores of different folds, whose scales may differ."""

CELL, IMAGE = "cell", "image"
_RIM: Final = 0.08  # of the side, 4 of 50 pixels: a cell of 16 um leaves it free
_BINS: Final = 8
_PENALTY: Final = 1.0
_MOST_STEPS: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Out-of-fold answers of a probe and their figures, as of `figures.few_figures`. p: (N, L) float64."""

    p: F64
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One shortcut. level: "cell" or "image", what is called. features: in words.

    grouped: on the folds of the model. random: on folds that split groups; None where images are the groups.
    has_cell: the features hold the cell itself, so that its success is no fault of the study.
    """

    name: str
    level: str
    features: str
    grouped: Judged
    random: Judged | None
    has_cell: bool = False

    @property
    def tells(self) -> bool:
        """Whether the probe tells the class on groups that it never saw, without a cell in its features."""
        return not self.has_cell and _is_above_chance(self.grouped)

    @property
    def tells_the_group(self) -> bool:
        """Whether it tells the class only where folds split groups."""
        return (
            not self.has_cell and not self.tells and self.random is not None and _is_above_chance(self.random)
        )

    def as_json(self) -> dict[str, Json]:
        """The probe as audit.json holds it."""
        return {
            "name": self.name,
            "level": self.level,
            "features": self.features,
            "has_cell": self.has_cell,
            "tells": self.tells,
            "grouped": _figures_as_json(self.grouped),
            "random": None if self.random is None else _figures_as_json(self.random),
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Feature:
    """Numbers of every cell or image. values: (N, F) float64."""

    name: str
    words: str
    values: F64
    has_cell: bool = False


def probe_cells(
    patch_set: PatchSet, records: Sequence[ImageRecord], fold_of_patch: I64, seed: int
) -> tuple[Probe, ...]:
    """Probes judged cell by cell. records: of the images; without them only patches are probed."""
    if len(set(patch_set.labels.tolist())) < 2:
        return ()
    by_source = {record.image.source: record for record in records}
    features = [_rim(patch_set.patches), _histogram(patch_set.patches)]
    if all(source in by_source for source in patch_set.sources):
        features = [*_image_features([by_source[source] for source in patch_set.sources]), *features]
    random_folds = None
    if patch_set.grouped:
        random_folds = _folds(patch_set.labels, patch_set.sources, int(fold_of_patch.max()) + 1, seed)
    names, positive = patch_set.label_names, positive_indices(patch_set)

    def judged(feature: _Feature, folds: I64) -> Judged:
        p = out_of_fold(feature.values, patch_set.labels, folds, len(names))
        return _judge(p, patch_set.labels, patch_set.groups, names, positive, seed)

    return tuple(
        Probe(
            feature.name,
            CELL,
            feature.words,
            judged(feature, fold_of_patch),
            None if random_folds is None else judged(feature, random_folds),
            feature.has_cell,
        )
        for feature in features
    )


def probe_images(
    patch_set: PatchSet,
    records: Sequence[ImageRecord],
    fold_of_group: Mapping[str, int],
    group_of: Mapping[str, str],
    seed: int,
) -> tuple[Probe, ...]:
    """Probes judged image by image: an image is of the last label, negative to positive, of its cells.

    fold_of_group: test fold by group. group_of: group by image, where the patches tell another than the
    layout. Images in no fold are left out.
    """
    names = patch_set.label_names
    groups_of_all = [group_of.get(record.image.source, record.image.group) for record in records]
    chosen = [
        (record, group)
        for record, group in zip(records, groups_of_all, strict=True)
        if record.image.label in names and group in fold_of_group
    ]
    known = [record for record, _ in chosen]
    labels = np.array([names.index(str(r.image.label)) for r in known], dtype=np.int64)
    if len(known) < 2 or len(set(labels.tolist())) < 2 or len(set(patch_set.sources)) == len(patch_set):
        return ()  # with one cell an image it would be the same figures again
    groups = tuple(group for _, group in chosen)
    grouped = np.array([fold_of_group[group] for group in groups], dtype=np.int64)
    random_folds = None
    if patch_set.grouped:
        sources = [record.image.source for record in known]
        random_folds = _folds(labels, sources, int(grouped.max()) + 1, seed)

    def judged(values: F64, folds: I64) -> Judged:
        p = out_of_fold(values, labels, folds, len(names))
        return _judge(p, labels, groups, names, positive_indices(patch_set), seed)

    return tuple(
        Probe(
            feature.name,
            IMAGE,
            feature.words,
            judged(feature.values, grouped),
            None if random_folds is None else judged(feature.values, random_folds),
        )
        for feature in _image_features(known)
    )


def out_of_fold(values: F64, labels: I64, fold_of: I64, n_labels: int) -> F64:
    """(N, L) float64 probabilities, each row by a logistic regression that never saw its fold.

    values: (N, F) float64. Rows of a training side with a single label get that label; labels that a side
    lacks get 0. Classes weigh alike, features are standardised on the training side.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    p = np.zeros((labels.size, n_labels))
    for fold in np.unique(fold_of):
        test = fold_of == fold
        present = np.unique(labels[~test])
        if present.size < 2:
            p[np.ix_(test, present)] = 1.0
            continue
        scaler = StandardScaler().fit(values[~test])
        model = LogisticRegression(C=_PENALTY, class_weight="balanced", max_iter=_MOST_STEPS)
        model.fit(scaler.transform(values[~test]), labels[~test])
        p[np.ix_(test, present)] = model.predict_proba(scaler.transform(values[test]))
    return p


def _judge(
    p: F64,
    labels: I64,
    groups: tuple[str, ...],
    names: tuple[str, ...],
    positive: tuple[int, ...],
    seed: int,
) -> Judged:
    called = p.argmax(axis=1).astype(np.int64)
    review = np.zeros(labels.size, dtype=np.bool_)
    return Judged(p, few_figures(Predictions(labels, p, called, review, groups, names, positive), seed))


def _folds(labels: I64, units: Sequence[str], n_folds: int, seed: int) -> I64 | None:
    try:
        return assign_folds(labels, units, max(2, n_folds), seed).fold_of_patch
    except DatasetTooSmall:
        return None  # a label of one image only cannot be dealt to two folds


def _image_features(records: Sequence[ImageRecord]) -> list[_Feature]:
    sizes = [(np.log(r.facts.width), np.log(r.facts.height), r.facts.width / r.facts.height) for r in records]
    words = "mean and deviation of red, green and blue"
    return [
        _Feature("size", "width, height and their ratio", np.array(sizes, dtype=np.float64)),
        _Feature("whole colour", f"{words} of the image", np.stack([r.colour for r in records])),
        _Feature(
            "background only",
            f"{words} of the brightest tenth of the pixels, where no cell is",
            np.stack([r.background for r in records]),
        ),
        _Feature(
            "border only", f"{words} of the outer 5 % of the image", np.stack([r.frame for r in records])
        ),
    ]


def _rim(patches: U8) -> _Feature:
    values = np.stack([colour_numbers(frame_of(patch, _RIM)) for patch in patches])
    words = "mean and deviation of red, green and blue in the rim of the patch, around the cell"
    return _Feature("patch rim", words, values)


def _histogram(patches: U8) -> _Feature:
    """Share of pixels in 8 bins of each channel: colour of the cell without any shape."""
    bins = (patches >> 5).reshape(len(patches), -1, 3)
    values = np.stack([(bins == level).mean(axis=1) for level in range(_BINS)], axis=1)
    words = "histogram of red, green and blue in the patch: the cell's own colour and size, no shape"
    return _Feature("patch colours", words, values.reshape(len(patches), -1).astype(np.float64), True)


def _is_above_chance(judged: Judged) -> bool:
    area, recall = judged.figures["macro_auroc"].ci95, judged.figures["balanced_accuracy"].ci95
    return (area is not None and area[0] > 0.5 + MARGIN) or (
        recall is not None and recall[0] > 1 / judged.p.shape[1] + MARGIN
    )


def _figures_as_json(judged: Judged) -> dict[str, Json]:
    return {name: figure.as_json() for name, figure in judged.figures.items()}
