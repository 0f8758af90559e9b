"""Median filter, grey-level co-occurrence, and nearest neighbours that a genetic algorithm has tuned.

The system of Bennet Rajesh and Sathiamoorthy, on the genetic nearest-neighbour idea of N. Suguna and
K. Thanushkodi (Int. J. Comput. Sci. Issues 7 (2010) 18-21). Read to the letter, their algorithm looks for
the k nearest training samples of each test sample; its optimum is plain k nearest neighbours, and nothing is
learnt. Here the genes are what a nearest-neighbour rule has to be told: how much each feature counts and how
many neighbours vote (J. D. Kelly, L. Davis, A Hybrid Genetic Algorithm for Classification, IJCAI 1991).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from alledge.types import F64, I64, U8
from alltrain.literature.genetic import Evolution, evolve
from alltrain.literature.smoothing import count_labels, succession
from alltrain.literature.system import Claim, System, TrainingSide
from alltrain.literature.texture import STATISTICS, co_occurrence, texture_features

_MEDIAN_PX: Final = 3
_MOST_NEIGHBOURS: Final = 15
_MOST_COMPARED: Final = 1000  # cells a side in which the genes are judged; more only cost time
_BLACK: Final = 8
_ROWS_AT_ONCE: Final = 512
_EPS: Final = 1e-9

N_FEATURES: Final = 2 * len(STATISTICS)


def patch_texture(patches: U8) -> F64:
    """(N, 40) float64: mean and range over four angles of the twenty statistics of the filtered patches.

    Mean and range over angles, after Haralick et al. 1973, do not change when the slide is turned.

    patches: (N, 50, 50, 3) uint8 RGB; black is mask and left out.
    """
    return np.array([_of_patch(patch) for patch in patches]).reshape(-1, N_FEATURES)


def _of_patch(patch: U8) -> F64:
    grey = np.rint(patch @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    smooth = ndimage.median_filter(grey, size=_MEDIAN_PX)
    angles = texture_features(co_occurrence(smooth, patch.max(axis=2) > _BLACK))
    return np.concatenate([angles.mean(axis=0), np.ptp(angles, axis=0)])


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Training cells to compare with. features: (T, F) float64, scaled; labels: (T,) int64."""

    features: F64
    labels: I64
    n_labels: int

    def vote(self, features: F64, n_neighbours: int) -> F64:
        """(N, L) float64 probabilities of the labels of the nearest cells, nearer ones counting more.

        Weighing by nearness after S. A. Dudani, IEEE Trans. SMC 6 (1976) 325-327. The weights of a cell's
        neighbours add up to their number, so that Laplace's rule applies.
        """
        k = min(n_neighbours, len(self.labels))
        chunks = [
            self._votes(features[start : start + _ROWS_AT_ONCE], k)
            for start in range(0, len(features), _ROWS_AT_ONCE)
        ]
        return succession(np.concatenate([np.empty((0, self.n_labels)), *chunks]))

    def _votes(self, features: F64, k: int) -> F64:
        squared = (features**2).sum(axis=1)[:, None] + (self.features**2).sum(axis=1)
        squared = squared - 2 * features @ self.features.T
        nearest = np.argpartition(squared, k - 1, axis=1)[:, :k]
        distance = np.sqrt(np.maximum(np.take_along_axis(squared, nearest, axis=1), 0.0))
        weights = 1 / (distance + distance.mean(axis=1, keepdims=True) + _EPS)
        weights *= k / weights.sum(axis=1, keepdims=True)
        votes = np.zeros((len(features), self.n_labels))
        np.add.at(votes, (np.arange(len(features))[:, None], self.labels[nearest]), weights)
        return votes


@dataclass(frozen=True, slots=True, eq=False)
class Gknn:
    """Fitted genes and the training cells. centre, scale: (40,) that put features on one footing."""

    neighbours: Neighbours
    n_neighbours: int
    centre: F64
    scale: F64
    macs: int | None = None

    @property
    def n_parameters(self) -> int:
        """Numbers that a call needs: the training cells, their scale, and k."""
        return self.neighbours.features.size + self.centre.size + self.scale.size + 1

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        """(N, L) float64, see FittedSystem; morphology is not used."""
        del morphology
        features = (patch_texture(patches) - self.centre) * self.scale
        return self.neighbours.vote(features, self.n_neighbours)


def fit_gknn(side: TrainingSide, evolution: Evolution | None = None) -> Gknn:
    """Choose weights and k so that validation cells are told right by their neighbours among the others."""
    features = patch_texture(side.patches)
    training = ~side.is_validation
    centre = features[training].mean(axis=0)
    spread = features[training].std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > _EPS)
    standard = (features - centre) * scale
    genes = _choose_genes(standard, side, evolution or Evolution())
    weights = _weights(genes)
    neighbours = Neighbours(standard[training] * weights, side.labels[training], side.n_labels)
    return Gknn(neighbours, _n_neighbours(genes), centre, scale * weights)


def _weights(genes: F64) -> F64:
    """(F,) weight of each feature; genes below a quarter switch it off."""
    return np.maximum(genes[:-1] - 0.25, 0.0) / 0.75


def _n_neighbours(genes: F64) -> int:
    """Odd, from 1 to 15."""
    return 1 + 2 * round(float(genes[-1]) * (_MOST_NEIGHBOURS - 1) / 2)


def _choose_genes(features: F64, side: TrainingSide, evolution: Evolution) -> F64:
    """(F + 1,) genes; all features alike and five neighbours where validation cells cannot judge."""
    plain = np.append(np.ones(features.shape[1]), 4 / (_MOST_NEIGHBOURS - 1))
    rng = np.random.default_rng(side.seed)
    known = _sample(np.flatnonzero(~side.is_validation), rng)
    judged = _sample(np.flatnonzero(side.is_validation), rng)
    truth = side.labels[judged]
    if len(np.unique(truth)) < 2:
        return plain
    balance = 1 / count_labels(truth, side.n_labels)[truth]

    def fitness(genes: F64) -> float:
        weights = _weights(genes)
        if not weights.any():
            return -np.inf
        neighbours = Neighbours(features[known] * weights, side.labels[known], side.n_labels)
        p = neighbours.vote(features[judged] * weights, _n_neighbours(genes))
        return float(np.average(np.log(p[np.arange(len(truth)), truth]), weights=balance))

    return evolve(fitness, plain, evolution, side.seed, side.tell)


def _sample(indices: I64, rng: np.random.Generator) -> I64:
    """At most a thousand of the indices, in order."""
    if len(indices) <= _MOST_COMPARED:
        return indices
    return np.sort(rng.choice(indices, _MOST_COMPARED, replace=False))


GKNN: Final = System(
    key="gknn",
    title="GkNN: co-occurrence features and genetic nearest neighbours",
    kind="classical",
    claim=Claim(
        authors="M. Bennet Rajesh, S. Sathiamoorthy",
        year=2018,
        title="Classification of Leukemia Image Using Genetic Based K-Nearest Neighbor (G-KNN)",
        data="leukaemia image datasets; the abstract does not name them",
        figure="better than a multilayer perceptron and an SVM; the abstract gives no number",
        split="the abstract does not tell",
        doi="",
    ),
    description=(
        "Asian Journal of Computer Science and Technology 7(2) (2018) 113-117. The patch is made grey and"
        " median-filtered; twenty statistics of its grey-level co-occurrence matrix, as mean and range over"
        " four angles, are compared with those of the training cells. A genetic algorithm chooses how much"
        " each feature counts and how many neighbours vote."
    ),
    choices=(
        (
            "Only the abstract was at hand, which does not say what the genes are. In the algorithm that it"
            " builds on (Suguna and Thanushkodi 2010) a genetic search looks for the nearest neighbours"
            " themselves; its optimum is plain nearest neighbours, so the genes here are feature weights and"
            " the number of neighbours."
        ),
        (
            "Fitness is the mean logarithm of the probability of the true label over the validation cells,"
            " labels weighed equally; 24 individuals, 25 generations, crossover 0.8, mutation 0.1."
        ),
        (
            "Median over 3 x 3 pixels, 16 greys, a distance of one pixel, over the whole patch: the abstract"
            " names no segmentation."
        ),
        "Neighbours vote by nearness, and Laplace's rule turns votes into probabilities.",
    ),
    fit=fit_gknn,
)
