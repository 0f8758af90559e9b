"""Cut out the cell, describe it in 131 numbers, part the classes by a support vector machine.

The system of Putzu and Di Ruberto for the cell in a patch: 30 numbers of shape, 21 of colour and 80 of
texture, a Gaussian kernel. Margins become probabilities by a logistic curve fitted to cells that were left
out in turn (J. Platt, in: Advances in Large Margin Classifiers, 1999), because the margins of a kernel
machine on its own training cells are all alike.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from alledge.types import F64, I64, U8
from alltrain.literature.colour import STATISTICS as COLOUR
from alltrain.literature.colour import colour_features
from alltrain.literature.segmentation import segment_cell
from alltrain.literature.shape import SHAPE_MEASURES, shape_features
from alltrain.literature.smoothing import count_labels, soften, succession
from alltrain.literature.system import Claim, FittedSystem, System, TrainingSide
from alltrain.literature.texture import ANGLES, co_occurrence, texture_features
from alltrain.literature.texture import STATISTICS as TEXTURE

N_FEATURES: Final = len(SHAPE_MEASURES) + 3 * len(COLOUR) + len(ANGLES) * len(TEXTURE)

_SETTINGS: Final = tuple((c, gamma) for c in (1.0, 10.0, 100.0) for gamma in (0.3, 1.0, 3.0))
"""Cost, and width of the kernel in units of one over the number of features."""

_MOST_PARTS: Final = 5


def cell_features(patches: U8) -> F64:
    """(N, 131) float64 shape, colour and texture of the central cells; NaN where none was found.

    patches: (N, 50, 50, 3) uint8 RGB.
    """
    return np.array([_of_cell(patch) for patch in patches]).reshape(-1, N_FEATURES)


def _of_cell(patch: U8) -> F64:
    masks = segment_cell(patch)
    if not masks.found:
        return np.full(N_FEATURES, np.nan)
    texture = texture_features(co_occurrence(_grey(patch), masks.cell))
    return np.concatenate([shape_features(masks), colour_features(patch, masks.cell), texture.ravel()])


def _grey(patch: U8) -> U8:
    """(h, w) uint8 luma of ITU-R BT.601, the grey of MATLAB's rgb2gray."""
    return np.asarray(np.rint(patch @ np.array([0.299, 0.587, 0.114])), dtype=np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """What is left to say when a training side holds one label only: its share. shares: (L,) float64."""

    shares: F64
    macs: int | None = None

    @property
    def n_parameters(self) -> int:
        """One share a label."""
        return self.shares.size

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        """The same row for every cell."""
        del morphology
        return np.tile(self.shares, (len(patches), 1))


@dataclass(frozen=True, slots=True, eq=False)
class ShapeSvm:
    """A fitted machine. fill: (131,) for a cell that was not found. present: labels it has seen."""

    machine: Pipeline
    curve: LogisticRegression
    fill: F64
    present: I64
    n_labels: int
    n_cells: int
    macs: int | None = None

    @property
    def n_parameters(self) -> int:
        """Numbers in the support vectors, their weights, and the logistic curve."""
        svc = self.machine[-1]
        sizes = (
            svc.support_vectors_,
            svc.dual_coef_,
            svc.intercept_,
            self.curve.coef_,
            self.curve.intercept_,
        )
        return sum(int(np.size(part)) for part in sizes)

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        """(N, L) float64, see FittedSystem; morphology is not used."""
        del morphology
        if len(patches) == 0:
            return np.empty((0, self.n_labels))
        p = np.zeros((len(patches), self.n_labels))
        features = _filled(cell_features(patches), self.fill)
        p[:, self.present] = self.curve.predict_proba(_margins(self.machine, features))
        return soften(p, self.n_cells)


def fit_shape_svm(side: TrainingSide) -> FittedSystem:
    """Fit on the training cells of a side; cost and kernel width are chosen on its validation cells."""
    training = ~side.is_validation
    labels = side.labels[training]
    present = np.unique(labels)
    if len(present) < 2:
        return Constant(succession(count_labels(labels, side.n_labels)))
    features = cell_features(side.patches)
    fill = _medians(features[training])
    known = _filled(features, fill)
    setting = _choose_setting(known, side)
    machine = _machine(*setting).fit(known[training], labels)
    curve = LogisticRegression(max_iter=2000)
    curve.fit(_held_out_margins(known[training], labels, setting, side.seed), labels)
    return ShapeSvm(machine, curve, fill, present, side.n_labels, len(labels))


def _medians(features: F64) -> F64:
    """(131,) medians of the cells that were found; zero where none was."""
    found = ~np.isnan(features[:, 0])
    return np.median(features[found], axis=0) if found.any() else np.zeros(features.shape[1])


def _filled(features: F64, fill: F64) -> F64:
    return np.where(np.isnan(features), fill, features)


def _machine(cost: float, width: float) -> Pipeline:
    """Unfitted; labels weigh the same however many cells they have."""
    svc = SVC(C=cost, gamma=width / N_FEATURES, kernel="rbf", class_weight="balanced")
    return make_pipeline(StandardScaler(), svc)


def _margins(machine: Pipeline, features: F64) -> F64:
    """(N, 1) or (N, L) float64 signed distances from the borders between labels."""
    return np.asarray(machine.decision_function(features), dtype=np.float64).reshape(len(features), -1)


def _choose_setting(features: F64, side: TrainingSide) -> tuple[float, float]:
    """The cost and width with the best balanced accuracy on the validation cells; of equals the softest."""
    training, judged = ~side.is_validation, side.is_validation
    best, best_score = (10.0, 1.0), -1.0
    if len(np.unique(side.labels[judged])) < 2:
        return best
    for done, setting in enumerate(_SETTINGS, start=1):
        machine = _machine(*setting).fit(features[training], side.labels[training])
        score = _balanced_accuracy(side.labels[judged], machine.predict(features[judged]))
        if score > best_score:
            best, best_score = setting, score
        side.tell(done, len(_SETTINGS))
    return best


def _balanced_accuracy(labels: I64, called: I64) -> float:
    return float(np.mean([np.mean(called[labels == label] == label) for label in np.unique(labels)]))


def _held_out_margins(features: F64, labels: I64, setting: tuple[float, float], seed: int) -> F64:
    """Margins of every cell from a machine that did not see it; its own where a label has one cell."""
    _, counts = np.unique(labels, return_counts=True)
    n_parts = min(_MOST_PARTS, int(counts.min()))
    if n_parts < 2:
        return _margins(_machine(*setting).fit(features, labels), features)
    margins = np.zeros((len(labels), 1 if len(counts) == 2 else len(counts)))
    for kept, left_out in StratifiedKFold(n_parts, shuffle=True, random_state=seed).split(features, labels):
        margins[left_out] = _margins(_machine(*setting).fit(features[kept], labels[kept]), features[left_out])
    return margins


SHAPE_SVM: Final = System(
    key="shape-svm",
    title="Segmentation, shape, colour and texture with an SVM",
    kind="classical",
    claim=Claim(
        authors="L. Putzu, G. Caocci, C. Di Ruberto",
        year=2014,
        title="Leucocyte classification for leukaemia detection using image processing techniques",
        data="ALL-IDB1; 33 images of one camera for finding leucocytes",
        figure=(
            "93 % accuracy and 98 % sensitivity of the SVM with a Gaussian kernel; 245 of 267 leucocytes"
            " found (as we know its abstract; not at hand to check)"
        ),
        split="not known to us: the article was not at hand",
        doi="10.1016/j.artmed.2014.09.002",
        accuracy=0.93,
    ),
    description=(
        "The cell in the middle of the patch is cut out by a triangle threshold on yellow, a watershed, and"
        " Otsu's threshold in green and a* for the nucleus. 30 measures of shape, 21 of colour and 80 of"
        " texture go to a support vector machine with a Gaussian kernel. The segmentation is that of L. Putzu"
        " and C. Di Ruberto, White Blood Cells Identification and Counting from Microscopic Blood Images,"
        " WASET 2013, which identifies cells and classifies none."
    ),
    choices=(
        (
            "The articles were not at hand in full: the list behind the 131 features is ours, as 14 measures"
            " of shape each for cell and nucleus, their ratio, the parts of the nucleus, seven statistics of"
            " three colours, and twenty statistics of co-occurrence at four angles."
        ),
        "They find leucocytes in whole fields; here the device has found the cell and the patch holds it.",
        (
            "Yellow is read from b* of CIE Lab instead of the Y of CMYK, which depends on an ink profile:"
            " with the lamp divided out, next to no yellow ink is left in a patch."
        ),
        "Lobes that the watershed parts are joined again when they are small and near.",
        "Cost and kernel width are chosen among nine on the validation cells; labels are weighed equally.",
        "A cell that is not found in its patch gets the median of every feature.",
        "Probabilities come from a logistic curve over held-out margins.",
    ),
    fit=fit_shape_svm,
)
